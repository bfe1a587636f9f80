"""Reading calendars: when they are due, when somebody asks, from where the last reading ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, text
from sqlmodel import select

from control_plane.calendars.calling import Access
from control_plane.calendars.models import Calendar, CalendarEvent, CalendarStatus
from control_plane.calendars.providers import Providers, open_access, open_credentials, seal_access, seal_credentials
from control_plane.calendars.push import Channels
from control_plane.calendars.remote import Busy, CalendarError, EventPage, Outdated, Refused, Revoked, Window
from control_plane.calendars.sending import BotPlanner
from control_plane.calendars.telling import CalendarTeller
from control_plane.calendars.writing import remove_unseen, write_page
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database, Db
from control_plane.errors import PlatformError
from control_plane.events.facts import Fact
from control_plane.secrets.box import SecretBox

AT_ONCE: Final = 4
"""Calendars that a process reads at the same time."""
OF_A_PROJECT: Final = 2
"""Calendars of one project that are read at the same time: slow ones must not hold up those of others."""
LOOK_EVERY: Final = 1.0
LEASE: Final = timedelta(seconds=60)
"""From page to page; a process that died holds a calendar this long."""
WITHIN: Final = 300.0
"""Seconds that one reading may take."""
PAST: Final = timedelta(days=1)
ROLL: Final = timedelta(days=1)
"""The whole window is read anew this often, since it moves."""
SLOWEST: Final = timedelta(minutes=15)
WATCHED: Final = timedelta(minutes=30)
"""Between looks at a calendar whose provider tells of changes by itself."""
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
MOST_EVENTS: Final = 20_000
"""Of one reading."""
MOST_KEPT: Final = 100_000
"""Of a calendar, with those that are past or no more."""
MOST_TOLD: Final = 5000
"""Events that one fact names."""

# One at a time, so that each sees those before it.
_CLAIM = text("""
    update calendar set claim = claim + 1, lease_until = :lease
    where id in (
        select id from calendar due
        where next_sync_at <= :now and (lease_until is null or lease_until < :now) and :share > (
            select count(*) from calendar busy where busy.project_id = due.project_id and busy.lease_until >= :now
        )
        order by next_sync_at limit 1 for update skip locked
    )
    returning id, project_id, claim
""")
_CLAIM_ONE = text("""
    update calendar set claim = claim + 1, lease_until = :lease
    where id = :id and (lease_until is null or lease_until < :now)
    returning id, project_id, claim
