"""What stands in a caller's calendars, and the bots that go there."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func, text, tuple_, update
from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.calendars.models import Calendar, CalendarEvent, CalendarSeries
from control_plane.calendars.sending import BotPlanner, Keys
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing_uuid
from control_plane.errors import Conflict, InvalidRequest

PER_PAGE: Final = 100
_ATTENDED: Final = text(
    "exists (select from jsonb_array_elements(attendees) as one where lower(one ->> 'email') = lower(:email))"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events of a calendar are asked for."""

    status: Literal["upcoming", "past", "all"] = "upcoming"
    attendee: str | None = None
    organizer: str | None = None
    starts_from: datetime | None = None
    starts_until: datetime | None = None
    updated_from: datetime | None = None
    cursor: str | None = None


class EventService:
    """The events of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, bots: BotPlanner) -> None:
        self.db, self.caller, self.clock, self.bots = db, caller, clock, bots

    async def list(self, calendar: Calendar, wanted: Wanted) -> tuple[Sequence[CalendarEvent], str | None]:
        """A page of a calendar's events by their start, and the cursor of the next.

        Events that are no more are listed to those only who ask for what changed.
        """
        now = self.clock.now()
        query = select(CalendarEvent).where(CalendarEvent.calendar_id == calendar.id)
        if wanted.status == "upcoming":
            query = query.where(CalendarEvent.ends_at >= now)
        elif wanted.status == "past":
            query = query.where(CalendarEvent.ends_at < now)
        if wanted.updated_from is None:
            query = query.where(col(CalendarEvent.deleted).is_(False))
        else:
            query = query.where(CalendarEvent.updated_at >= wanted.updated_from)
        if wanted.attendee is not None:
            query = query.where(_ATTENDED.bindparams(email=wanted.attendee))
        if wanted.organizer is not None:
            query = query.where(func.lower(col(CalendarEvent.organizer_email)) == wanted.organizer.lower())
        if wanted.starts_from is not None:
            query = query.where(CalendarEvent.starts_at >= wanted.starts_from)
        if wanted.starts_until is not None:
            query = query.where(CalendarEvent.starts_at <= wanted.starts_until)
        order = tuple_(col(CalendarEvent.starts_at), col(CalendarEvent.id))
        if wanted.cursor is not None:
            query = query.where(order > tuple_(*_read_cursor(wanted.cursor)))
        query = query.order_by(col(CalendarEvent.starts_at), col(CalendarEvent.id)).limit(PER_PAGE + 1)
        rows = (await self.db.exec(query)).all()
        if len(rows) <= PER_PAGE:
            return rows, None
        return rows[:PER_PAGE], _write_cursor(rows[PER_PAGE - 1])

    async def get(self, uuid: UUID) -> tuple[CalendarEvent, Calendar]:
        """One event and its calendar. Raises `NotFound`, `Forbidden`."""
        query = (
            select(CalendarEvent, Calendar)
            .where(col(Calendar.id) == col(CalendarEvent.calendar_id))
            .where(CalendarEvent.project_id == self.caller.project_id, CalendarEvent.uuid == uuid)
        )
        found = (await self.db.exec(query)).one_or_none()
        if found is None:
            await refuse_missing_uuid(self.db, "calendar_event", uuid, "calendar event")
        return found[0], found[1]

    async def schedule(
        self, uuid: UUID, params: dict[str, Any], keys: dict[str, str], *, every: bool
    ) -> tuple[Sequence[CalendarEvent], Calendar]:
        """Have a bot go to an event, or to every occurrence of its series that is still to come."""
        event, calendar = await self._locked(uuid)
        self._check(event)
        events = await self._occurrences(event) if every else [event]
        if every and event.series_id:
            series = await self._series(event)
            if series is None:
                series = CalendarSeries(
                    project_id=event.project_id, calendar_id=event.calendar_id, series_id=event.series_id
                )
            series.bot = self.bots.sealed(series, params, keys)
            self.db.add(series)
        for each in events:
            await self.bots.plan(self.db, each, params, keys)
        return events, calendar

    async def patch(
        self, uuid: UUID, changes: dict[str, Any], keys: Keys, *, every: bool
    ) -> tuple[Sequence[CalendarEvent], Calendar]:
        """Other parameters for the bots that were to go, and other `keys` in the place of those that are named here.

        `Conflict` where no bot was to go.
        """
        event, calendar = await self._locked(uuid)
        events = [each for each in (await self._occurrences(event) if every else [event]) if each.bot is not None]
        if not events:
            raise Conflict("No bot is scheduled for this event")
        series = await self._series(event) if every else None
        if series is not None:
            series.bot = self.bots.sealed(series, *self._changed(series, changes, keys))
            self.db.add(series)
        for each in events:
            await self.bots.plan(self.db, each, *self._changed(each, changes, keys))
        return events, calendar

    async def unschedule(self, uuid: UUID, *, every: bool) -> tuple[Sequence[CalendarEvent], Calendar]:
        """Call the bots off; nothing happens where there are none."""
        event, calendar = await self._locked(uuid)
        events = await self._occurrences(event) if every else [event]
        series = await self._series(event) if every else None
        if series is not None:
            await self.db.delete(series)
        for each in events:
            await self.bots.cancel(self.db, each)
        return events, calendar

    async def release(self, uuid: UUID) -> None:
        """The bot that was to go to an event was sent away by itself: no other goes in its place."""
        mine = update(CalendarEvent).where(
            col(CalendarEvent.project_id) == self.caller.project_id, col(CalendarEvent.uuid) == uuid
        )
        await self.db.execute(mine.values(bot=None))

    async def _locked(self, uuid: UUID) -> tuple[CalendarEvent, Calendar]:
        """The same with the calendar locked, so that no reading of it comes between."""
        _, calendar = await self.get(uuid)
        await self.db.exec(select(Calendar.id).where(Calendar.id == calendar.id).with_for_update())
        event, calendar = await self.get(uuid)
        await self.db.refresh(event)
        return event, calendar

    def _changed(
        self, holder: CalendarEvent | CalendarSeries, changes: dict[str, Any], keys: Keys
    ) -> tuple[dict[str, Any], Keys]:
        return (holder.bot or {}) | changes, self.bots.open(holder) | keys

    def _check(self, event: CalendarEvent) -> None:
        if event.deleted:
            raise Conflict("This event was cancelled")
        if event.ends_at <= self.clock.now():
            raise Conflict("This event is over")
        if not event.meeting_url:
            raise Conflict("No meeting's address was found in this event")

    async def _occurrences(self, event: CalendarEvent) -> Sequence[CalendarEvent]:
        """The events of the same series that are still to come and that a bot can go to."""
        if event.series_id is None:
            return [event]
        query = select(CalendarEvent).where(
            CalendarEvent.calendar_id == event.calendar_id,
            CalendarEvent.series_id == event.series_id,
            col(CalendarEvent.deleted).is_(False),
            CalendarEvent.ends_at > self.clock.now(),
            CalendarEvent.meeting_url != "",
        )
        return (await self.db.exec(query.order_by(col(CalendarEvent.starts_at)))).all()

    async def _series(self, event: CalendarEvent) -> CalendarSeries | None:
        if event.series_id is None:
            return None
        return await self.db.get(CalendarSeries, (event.calendar_id, event.series_id))


def _write_cursor(event: CalendarEvent) -> str:
    return base64.urlsafe_b64encode(f"{event.starts_at.isoformat()} {event.id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        starts_at, _, number = base64.b64decode(padded, altchars=b"-_", validate=True).decode().rpartition(" ")
        read = datetime.fromisoformat(starts_at), int(number)
        if read[0].tzinfo is None or not 0 < read[1] < 2**63:
            raise ValueError
        return read
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest.field("cursor", "is not one of ours") from error
