"""What is still open by our rows though what it hung on is over: nobody will tell of it any more."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.events.log import EventLog
from control_plane.livekit_hooks.chronicle import Chronicle
from control_plane.meetings import waiting
from control_plane.meetings.models import Meeting, MeetingStatus
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.sessions.ending import end_session, has_running, lock_session
from control_plane.sessions.models import BOT, Session, SessionJob, SessionStatus, Slot, TranscriptLine
from control_plane.telephony.models import Call
from control_plane.telephony.settling import phone_left

SETTLE: Final = timedelta(seconds=5)
"""Whoever began to wait so short a time ago may not be in LiveKit yet."""
ABANDONED_AFTER: Final = timedelta(minutes=10)
"""How long a conversation may have nothing that goes on: no job, room, call or place, and no line."""
ABANDONED_EACH: Final = 15
"""Passes from one look for those to the next."""
AT_ONCE: Final = 100
"""Of each kind, in a pass."""

_other = aliased(Room)
_IS_CLOSED: Final = (
    col(Room.status) == RoomStatus.CLOSED,
    ~exists().where(col(_other.full_name) == Room.full_name, col(_other.status) == RoomStatus.OPEN),
)
_SOMEBODY_IN: Final = (
    select(Room.id)
    .join(Participant, col(Participant.room_id) == Room.id)
    .where(col(Participant.left_at).is_(None), col(Room.status) == RoomStatus.CLOSED)
)
_TALKED_IN: Final = (
    select(Room.id)
    .join(Session, (col(Session.project_id) == Room.project_id) & (col(Session.room_name) == Room.full_name))
    .where(Session.status == SessionStatus.ACTIVE, col(Room.closed_at) >= Session.started_at, *_IS_CLOSED)
)
_MET_IN: Final = (
    select(Room.id)
    .join(Meeting, (col(Meeting.project_id) == Room.project_id) & (col(Meeting.room_name) == Room.full_name))
    .where(Meeting.status == MeetingStatus.ACTIVE, col(Room.closed_at) >= Meeting.started_at, *_IS_CLOSED)
)
_stay = (
    select(Participant.id)
    .join(Room, col(Room.id) == Participant.room_id)
    .where(
        Room.project_id == Call.project_id,
        Room.full_name == Call.room_name,
        Participant.identity == Call.identity,
    )
)
_PHONES_GONE: Final = (
    select(Call.room_name, Call.identity)
    .where(
        col(Call.ended_at).is_(None),
        or_(col(Call.answered_at).is_not(None), col(Call.direction) == "inbound"),
        exists(_stay.where(col(Participant.left_at) >= Call.started_at)),
        ~exists(_stay.where(col(Participant.left_at).is_(None))),
    )
    .limit(AT_ONCE)
)
"""Calls whose phone has left its room by our rows, and is not back: their room's name and their identity."""

log = structlog.get_logger()


class Leftovers:
    """Looks for them in our rows alone."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self._passes = 0

    async def clear(self, live: Collection[str], *, before: datetime) -> None:
        """One pass; `live` are the names of the rooms that run, and whoever waited `before` then is in one of them."""
        async with self.database.platform() as db:
            # Closed rooms that somebody has not left by our rows, or whose conversation or meeting goes on.
            found = [await db.exec(query.limit(AT_ONCE)) for query in (_SOMEBODY_IN, _TALKED_IN, _MET_IN)]
            rooms = sorted({room_id for rows in found for room_id in rows.all()})
            phones = (await db.exec(_PHONES_GONE)).all()
            sessions = await self._abandoned(db) if self._passes % ABANDONED_EACH == 0 else []
            await waiting.forget_gone(db, self.clock, live, before=before)
        self._passes += 1
        for room_id in rooms:
            async with self.database.platform() as db:
                await self._leave(Chronicle(db, self.clock), room_id)
        for room_name, identity in phones:
            async with self.database.platform() as db:
                await phone_left(db, self.clock, room_name, identity)
        for session_id, project_id in sessions:
            await self._end(session_id, project_id)

    async def of_projects(self, names: Collection[str]) -> set[str]:
        """Those of these rooms that belong to a project."""
        slugs = {name.partition("_")[0] for name in names}
        if not slugs:
            return set()
        async with self.database.platform() as db:
            known = set((await db.exec(select(Project.slug).where(col(Project.slug).in_(slugs)))).all())
        return {name for name in names if name.partition("_")[0] in known}

    async def _leave(self, chronicle: Chronicle, room_id: int) -> None:
        db = chronicle.db
        name = (await db.exec(select(Room.full_name).where(Room.id == room_id))).one_or_none()
        if name is None:
            return
        await chronicle.take_turn(name)
        query = select(Room).where(Room.id == room_id, Room.status == RoomStatus.CLOSED).with_for_update()
        room = (await db.exec(query)).one_or_none()
        if room is not None:
            at = self.clock.now()
            await chronicle.leave_with_room(room, at=at)
            await chronicle.close(room, at=room.closed_at or at)

    async def _abandoned(self, db: Db) -> Sequence[tuple[int, int]]:
        """Conversations that hold their room's name and nothing else, and their projects."""
        since = self.clock.now() - ABANDONED_AFTER
        mine = (col(Room.project_id) == Session.project_id) & (col(Room.full_name) == Session.room_name)
        room = select(Room.id).where(mine, or_(col(Room.status) == RoomStatus.OPEN, col(Room.closed_at) > since))
        job = select(SessionJob.id).where(
            SessionJob.session_id == Session.id,
            or_(col(SessionJob.ended_at).is_(None), col(SessionJob.ended_at) > since),
        )
        call = select(Call.id).where(
            or_(col(Call.session_id) == Session.id, col(Call.room_name) == Session.room_name),
            or_(col(Call.ended_at).is_(None), col(Call.ended_at) > since),
        )
        slot = select(Slot.id).where(
            or_(
                col(Slot.session_id) == Session.id,
                and_(col(Slot.room_name) == Session.room_name, col(Slot.expires_at) > since),
            )
        )
        line = select(TranscriptLine.id).where(
            TranscriptLine.session_id == Session.id, TranscriptLine.created_at > since
        )
        query = select(Session.id, Session.project_id).where(
            Session.status == SessionStatus.ACTIVE,
            Session.session_type != BOT,  # they are seen to by `bots.watching`
            Session.started_at < since,
            *(~exists(each) for each in (room, job, call, slot, line)),
        )
        return (await db.exec(query.limit(AT_ONCE))).all()

    async def _end(self, session_id: int, project_id: int) -> None:
        async with self.database.platform() as db:
            session = await lock_session(db, session_id, project_id=project_id)
            if session is None:
                return
            if await has_running(db, session_id):
                return
            log.warning("a conversation is ended that nothing goes on of", session=session_id)
            at, told = self.clock.now(), EventLog(db, self.clock)
            if session.message_count:
                await end_session(db, told, session, outcome="ok", reason="room_closed", at=at)
            else:
                await end_session(db, told, session, outcome="abandoned", reason="not_started", at=at)
