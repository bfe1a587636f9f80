"""Reading the log as it grows: every reader has its own cursor, and none can pass by a row."""

import asyncio
from collections.abc import AsyncIterator, Collection

import structlog
from sqlalchemy import func
from sqlmodel import col, select

from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.events.models import LATE, Event, beyond
from control_plane.events.wake import RETRY, Listener

BATCH = 500

log = structlog.get_logger()


async def last_seq(db: Db, *, known: int = 0) -> int:
    """The newest public event id; 0 in an empty log. `known` was given out: nothing older is looked at."""
    newest = select(func.max(Event.seq)).where(col(Event.id) >= known - LATE)
    return (await db.exec(newest)).one() or 0


async def read_after(
    db: Db, seq: int, *, limit: int = BATCH, project_id: int | None = None, types: Collection[str] = ()
) -> list[Event]:
    """Stamped events after `seq`, in order: of one project, or of all, and of these types, or of any."""
    query = select(Event).where(*beyond(seq)).order_by(col(Event.seq)).limit(limit)
    if project_id is not None:
        query = query.where(Event.project_id == project_id)
    if types:
        query = query.where(col(Event.type).in_(types))
    return list((await db.exec(query)).all())


async def follow(database: Database, listener: Listener, *, after: int | None = None) -> AsyncIterator[list[Event]]:
    """Batches of events as they are stamped, from `after` (default: from now) until closed.

    While the database is away it waits, and goes on where it was.
    """
    cursor = after
    while True:
        try:
            async with database.platform() as db:
                if cursor is None:
                    cursor = await last_seq(db)
                batch = await read_after(db, cursor)
        except Unavailable:
            log.warning("event tail interrupted")
            await asyncio.sleep(RETRY)
            continue
        if batch:
            cursor = batch[-1].seq or cursor
            yield batch
        if len(batch) < BATCH:
            await listener.wait()
