"""Whether every part of the installation works, as one process sees it."""

from sqlalchemy import text

from control_plane.accounts.operator.schemas import (
    DatabaseHealth,
    HealthParts,
    HealthRead,
    JobsHealth,
    Part,
    RedisHealth,
    WorkersHealth,
)
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError, Unavailable
from control_plane.gate.window import RateLimiter
from control_plane.jobs.queue import tally
from control_plane.media.server import MediaServer

BEHIND = 60.0
"""Seconds for which no job that is due waits where somebody works them off."""
_WORKERS = text("select count(*) as connected, coalesce(sum(capacity), 0) as capacity from worker where connected")


async def examine(
    database: Database, media: MediaServer, limiter: RateLimiter, clock: Clock, *, workers_here: int, version: str
) -> HealthRead:
    """Ask every part; each answers or is given up within seconds."""
    stored, workers, jobs = await _examine_database(database, clock, workers_here)
    shared = await limiter.probe()
    parts = HealthParts(
        database=stored,
        redis=RedisHealth(
            status="ok" if shared else "unavailable",
            reason=None if shared else "Rate windows are per process",
            shared=shared,
        ),
        livekit=await _examine_media(media),
        workers=workers,
        jobs=jobs,
    )
    good = all(part.status == "ok" for part in (parts.database, parts.redis, parts.livekit, parts.workers, parts.jobs))
    return HealthRead(status="ok" if good else "degraded", version=version, parts=parts)


async def _examine_database(
    database: Database, clock: Clock, workers_here: int
) -> tuple[DatabaseHealth, WorkersHealth, JobsHealth]:
    try:
        revision = await database.find_revision()
        async with database.platform() as db:
            row = (await db.execute(_WORKERS)).one()
            work = await tally(db, clock.now())
    except Unavailable as error:
        unknown = WorkersHealth(status="unavailable", reason="The database cannot say", here=workers_here)
        nobody_knows = JobsHealth(status="unavailable", reason="The database cannot say")
        return DatabaseHealth(status="unavailable", reason=error.message), unknown, nobody_knows
    workers = WorkersHealth(
        status="ok" if row.connected else "unavailable",
        reason=None if row.connected else "No worker is connected: nobody would answer a call",
        connected=row.connected,
        capacity=row.capacity,
        here=workers_here,
    )
    late = work.behind > BEHIND
    jobs = JobsHealth(
        status="unavailable" if late else "ok",
        reason="Nobody works off what is due" if late else None,
        due=work.due,
        behind_seconds=round(work.behind, 1),
        failed=work.failed,
    )
    return DatabaseHealth(status="ok", revision=revision), workers, jobs


async def _examine_media(media: MediaServer) -> Part:
    try:
        await media.list_rooms()
    except PlatformError as error:
        return Part(status="unavailable", reason=error.message)
    return Part(status="ok")