""")

log = structlog.get_logger()


class _SupersededError(Exception):
    """Somebody else reads the calendar by now, or it is gone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write what was read of a calendar, until somebody else has a higher number."""

    id: int
    project_id: int
    number: int


class CalendarSync:
    """Reads calendars, each by one process at a time."""

    def __init__(
        self, database: Database, clock: Clock, box: SecretBox, providers: Providers, channels: Channels
    ) -> None:
        self._channels = channels
        self._database, self._clock, self._box, self._providers = database, clock, box, providers
        self.bots = BotPlanner(clock, box, providers.settings.public_url)

    async def run(self) -> None:
        """Read what is due, for ever."""
        at_work: set[asyncio.Task[str | None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                at_work = {task for task in at_work if not task.done()}
                try:
                    for claim in await self._claim_due(AT_ONCE - len(at_work)):
                        at_work.add(tasks.create_task(self._read(claim)))
                except PlatformError as error:
                    log.warning("calendars were not looked for", reason=str(error))
                await asyncio.sleep(LOOK_EVERY)

    async def sync(self, calendar_id: int, *, full: bool = False) -> str | None:
        """Read a calendar now, after whoever reads it already. What went wrong, None where nothing did."""
        async with asyncio.timeout(WITHIN):
            while True:
                async with self._database.platform() as db:
                    now = self._clock.now()
                    values = {"id": calendar_id, "now": now, "lease": now + LEASE}
                    row = (await db.execute(_CLAIM_ONE, values)).one_or_none()
                    there = row or await db.scalar(select(Calendar.id).where(Calendar.id == calendar_id))
                if row is not None:
                    return await self._read(Claim(row.id, row.project_id, row.claim), full=full)
                if there is None:
                    return "this calendar is gone"
                await asyncio.sleep(0.1)

    async def close_channel(self, calendar: Calendar) -> None:
        """Have a calendar's provider tell no more."""
        if calendar.channel_id is None:
            return

        async def forget(_access: Access, _refresh_token: str | None) -> None:
            """The calendar is on its way out."""

        try:
            credentials, access = open_credentials(self._box, calendar), open_access(self._box, calendar)
        except ValueError:  # of a key that is lost: the calendar goes all the same, and its channel at its end
            log.warning("channel not closed", calendar=calendar.id)
            return
        provider = self._providers.build(calendar.platform, credentials, forget, access=access)
        await self._channels.close(provider, calendar)

    async def _claim_due(self, limit: int) -> list[Claim]:
        now, claims = self._clock.now(), list[Claim]()
        values = {"now": now, "lease": now + LEASE, "share": OF_A_PROJECT}
        async with self._database.platform() as db:
            while len(claims) < limit and (row := (await db.execute(_CLAIM, values)).one_or_none()) is not None:
                claims.append(Claim(row.id, row.project_id, row.claim))
        return claims

    async def _read(self, claim: Claim, *, full: bool = False) -> str | None:
        """Read once and write down how it went. What went wrong; the calendar is free afterwards."""
        try:
            try:
                async with asyncio.timeout(WITHIN):
                    await self._read_on(claim, full=full)
                return None
            except CalendarError as error:
                problem = error
            except TimeoutError:
                problem = Busy("the provider takes too long")
            except PlatformError as error:  # the database: the lease ends by itself
                log.warning("calendar not read", calendar=claim.id, reason=str(error))
                return error.message
            except _SupersededError:
                return "the calendar was changed meanwhile"
            except Exception:  # such as an answer that nobody foresaw; others must be read all the same
                log.exception("calendar not read", calendar=claim.id)
                problem = Refused("what the provider said was not understood")
            await self._fail(claim, problem)
            return problem.reason
        except PlatformError as error:
            return error.message
        except _SupersededError:
            return "the calendar was changed meanwhile"

    async def _read_on(self, claim: Claim, *, full: bool) -> None:
        async with self._held(claim) as (_, calendar):
            now = self._clock.now()
            window = Window(now - PAST, now + timedelta(days=calendar.days))
            rolled = calendar.full_at is None or now - calendar.full_at >= ROLL
            token = None if full or rolled else calendar.sync_token
            credentials, access = open_credentials(self._box, calendar), open_access(self._box, calendar)

            async def keep(new: Access, refresh_token: str | None) -> None:
                async with self._held(claim) as (_, row):
                    row.sealed_access = seal_access(self._box, row.uuid, new.token)
                    row.access_until = new.until
                    if refresh_token:
                        renewed = credentials | {"refresh_token": refresh_token}
                        row.sealed_credentials = seal_credentials(self._box, row.uuid, renewed)

            provider = self._providers.build(calendar.platform, credentials, keep, access=access)
            remote_id = calendar.remote_id
        try:
            await self._take(claim, provider.read(remote_id, token, window), window, full=token is None)
        except Outdated as error:
            if token is None:
                raise Refused("the provider cannot list the calendar's events") from error
            await self._take(claim, provider.read(remote_id, None, window), window, full=True)
        if self._channels.is_due(calendar, now):
            channel = await self._channels.open(provider, calendar, now)
            async with self._held(claim) as (_, row):
                row.channel_id, row.channel_resource, row.channel_until = (
                    (channel.id, channel.resource, channel.until) if channel else (None, None, None)
                )

    async def _take(self, claim: Claim, pages: AsyncIterator[EventPage], window: Window, *, full: bool) -> None:
        affected: list[UUID] = []
        token: str | None = None
        read = 0
        async with self._held(claim) as (db, calendar):
            calendar.generation += full
            kept = await db.scalar(select(func.count()).where(CalendarEvent.calendar_id == calendar.id)) or 0
        if kept > MOST_KEPT:
            raise Refused(f"more than {MOST_KEPT} of its events are kept already")
        async for page in pages:
            read += len(page.events)
            if read > MOST_EVENTS:
                raise Refused(f"it has more than {MOST_EVENTS} events")
            async with self._held(claim) as (db, calendar):
                calendar.lease_until = self._clock.now() + LEASE
                affected += await write_page(db, calendar, page, window, self.bots, now=self._clock.now(), full=full)
            token = page.token or token
        async with self._held(claim) as (db, calendar):
            if full:
                affected += await remove_unseen(db, calendar, window, self.bots, now=self._clock.now())
            await self._succeed(db, calendar, token, affected, full=full)

    async def _succeed(
        self, db: Db, calendar: Calendar, token: str | None, affected: list[UUID], *, full: bool
    ) -> None:
        now, first = self._clock.now(), calendar.synced_at is None
        calendar.status, calendar.status_reason, calendar.failures = CalendarStatus.ACTIVE, None, 0
        calendar.quiet = 0 if affected else calendar.quiet + 1
        calendar.sync_token, calendar.synced_at = token, now
        if full:
            calendar.full_at = now
        calendar.next_sync_at, calendar.lease_until = now + self._pause(calendar, now), None
        if affected or first:
            await CalendarTeller(db, self._clock, self._box).tell(
                calendar,
                Fact.CALENDAR_SYNCED,
                last_updated_ts=iso_ms(now),
                affected_event_uuids=[str(uuid) for uuid in dict.fromkeys(affected)][:MOST_TOLD],
            )

    def _pause(self, calendar: Calendar, now: datetime) -> timedelta:
        if calendar.channel_until is not None and calendar.channel_until > now:
            return WATCHED
        poll = self._providers.settings.calendar_poll
        return min(poll * 1.5 ** min(calendar.quiet, 20), max(SLOWEST, poll))

    async def _fail(self, claim: Claim, problem: CalendarError) -> None:
        async with self._held(claim) as (db, calendar):
            now = self._clock.now()
            was = calendar.status
            calendar.failures += 1
            calendar.lease_until, calendar.status_reason = None, problem.reason
            pause = min(FIRST_PAUSE * 2 ** min(calendar.failures - 1, 12), LONGEST_PAUSE)
            if isinstance(problem, Busy) and problem.retry_after is not None:
                pause = max(pause, timedelta(seconds=problem.retry_after))
            revoked = isinstance(problem, Revoked)
            calendar.status = CalendarStatus.REVOKED if revoked else CalendarStatus.FAILING
            calendar.next_sync_at = None if revoked else now + pause
            log.info("calendar not read", calendar=claim.id, reason=problem.reason, failures=calendar.failures)
            if revoked and was != CalendarStatus.REVOKED:
                teller = CalendarTeller(db, self._clock, self._box)
                await teller.tell(calendar, Fact.CALENDAR_REVOKED, reason=problem.reason)

    @asynccontextmanager
    async def _held(self, claim: Claim) -> AsyncIterator[tuple[Db, Calendar]]:
        """A transaction with the calendar's row locked. Raises `_SupersededError` where the claim is over."""
        async with self._database.tenant(claim.project_id) as db:
            query = select(Calendar).where(Calendar.id == claim.id, Calendar.claim == claim.number).with_for_update()
            calendar = (await db.exec(query)).one_or_none()
            if calendar is None:
                raise _SupersededError
            yield db, calendar
