"""Channels by which Google and Microsoft tell of changes.

A notice says only that something changed. The calendar is then read like any that is due, so a notice that was lost,
came twice or was made up does no harm.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from control_plane.calendars.models import Calendar
from control_plane.calendars.remote import CalendarError, Provider, Renewed, Watched
from control_plane.db.database import Db
from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs

RENEWED: Final = timedelta(hours=12)
"""A channel is renewed this long before it ends."""
NOTICES: Final = "/hooks/calendars"
"""Where providers tell, below the public address."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Channel:
    """A way by which a provider tells of changes."""

    id: str
    resource: str
    until: datetime


class Channels:
    """Opens channels where the installation can be reached, and knows who speaks through them."""

    def __init__(self, secret_keys: SecretKeys, public_url: str, *, wanted: bool) -> None:
        self._macs = Macs(secret_keys, "parley calendar channel v1")
        self._public_url, self.wanted = public_url.rstrip("/"), wanted

    def secret(self, uuid: UUID) -> str:
        """What a provider says with each notice about a calendar."""
        return self._macs.sign(uuid.bytes)

    def is_due(self, calendar: Calendar, now: datetime) -> bool:
        """Whether a calendar needs a channel, or a new one."""
        return self.wanted and (calendar.channel_until is None or calendar.channel_until - now < RENEWED)

    async def open(self, provider: Provider, calendar: Calendar, now: datetime) -> Channel | None:
        """The former channel for longer, or a new one in its place, or the former as it is where there is no new one;
        None where the provider has none, and then the calendar is only polled."""
        if not isinstance(provider, Watched):
            return None
        former = _channel_of(calendar, now)
        if former is not None and isinstance(provider, Renewed):
            try:
                return replace(former, until=await provider.renew(former.id))
            except CalendarError as error:  # such as one that the provider has forgotten
                log.info("channel of a calendar is made anew", calendar=calendar.id, reason=error.reason)
        address = f"{self._public_url}{NOTICES}/{calendar.platform.lower()}"
        try:
            made = await provider.watch(
                calendar.remote_id, channel=str(uuid4()), secret=self.secret(calendar.uuid), address=address
            )
        except CalendarError as error:
            log.info("calendar has no new channel", calendar=calendar.id, reason=error.reason)
            return former
        await self.close(provider, calendar)
        return Channel(*made)

    async def close(self, provider: Provider, calendar: Calendar) -> None:
        """Have a provider tell no more; one that does not listen stops by itself when the channel ends."""
        if not isinstance(provider, Watched) or not calendar.channel_id:
            return
        try:
            await provider.unwatch(calendar.channel_id, calendar.channel_resource or "")
        except CalendarError as error:
            log.info("channel of a calendar is left to its end", calendar=calendar.id, reason=error.reason)

    async def hear(self, db: Db, channel_id: str, secret: str, *, now: datetime) -> bool:
        """Take a notice: its calendar is read by whoever reads calendars. Whether it was a provider's."""
        query = select(Calendar.id, Calendar.uuid).where(Calendar.channel_id == channel_id)
        found = (await db.exec(query)).one_or_none()
        if found is None or not self._macs.verify(found[1].bytes, secret):
            return False
        due = update(Calendar).where(col(Calendar.id) == found[0], col(Calendar.next_sync_at).is_not(None))
        await db.execute(due.values(next_sync_at=now, quiet=0))
        return True


def _channel_of(calendar: Calendar, now: datetime) -> Channel | None:
    """A calendar's channel, unless it has none or that has ended."""
    if not calendar.channel_id or calendar.channel_until is None or calendar.channel_until <= now:
        return None
    return Channel(calendar.channel_id, calendar.channel_resource or "", calendar.channel_until)
