"""What becomes known of a calendar: an event of the log, and a webhook to the account's address for bots."""

from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from control_plane.bots.telling import DIALECT, account_url, add_endpoint
from control_plane.calendars.models import Calendar
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.models import WebhookEndpoint

TOLD: Final = [Fact.CALENDAR_SYNCED.value]


def sealed_key_row(uuid: UUID) -> str:
    """The row that the key is sealed for which connected a calendar."""
    return f"calendar_key:{uuid}"


class CalendarTeller:
    """Tells of calendars whose rows are locked."""

    def __init__(self, db: Db, clock: Clock, box: SecretBox) -> None:
        self._db, self._clock, self._box = db, clock, box

    async def tell(self, calendar: Calendar, fact: Fact, **data: Any) -> None:
        """Write a fact about a calendar down."""
        if fact in TOLD:
            await self._keep_endpoint(calendar)
        log = EventLog(self._db, self._clock)
        log.append(fact, project_id=calendar.project_id, calendar_id=str(calendar.uuid), **data)

    async def _keep_endpoint(self, calendar: Calendar) -> None:
        """One endpoint for all calendars of a project, at the account's address as it is now."""
        url = await account_url(self._db, calendar.project_id)
        own = select(WebhookEndpoint).where(
            WebhookEndpoint.project_id == calendar.project_id,
            WebhookEndpoint.dialect == DIALECT,
            col(WebhookEndpoint.room_name).is_(None),
        )
        known = (await self._db.exec(own.order_by(col(WebhookEndpoint.id)).with_for_update())).all()
        for endpoint in known:
            if endpoint.url != url:
                await self._db.delete(endpoint)
        if url is None or any(endpoint.url == url for endpoint in known):
            return
        key = self._box.open(calendar.sealed_key, row=sealed_key_row(calendar.uuid))
        await add_endpoint(self._db, self._box, calendar.project_id, url, key, room_name=None, letters=TOLD)
