"""The calendars of one caller: connected, read, given other credentials, removed."""

import asyncio
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import text
from sqlmodel import col, delete, select, update

from control_plane.auth.callers import Caller
from control_plane.calendars.calling import Access
from control_plane.calendars.models import Calendar, CalendarEvent, CalendarSeries, CalendarStatus
from control_plane.calendars.providers import Credentials, Providers, seal_access, seal_credentials
from control_plane.calendars.remote import Busy, CalendarError, RemoteCalendar
from control_plane.calendars.sending import BotPlanner
from control_plane.calendars.sync import CalendarSync
from control_plane.calendars.telling import sealed_key_row
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing_uuid
from control_plane.errors import Conflict, InvalidRequest, Unavailable
from control_plane.gate.idempotency import Attempt
from control_plane.gate.transaction import Transaction
from control_plane.secrets.box import SecretBox

FIRST_WITHIN: Final = 20.0
"""Seconds that a request waits for the first reading; one that takes longer is left to the jobs."""
RESYNCED_AT_ONCE: Final = 4
RESYNCED_WITHIN: Final = 60.0
"""Seconds that a request waits for all calendars; those that take longer are left to the jobs."""
MET_WITHIN: Final = 30.0
"""Seconds in which a provider lists its calendars."""
MOST: Final = 200
"""Calendars of a project."""

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('calendars of ' || cast(:project as text), 0))")

log = structlog.get_logger()


