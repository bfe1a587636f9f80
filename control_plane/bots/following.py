"""Follows the log for what concerns bots: their sessions' ends, their recordings' ends, and what is written."""

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from control_plane.bots.life import ended, recorded
from control_plane.bots.models import Bot, BotState
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.models import Event, EventCursor
from control_plane.events.tail import BATCH, last_seq, read_after
from control_plane.events.wake import STAMPED, Listener
from control_plane.secrets.box import SecretBox

READER = "bots"
FOLLOWED = frozenset({Fact.SESSION_ENDED, Fact.RECORDING_STOPPED, Fact.MEETING_CHAT})
MOST_LINES = 2000
"""Of the chat, that one bot keeps."""

log = structlog.get_logger()


class BotFollower:
    """Does what follows for bots, once for each fact: with the cursor, in one transaction."""

    def __init__(self, database: Database, clock: Clock, box: SecretBox) -> None:
        self.database, self.clock, self.box = database, clock, box

    async def run(self, url: str) -> None:
        """Work until cancelled; `url` is the database's, to be woken over."""
        async with Listener(url, STAMPED).listening() as listener:
            while True:
                try:
                    more = await self.step()
                except Unavailable:
                    log.warning("bots are not followed")
                    more = False
                if not more:
                    await listener.wait()

    async def step(self) -> bool:
        """Take the next facts in; whether there may be more."""
        async with self.database.platform() as db:
            query = select(EventCursor).where(EventCursor.reader == READER).with_for_update(skip_locked=True)
            cursor = (await db.exec(query)).one_or_none()
            last = await last_seq(db)
            if cursor is None:
                row = insert(EventCursor).values(reader=READER, seq=last)
                await db.execute(row.on_conflict_do_nothing())
                return False
            if cursor.seq == last:
                return False
            events = await read_after(db, cursor.seq, types=FOLLOWED)
            for event in events:
                await self._take(db, event)
            newest = (events[-1].seq or 0) if events else 0
            cursor.seq = newest if len(events) == BATCH else max(last, newest)
        return len(events) == BATCH

    async def _take(self, db: Db, event: Event) -> None:
        match event.type:
            case Fact.SESSION_ENDED if event.data.get("session_id"):
                await ended(db, self.clock, self.box, event.data["session_id"])
            case Fact.RECORDING_STOPPED if event.data.get("recording_id"):
                await recorded(db, self.clock, self.box, event.data["recording_id"])
            case Fact.MEETING_CHAT:
                await self._keep_line(db, event)

    async def _keep_line(self, db: Db, event: Event) -> None:
        here = select(Bot).where(Bot.meeting_room == event.room_name, Bot.state == BotState.ATTENDING)
        line = {name: event.data.get(name, "") for name in ("identity", "name", "text")}
        for bot in (await db.exec(here.with_for_update())).all():
            if len(bot.chat) < MOST_LINES:
                bot.chat = [*bot.chat, line | {"at": iso_ms(event.created_at)}]
