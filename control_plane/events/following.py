"""Following the log: what is done once for each fact, with the reader's cursor in the same transaction."""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from control_plane.db.database import Database, Db, is_away
from control_plane.errors import Unavailable
from control_plane.events.models import Event, EventCursor
from control_plane.events.tail import BATCH, last_seq, read_after
from control_plane.events.wake import STAMPED, Listener

Take = Callable[[Db, Event], Awaitable[None]]
"""What is done for one fact."""

log = structlog.get_logger()


class LogFollower:
    """Takes facts in, each once and in their order, for one reader. It begins with those that come after it."""

    def __init__(self, database: Database, reader: str, followed: frozenset[str], take: Take) -> None:
        self.database, self.reader, self.followed, self.take = database, reader, followed, take

    async def run(self, url: str) -> None:
        """Work until cancelled; `url` is the database's, to be woken over."""
        async with Listener(url, STAMPED).listening() as listener:
            while True:
                try:
                    more = await self.step()
                except Unavailable:
                    log.warning("facts are not followed", reader=self.reader)
                    more = False
                if not more:
                    await listener.wait()

    async def step(self) -> bool:
        """Take the next facts in; whether there may be more."""
        async with self.database.platform() as db:
            query = select(EventCursor).where(EventCursor.reader == self.reader).with_for_update(skip_locked=True)
            cursor = (await db.exec(query)).one_or_none()
            if cursor is None:
                row = insert(EventCursor).values(reader=self.reader, seq=await last_seq(db))
                await db.execute(row.on_conflict_do_nothing())
                return False
            last = await last_seq(db, known=cursor.seq)
            if cursor.seq == last:
                return False
            events = await read_after(db, cursor.seq, types=self.followed)
            for event in events:
                await self._take(db, event)
            newest = (events[-1].seq or 0) if events else 0
            cursor.seq = newest if len(events) == BATCH else max(last, newest)
        return len(events) == BATCH

    async def _take(self, db: Db, event: Event) -> None:
        """Take a fact in. One that nothing can be made of must not keep those behind it waiting for ever."""
        try:
            async with db.begin_nested():
                await self.take(db, event)
        except Exception as error:
            if isinstance(error, Unavailable) or (isinstance(error, DBAPIError) and is_away(error)):
                raise  # what the database cannot do now is done again
            log.exception("a fact was passed over", reader=self.reader, fact=event.type, id=event.id)
