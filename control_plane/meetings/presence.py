"""Who is in a meeting now, by a socket or in LiveKit's room, and whether there is room for more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case
from sqlmodel import col, select, update

from control_plane.db.database import Db
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from control_plane.rooms.models import Participant, Room, RoomStatus

PRESENT_FOR: Final = timedelta(seconds=30)
"""How long somebody is there after a process last said so."""
OF_ROOM: Final = (col(Room.project_id) == Participant.project_id) & (col(Room.id) == Participant.room_id)
"""Joins participants to their room."""
MOST: Final = 1000
"""People that one meeting holds, whatever it allows."""


def by_socket(meeting: Meeting, now: datetime) -> Sequence[ColumnElement[bool]]:
    """The conditions of attendees who are in a meeting by a socket."""
    return (
        col(Attendee.project_id) == meeting.project_id,
        col(Attendee.meeting_id) == meeting.id,
        col(Attendee.state) == AttendeeState.ADMITTED,
        col(Attendee.seen_at) > now - PRESENT_FOR,
    )


def by_livekit(meeting: Meeting, kinds: Sequence[str]) -> Sequence[ColumnElement[bool]]:
    """The conditions of participants, joined with `OF_ROOM`, who are in a meeting's room."""
    return (
        col(Room.project_id) == meeting.project_id,
        col(Room.full_name) == meeting.room_name,
        col(Room.status) == RoomStatus.OPEN,
        col(Participant.left_at).is_(None),
        col(Participant.kind).in_(kinds),
    )


async def is_full(db: Db, meeting: Meeting, now: datetime, *, but: str = "") -> bool:
    """Whether a meeting holds nobody else; `but` is not counted. Exact while the meeting is locked."""
    seated = select(Attendee.identity).where(*by_socket(meeting, now))
    there = select(Participant.identity).join(Room, OF_ROOM).where(*by_livekit(meeting, ("standard",)))
    people = {*(await db.exec(seated)).all(), *(await db.exec(there)).all()} - {but}
    return len(people) >= (meeting.controls["max_participants"] or MOST)


async def lose(db: Db, now: datetime) -> Sequence[tuple[str, str, bool]]:
    """Whoever's process says nothing of them any more is gone: the room of their meeting, who they are, and whether
    they had been let in. Each is told of once, whichever process asks."""
    state = case((col(Attendee.state) == AttendeeState.WAITING, AttendeeState.INVITED), else_=col(Attendee.state))
    gone = (
        update(Attendee)
        .where(col(Attendee.seen_at) < now - PRESENT_FOR, col(Meeting.id) == Attendee.meeting_id)
        .values(seen_at=None, hand_raised=False, state=state)
        .returning(col(Meeting.room_name), col(Attendee.identity), col(Attendee.state))
    )
    rows = (await db.execute(gone)).all()
    return [(room, identity, state == AttendeeState.ADMITTED) for room, identity, state in rows]
