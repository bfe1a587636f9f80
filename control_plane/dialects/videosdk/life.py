"""How a session ends, whoever ends it, and what a room wants when one begins or is over."""

from datetime import timedelta
from typing import Any, Final

from sqlmodel import col, select

from agents.contract import EndReason
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.dialects.videosdk.configs import AutoClose
from control_plane.dialects.videosdk.models import VideoRoom
from control_plane.dialects.videosdk.rooms import deactivate
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.media.server import MediaServer
from control_plane.rooms.models import Room, RoomStatus
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.service import finish_room
from control_plane.sessions.ending import end_session
from control_plane.sessions.repository import SessionRepository

CLOSE_LATE: Final = "video.close"
"""Job: a session's time is over. Payload: session_id, which is a room's, and no conversation's."""


async def end_live(db: Db, clock: Clock, media: MediaServer, session: Room, *, reason: EndReason) -> None:
    """End a locked session with the conversation in it, commit, and send everybody away."""
    log, now = EventLog(db, clock), clock.now()
    talk = await SessionRepository(db, session.project_id).lock_active(session.full_name)
    if talk is not None:
        await end_session(db, log, talk, outcome="ok", reason=reason, at=now)
    await finish_room(RoomRepository(db, session.project_id), log, session, at=now)
    await db.commit()
    await media.close_room(session.full_name)


async def find_video_room(db: Db, full_name: str) -> VideoRoom | None:
    """The room of LiveKit's name, where it is one of these; locked until the commit."""
    query = select(VideoRoom).where(VideoRoom.full_name == full_name).with_for_update()
    return (await db.exec(query)).one_or_none()


async def set_timer(db: Db, room: VideoRoom, session: Room) -> None:
    """Have a session end after the time that its room was told."""
    if room.auto_close is not None and session.started_at is not None:
        close = AutoClose.model_validate(room.auto_close)
        at = session.started_at + timedelta(minutes=close.duration)
        await enqueue(db, CLOSE_LATE, f"{session.id}", run_at=at, session_id=session.id)


async def retire_after(db: Db, clock: Clock, room: VideoRoom) -> None:
    """Have a room be over with its session, where it was told so."""
    if room.auto_close is not None and AutoClose.model_validate(room.auto_close).type == "session-end-and-deactivate":
        await deactivate(db, clock, room)


async def close_late(database: Database, clock: Clock, media: MediaServer, payload: dict[str, Any]) -> None:
    """End a session whose time is over; one that has ended is fine."""
    async with database.platform() as db:
        query = select(Room).where(Room.id == payload["session_id"], col(Room.status) == RoomStatus.OPEN)
        session = (await db.exec(query.with_for_update())).one_or_none()
        if session is None:
            return
        room = await find_video_room(db, session.full_name)
        if room is not None:
            await retire_after(db, clock, room)
        await end_live(db, clock, media, session, reason="max_duration")
