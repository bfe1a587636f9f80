"""The job table: enqueued in the caller's transaction, claimed with a lease, repeated with back-off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, update

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.jobs.models import Job, JobState

LEASE = timedelta(seconds=60)
"""How long a claimed job may run before another process takes it."""
MAX_ATTEMPTS = 8
AT_ONCE = 8
POLL = 0.5
"""Seconds between looks; jobs that a caller waits for are done in the request, not here."""

Handler = Callable[[dict[str, Any]], Awaitable[None]]

_CLAIM = text("""
    update job set state = 'running', attempts = attempts + 1, lease_until = :lease
    where id in (
        select id from job
        where ((state = 'waiting' and run_at <= :now) or (state = 'running' and lease_until < :now))
            and kind = any(:kinds)
        order by run_at limit :limit for update skip locked
    )
    returning id, kind, payload, attempts
""")
_FINISH = text("""
    update job set state = :state, error = :error, run_at = :run_at, lease_until = null
    where id = :id and attempts = :attempts
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


class JobRunner:
    """Claims jobs of the kinds that it has handlers for, a bounded number at once. A slow one keeps no other waiting
    as long as there are fewer than that."""

    def __init__(self, database: Database, clock: Clock, handlers: dict[str, Handler]) -> None:
        self._database, self._clock, self._handlers = database, clock, handlers
        self._at_work = 0
        self._one_is_done = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._one_is_done.clear()
                free = AT_ONCE - self._at_work
                claimed = await self._claim(free) if free else []
                self._at_work += len(claimed)
                for job in claimed:
                    tasks.create_task(self._work_off(job))
                if len(claimed) < AT_ONCE:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self._one_is_done.wait()

    async def _claim(self, free: int) -> Sequence[Row[Any]]:
        now = self._clock.now()
        wanted = {"now": now, "lease": now + LEASE, "limit": free, "kinds": list(self._handlers)}
        try:
            async with self._database.platform() as db:
                return (await db.execute(_CLAIM, wanted)).all()
        except Unavailable:
            return []

    async def _work_off(self, job: Row[Any]) -> None:
        try:
            await self._do(job.id, job.kind, job.payload, job.attempts)
        finally:
            self._at_work -= 1
            self._one_is_done.set()

    async def _do(self, job_id: int, kind: str, payload: dict[str, Any], attempts: int) -> None:
        state, error, run_at = JobState.DONE, None, self._clock.now()
        try:
            async with asyncio.timeout(LEASE.total_seconds() * 0.8):
                await self._handlers[kind](payload)
        except Exception as problem:  # whatever a handler raises, the job must not be lost
            log.warning("job failed", job=job_id, kind=kind, attempts=attempts, exc_info=True)
            state = JobState.WAITING if attempts < MAX_ATTEMPTS else JobState.FAILED
            error, run_at = type(problem).__name__, run_at + back_off(attempts)
        values = {"id": job_id, "attempts": attempts, "state": state, "error": error, "run_at": run_at}
        try:
            async with self._database.platform() as db:
                await db.execute(_FINISH, values)
        except Unavailable:
            log.warning("job not marked; its lease repeats it", job=job_id)