class Met:
    """What a provider said to new credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = dict(credentials)
        self.access: Access | None = None
        self.calendars: list[RemoteCalendar] = []

    async def keep(self, access: Access, refresh_token: str | None) -> None:
        """Remember the tokens that they were exchanged for."""
        self.access = access
        if refresh_token:
            self.credentials["refresh_token"] = refresh_token

    def choose(self, wanted: str | None) -> RemoteCalendar | None:
        """The calendar of that id; without one the primary, or the first."""
        if wanted is not None:
            return next((each for each in self.calendars if each.remote_id == wanted), None)
        return next((each for each in self.calendars if each.is_primary), next(iter(self.calendars), None))


class CalendarService:
    """Holds no transaction while it waits for a provider."""

    def __init__(
        self,
        transaction: Transaction,
        caller: Caller,
        clock: Clock,
        box: SecretBox,
        providers: Providers,
        sync: CalendarSync,
        attempt: Attempt,
    ) -> None:
        self.attempt = attempt
        self.transaction, self.caller, self.clock, self.box = transaction, caller, clock, box
        self.providers, self.sync, self.bots = providers, sync, sync.bots

    async def raw(self, platform: str, credentials: Credentials) -> list[RemoteCalendar]:
        """What the credentials open; nothing of it is kept."""
        return (await self._meet(platform, credentials)).calendars

    async def create(self, platform: str, credentials: Credentials, wanted: str | None, key: str) -> Calendar:
        """Connect a calendar and read it. `Conflict` where the project has it already."""
        if self.attempt.made:  # an earlier try of this request, which died while it was read
            return await self._sync_first(await self.get(UUID(self.attempt.made)))
        met = await self._meet(platform, credentials)
        chosen = met.choose(wanted)
        if chosen is None:
            raise InvalidRequest.field("raw_calendar_id", "names no calendar that these credentials open")
        uuid = uuid4()
        db = await self.transaction.begin()
        await self._refuse_twice(db, platform, chosen)
        calendar = Calendar(
            project_id=self.caller.project_id,
            uuid=uuid,
            platform=platform,
            remote_id=chosen.remote_id,
            name=chosen.name,
            email=chosen.email,
            sealed_credentials=seal_credentials(self.box, uuid, met.credentials),
            sealed_key=self.box.seal(key, row=sealed_key_row(uuid)),
            next_sync_at=self.clock.now(),
        )
        self._take_access(calendar, met)
        db.add(calendar)
        await db.flush()
        await self.attempt.note(db, f"{uuid}")
        return await self._sync_first(calendar)

    async def all(self) -> list[Calendar]:
        """All calendars, oldest first."""
        db = await self.transaction.begin()
        query = select(Calendar).where(Calendar.project_id == self.caller.project_id).order_by(col(Calendar.id))
        return list((await db.exec(query)).all())

    async def get(self, uuid: UUID, *, lock: bool = False) -> Calendar:
        """One calendar. Raises `NotFound`, `Forbidden`."""
        db = await self.transaction.begin()
        query = select(Calendar).where(Calendar.project_id == self.caller.project_id, Calendar.uuid == uuid)
        calendar = (await db.exec(query.with_for_update() if lock else query)).one_or_none()
        return calendar or await refuse_missing_uuid(db, "calendar", uuid, "calendar")

    async def update(self, uuid: UUID, platform: str, credentials: Credentials) -> Calendar:
        """Other credentials, or another provider: its bots are called off and everything is read anew."""
        calendar = await self.get(uuid)
        met = await self._meet(platform, credentials)
        same = calendar.platform == platform
        chosen = (met.choose(calendar.remote_id) if same else None) or met.choose(None)
        if chosen is None:
            raise InvalidRequest("These credentials open no calendar")
        calendar = await self.get(uuid, lock=True)
        db = await self.transaction.begin()
        if (platform, chosen.remote_id) != (calendar.platform, calendar.remote_id):
            await self._refuse_twice(db, platform, chosen)
            calendar.generation += 1
        await call_off(db, calendar, self.bots)
        calendar.sqlmodel_update(
            {
                "platform": platform,
                "remote_id": chosen.remote_id,
                "name": chosen.name,
                "email": chosen.email,
                "sealed_credentials": seal_credentials(self.box, uuid, met.credentials),
                "status": CalendarStatus.ACTIVE,
                "status_reason": None,
                "failures": 0,
                "sync_token": None,
                "full_at": None,
                "claim": calendar.claim + 1,
                "lease_until": None,
                "next_sync_at": self.clock.now(),
                "channel_id": None,
                "channel_resource": None,
                "channel_until": None,
            }
        )
        self._take_access(calendar, met)
        return await self._sync_first(calendar)

    async def delete(self, uuid: UUID) -> None:
        """Remove a calendar with its events; the bots that were to go there do not."""
        calendar = await self.get(uuid)
        await self._pause()
        await self.sync.close_channel(calendar)
        calendar = await self.get(uuid, lock=True)
        db = await self.transaction.begin()
        await call_off(db, calendar, self.bots)
        await db.flush()
        await db.delete(calendar)

    async def resync_all(self, days: int | None) -> tuple[list[UUID], list[tuple[UUID, str]]]:
        """Read every calendar anew, as far ahead as `days`; which were read, and why others were not, or not yet."""
        calendars = await self.all()
        if days is not None:
            for calendar in calendars:
                calendar.days = days
        await self._pause()
        turns, late = asyncio.Semaphore(RESYNCED_AT_ONCE), list[int]()

        async def resync(calendar: Calendar, until: float) -> str | None:
            try:
                async with asyncio.timeout_at(until), turns:
                    return await self.sync.sync(calendar.id, full=True)
            except TimeoutError:
                late.append(calendar.id)
                return "the provider takes long: the calendar is read on by itself"

        until = asyncio.get_running_loop().time() + RESYNCED_WITHIN
        problems = await asyncio.gather(*(resync(calendar, until) for calendar in calendars))
        if late:
            db = await self.transaction.begin()
            left = update(Calendar).where(col(Calendar.id).in_(late))
            await db.execute(left.values(next_sync_at=self.clock.now(), full_at=None))
        read = list(zip(calendars, problems, strict=True))
        synced = [calendar.uuid for calendar, problem in read if problem is None]
        return synced, [(calendar.uuid, problem) for calendar, problem in read if problem is not None]

    async def _pause(self) -> None:
        """Commit, and hold nothing until the next question."""
        await self.transaction.commit()
        await self.transaction.leave()

    async def _meet(self, platform: str, credentials: Credentials) -> Met:
        """Try credentials. Raises `InvalidRequest` where they do not serve, `Unavailable` where nobody can tell."""
        await self._pause()
        met = Met(credentials)
        provider = self.providers.build(platform, credentials, met.keep)
        try:
            async with asyncio.timeout(MET_WITHIN):
                met.calendars = await provider.calendars()
        except TimeoutError as error:
            raise Unavailable("The calendars cannot be read now: the provider takes too long") from error
        except Busy as error:
            raise Unavailable(f"The calendars cannot be read now: {error.reason}") from error
        except CalendarError as error:
            raise InvalidRequest(f"The calendars cannot be read: {error.reason}") from error
        return met

    def _take_access(self, calendar: Calendar, met: Met) -> None:
        calendar.sealed_access = seal_access(self.box, calendar.uuid, met.access.token) if met.access else None
        calendar.access_until = met.access.until if met.access else None

    async def _refuse_twice(self, db: Db, platform: str, chosen: RemoteCalendar) -> None:
        """Raise `Conflict`. Whoever asks next waits for the commit: two at once are one after the other."""
        await db.execute(_ONE_AT_A_TIME, {"project": self.caller.project_id})
        own = select(Calendar).where(Calendar.project_id == self.caller.project_id)
        there = (await db.exec(own)).all()
        if any((each.platform, each.remote_id) == (platform, chosen.remote_id) for each in there):
            raise Conflict("This calendar is connected already; change its credentials with PATCH")
        if len(there) >= MOST:
            raise Conflict(f"A project has at most {MOST} calendars")

    async def _sync_first(self, calendar: Calendar) -> Calendar:
        """Commit, and read the calendar while the caller waits, up to a limit. How it fares then."""
        await self._pause()
        try:
            async with asyncio.timeout(FIRST_WITHIN):
                await self.sync.sync(calendar.id, full=True)
        except TimeoutError:
            log.info("calendar left to the jobs", calendar=calendar.id)
        return await self.get(calendar.uuid)


async def call_off(db: Db, calendar: Calendar, bots: BotPlanner) -> None:
    """No bot goes to any event of a calendar."""
    await db.execute(delete(CalendarSeries).where(col(CalendarSeries.calendar_id) == calendar.id))
    query = select(CalendarEvent).where(CalendarEvent.calendar_id == calendar.id, col(CalendarEvent.bot).is_not(None))
    for event in (await db.exec(query)).all():
        await bots.cancel(db, event)
