"""The job table: enqueued in the caller's transaction, claimed with a lease, repeated with back-off.

What fails because something it needs is away (`Unavailable`) was no attempt: it is done when that is back, within
`AWAY_FOR`. A process that ends gives back what it has begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import col, update

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.jobs.models import Job, JobState

LEASE = timedelta(seconds=60)
"""How long a claimed job may run before another process takes it."""
MAX_ATTEMPTS = 8
AWAY_FOR = timedelta(hours=24)
"""How long a job waits for something that is away until it has failed."""
AWAY_SINCE = "_away_since"
"""Key of a payload: since when what the job needs is away. Handlers do not see it."""
AT_ONCE = 8
POLL = 0.5
"""Seconds between looks; jobs that a caller waits for are done in the request, not here."""

Handler = Callable[[dict[str, Any]], Awaitable[None]]

# Leases are the database's: processes whose clocks differ must not take each other's work for abandoned.
_CLAIM = text("""
    update job set state = 'running', attempts = attempts + 1, lease_until = now() + :lease
    where id in (
        select id from job
        where ((state = 'waiting' and run_at <= :now) or (state = 'running' and lease_until < now()))
            and kind = any(:kinds)
        order by run_at limit :limit for update skip locked
    )
    returning id, kind, payload, attempts
""")
_FINISH = text("""
    update job set state = :state, error = :error, run_at = :run_at, lease_until = null, attempts = :counted,
        payload = :payload
    where id = :id and attempts = :attempts
""").bindparams(bindparam("payload", type_=JSONB))
_GIVE_BACK = text("""
    update job set state = 'waiting', lease_until = null, attempts = job.attempts - 1, run_at = :now
    from unnest(cast(:ids as bigint[]), cast(:attempts as int[])) as mine(id, attempts)
    where job.id = mine.id and job.attempts = mine.attempts and job.state = 'running'
""")
_TALLY = text("""
    select count(*) filter (where state = 'failed') as failed,
        count(*) filter (where state <> 'failed' and run_at <= :now) as due,
        coalesce(extract(epoch from cast(:now as timestamptz) - min(run_at) filter (
            where state = 'waiting' and run_at <= :now)), 0) as behind
    from job where state in ('waiting', 'running', 'failed')
""")

log = structlog.get_logger()


async def enqueue(db: Db, kind: str, key: str, *, run_at: datetime, **payload: Any) -> None:
    """Have `kind` done after the commit, once per open key."""
    row = insert(Job).values(
        kind=kind,
        key=key,
        payload=payload,
        run_at=run_at,
        state=JobState.WAITING,
        attempts=0,
    )
    await db.execute(row.on_conflict_do_nothing())


async def hasten(db: Db, kind: str, key: str, *, run_at: datetime) -> None:
    """Have what waits to be done done by then; harmless where nothing does."""
    mine = (col(Job.kind) == kind, col(Job.key) == key, col(Job.state) == JobState.WAITING, col(Job.run_at) > run_at)
    await db.exec(update(Job).where(*mine).values(run_at=run_at))


def back_off(attempts: int) -> timedelta:
    """1, 2, 4 … seconds, at most 5 minutes."""
    return timedelta(seconds=min(300, 2 ** (attempts - 1)))


def waits_for(away: timedelta) -> timedelta:
    """How long until something is asked again that has been away for so long: as long again, at most a minute."""
    return min(timedelta(seconds=60), max(timedelta(seconds=1), away))


@dataclass(frozen=True, slots=True)
class Tally:
    """What is to be done, and what was given up. `behind`: seconds for which the oldest that is due has waited."""

    failed: int
    due: int
    behind: float


async def tally(db: Db, now: datetime) -> Tally:
    """Count the jobs; failed ones are kept for a week."""
    row = (await db.execute(_TALLY, {"now": now})).one()
    return Tally(row.failed, row.due, float(row.behind))


class JobRunner:
    """Claims jobs of the kinds that it has handlers for, a bounded number at once. A slow one keeps no other waiting
    as long as there are fewer than that."""

    def __init__(self, database: Database, clock: Clock, handlers: dict[str, Handler]) -> None:
        self._database, self._clock, self._handlers = database, clock, handlers
        self._at_work: dict[int, int] = {}
        """The attempt that each job is at which has been begun here."""
        self._one_is_done = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; what is not done by then is left for another process to begin at once."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._one_is_done.clear()
                    free = AT_ONCE - len(self._at_work)
                    claimed = await self._claim(free) if free else []
                    for job in claimed:
                        self._at_work[job.id] = job.attempts
                        tasks.create_task(self._work_off(job))
                    if len(claimed) < AT_ONCE:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(POLL):
                                await self._one_is_done.wait()
        finally:
            await self._give_back()

    async def _claim(self, free: int) -> Sequence[Row[Any]]:
        wanted = {"now": self._clock.now(), "lease": LEASE, "limit": free, "kinds": list(self._handlers)}
        try:
            async with self._database.platform() as db:
                return (await db.execute(_CLAIM, wanted)).all()
        except Unavailable:
            return []

    async def _work_off(self, job: Row[Any]) -> None:
        await self._do(job.id, job.kind, job.payload, job.attempts)
        # Not where it was cancelled: then it is not done.
        del self._at_work[job.id]
        self._one_is_done.set()

    async def _do(self, job_id: int, kind: str, payload: dict[str, Any], attempts: int) -> None:
        since = payload.pop(AWAY_SINCE, None)
        outcome: dict[str, Any] = {"state": JobState.DONE, "error": None, "counted": attempts, "payload": payload}
        outcome["run_at"] = self._clock.now()
        try:
            async with asyncio.timeout(LEASE.total_seconds() * 0.8):
                await self._handlers[kind](payload)
        except Unavailable as problem:
            outcome |= self._put_off(payload, since, problem, counted=attempts - 1)
            log.warning(
                "job waits for what is away", job=job_id, kind=kind, state=outcome["state"], reason=str(problem)
            )
        except Exception as problem:  # whatever a handler raises, the job must not be lost
            log.warning("job failed", job=job_id, kind=kind, attempts=attempts, exc_info=True)
            outcome["state"] = JobState.WAITING if attempts < MAX_ATTEMPTS else JobState.FAILED
            outcome["error"], outcome["run_at"] = type(problem).__name__, self._clock.now() + back_off(attempts)
        try:
            async with self._database.platform() as db:
                await db.execute(_FINISH, {"id": job_id, "attempts": attempts} | outcome)
        except Unavailable:
            log.warning("job not marked; its lease repeats it", job=job_id)

    def _put_off(
        self, payload: dict[str, Any], since: str | None, problem: Unavailable, *, counted: int
    ) -> dict[str, Any]:
        now = self._clock.now()
        began = datetime.fromisoformat(since) if since else now
        return {
            "state": JobState.WAITING if now - began < AWAY_FOR else JobState.FAILED,
            "error": problem.message,
            "run_at": now + waits_for(now - began),
            "counted": counted,
            "payload": payload | {AWAY_SINCE: began.isoformat()},
        }

    async def _give_back(self) -> None:
        if not self._at_work:
            return
        mine = {"ids": list(self._at_work), "attempts": list(self._at_work.values()), "now": self._clock.now()}
        self._at_work.clear()
        try:
            async with self._database.platform() as db:
                await db.execute(_GIVE_BACK, mine)
        except Unavailable:
            log.warning("jobs not given back; their leases repeat them", jobs=mine["ids"])
