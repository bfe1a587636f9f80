"""Follows the log for what rooms want when a session begins, ends, or leaves a recording behind."""

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.dialects.videosdk.life import find_video_room, retire_after, set_timer
from control_plane.dialects.videosdk.taking import begin_by_itself
from control_plane.dialects.videosdk.transcribing import want_transcription
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.models import Event, EventCursor
from control_plane.events.tail import BATCH, last_seq, read_after
from control_plane.events.wake import STAMPED, Listener
from control_plane.recordings.models import Recording
from control_plane.rooms.models import Room
from control_plane.secrets.box import SecretBox

READER = "videosdk"
FOLLOWED = frozenset({Fact.ROOM_STARTED, Fact.ROOM_FINISHED, Fact.RECORDING_STOPPED, Fact.STREAM_STOPPED})

log = structlog.get_logger()


class RoomFollower:
    """Does what rooms were told, once for each fact: with the cursor, in one transaction."""

    def __init__(self, database: Database, clock: Clock, box: SecretBox) -> None:
        self.database, self.clock, self.box = database, clock, box

    async def run(self, url: str) -> None:
        """Work until cancelled; `url` is the database's, to be woken over."""
        async with Listener(url, STAMPED).listening() as listener:
            while True:
                try:
                    more = await self.step()
                except Unavailable:
                    log.warning("rooms are not followed")
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
        if event.type in (Fact.RECORDING_STOPPED, Fact.STREAM_STOPPED):
            recording = await db.get(Recording, event.data["recording_id"])
            if recording is not None:
                await want_transcription(db, self.clock, recording)
            return
        room = await find_video_room(db, event.room_name or "")
        if room is None:
            return
        if event.type == Fact.ROOM_FINISHED:
            await retire_after(db, self.clock, room)
            return
        query = select(Room).where(Room.full_name == room.full_name, col(Room.started_at).is_not(None))
        session = (await db.exec(query.order_by(col(Room.id).desc()).limit(1))).first()
        if session is not None and session.closed_at is None:
            await set_timer(db, room, session)
            await begin_by_itself(db, self.box, self.clock, room, session)
