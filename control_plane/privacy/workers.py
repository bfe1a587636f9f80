"""What lies on the disks of workers and bot hosts: they are told to forget, now or when they come back."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import text

from control_plane.db.database import Database
from control_plane.events.live import LiveBus

FORGET: Final = "forget"
"""Channel: processes with uplinks tell their workers."""
WITHIN: Final = 3.0
"""Seconds in which those that are connected should have been told."""
LOOK_EVERY: Final = 0.1
REMEMBERED: Final = 30
"""Days for which a worker that comes back is told."""
MOST: Final = 10_000
"""Sessions that one message names."""

_CONNECTED: Final = text("select id from worker where connected order by id")
_TOLD: Final = text("select told, progress -> 'sessions' as sessions from privacy_request where id = :id")
_NOTE: Final = text("""
    update privacy_request set told = told || to_jsonb(cast(:workers as text[]))
    where id = any(:requests) and not (told @> to_jsonb(cast(:workers as text[])))
""")
_RECENT: Final = text("""
    select id, progress -> 'sessions' as sessions from privacy_request
    where kind = 'erasure' and created_at > now() - make_interval(days => :days) and progress ? 'sessions'
    order by id
""")


async def tell_workers(database: Database, live: LiveBus, project_id: int, request_id: int) -> dict[str, Any]:
    """Have every connected worker told: which were, and which are told as soon as they come back. Raises
    `Unavailable` where nobody can be told anything."""
    async with database.platform() as db:
        connected = list((await db.scalars(_CONNECTED)).all())
        sessions = (await db.execute(_TOLD, {"id": request_id})).one().sessions or []
    if not sessions:
        return {"sessions": 0, "told": [], "missed": []}
    parts = in_parts(sessions)
    for number, part in enumerate(parts, 1):  # told is who has heard the last of them
        await live.command(FORGET, {"requests": [request_id] if number == len(parts) else [], "sessions": part})
    told: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            while not set(connected) <= set(told):
                await asyncio.sleep(LOOK_EVERY)
                async with database.tenant(project_id) as db:
                    told = list((await db.execute(_TOLD, {"id": request_id})).one().told)
    missed = sorted(set(connected) - set(told))
    return {"sessions": len(sessions), "told": sorted(told), "missed": missed}


async def note_told(database: Database, requests: list[int], workers: list[str]) -> None:
    """Note which workers were told of which requests."""
    async with database.platform() as db:
        for worker in workers:
            await db.execute(_NOTE, {"requests": requests, "workers": [worker]})


async def recent(database: Database) -> tuple[list[int], list[int]]:
    """The requests of the last days, and the sessions they are about. A worker that comes back is told of all of them:
    it may have heard of one before, and its disk refused."""
    async with database.platform() as db:
        rows = (await db.execute(_RECENT, {"days": REMEMBERED})).all()
    return [row.id for row in rows], [session for row in rows for session in row.sessions]


def in_parts(sessions: list[int]) -> list[list[int]]:
    """As many to a part as one message names."""
    return [sessions[first : first + MOST] for first in range(0, len(sessions), MOST)]
