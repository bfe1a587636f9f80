"""Whether every part of the installation works, as one process sees it."""

from sqlalchemy import text

from control_plane.accounts.operator.schemas import (
    DatabaseHealth,
    HealthParts,
    HealthRead,
    Part,
    RedisHealth,
    WorkersHealth,
)
from control_plane.db.database import Database
from control_plane.errors import PlatformError, Unavailable
from control_plane.gate.window import RateLimiter
from control_plane.media.server import MediaServer

_WORKERS = text("select count(*) as connected, coalesce(sum(capacity), 0) as capacity from worker where connected")


async def examine(
    database: Database, media: MediaServer, limiter: RateLimiter, *, workers_here: int, version: str
) -> HealthRead:
    """Ask every part; each answers or is given up within seconds."""
    stored, workers = await _examine_database(database, workers_here)
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
    )
    good = all(part.status == "ok" for part in (parts.database, parts.redis, parts.livekit, parts.workers))
    return HealthRead(status="ok" if good else "degraded", version=version, parts=parts)


async def _examine_database(database: Database, workers_here: int) -> tuple[DatabaseHealth, WorkersHealth]:
    try:
        revision = await database.find_revision()
        async with database.platform() as db:
            row = (await db.execute(_WORKERS)).one()
    except Unavailable as error:
        unknown = WorkersHealth(status="unavailable", reason="The database cannot say", here=workers_here)
        return DatabaseHealth(status="unavailable", reason=error.message), unknown
    workers = WorkersHealth(
        status="ok" if row.connected else "unavailable",
        reason=None if row.connected else "No worker is connected: nobody would answer a call",
        connected=row.connected,
        capacity=row.capacity,
        here=workers_here,
    )
    return DatabaseHealth(status="ok", revision=revision), workers


async def _examine_media(media: MediaServer) -> Part:
    try:
        await media.list_rooms()
    except PlatformError as error:
        return Part(status="unavailable", reason=error.message)
    return Part(status="ok")
