"""Follows the log for what rooms want when a session begins, ends, or leaves a recording behind."""

from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.dialects.videosdk.life import find_video_room, retire_after, set_timer
from control_plane.dialects.videosdk.taking import begin_by_itself
from control_plane.dialects.videosdk.transcribing import want_transcription
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.recordings.models import Recording
from control_plane.rooms.models import Room
from control_plane.rooms.repository import NEWEST
from control_plane.secrets.box import SecretBox

READER = "videosdk"
FOLLOWED = frozenset({Fact.ROOM_STARTED, Fact.ROOM_FINISHED, Fact.RECORDING_STOPPED, Fact.STREAM_STOPPED})


class RoomFollower:
    """Does what rooms were told, for one fact."""

    def __init__(self, clock: Clock, box: SecretBox) -> None:
        self.clock, self.box = clock, box

    async def take(self, db: Db, event: Event) -> None:
        """To be called once for each fact of `FOLLOWED`."""
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
        session = (await db.exec(query.order_by(*NEWEST).limit(1))).first()
        if session is not None and session.closed_at is None:
            await set_timer(db, room, session)
            await begin_by_itself(db, self.box, self.clock, room, session)
