"""What becomes known of a calendar: an event of the log, and a webhook to the account's address for bots."""

import json
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from control_plane.accounts.models import Account, Project
from control_plane.bots.telling import DIALECT, KEY_HEADER
from control_plane.calendars.models import Calendar
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.signing import new_secret
from control_plane.webhooks.targets import headers_row, sealed_as

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
        asked = select(Account.meeting_baas_webhook_url).join(Project, col(Project.account_id) == Account.id)
        url = (await self._db.exec(asked.where(Project.id == calendar.project_id))).one_or_none()
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
        made = WebhookEndpoint(project_id=calendar.project_id, url=url, dialect=DIALECT, events=TOLD, sealed_secret=b"")
        self._db.add(made)
        await self._db.flush()
        made.sealed_secret = self._box.seal(new_secret(), row=sealed_as(made.id))
        key = self._box.open(calendar.sealed_key, row=sealed_key_row(calendar.uuid))
        if key:
            made.sealed_headers = self._box.seal(json.dumps({KEY_HEADER: key}), row=headers_row(made.id))
