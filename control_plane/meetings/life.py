"""When a meeting begins and ends, whoever tells."""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import col, select

from agents.contract import EndReason
from control_plane.clock import Clock, iso
from control_plane.db.database import Db
from control_plane.errors import NotFound, Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.media.server import MediaServer
from control_plane.meetings.models import Attendee, AttendeeState, Meeting, MeetingStatus
from control_plane.rooms.models import Room, RoomStatus
from control_plane.rooms.retiring import shut
from control_plane.sessions.ending import end_session
from control_plane.sessions.repository import SessionRepository

OPEN: Final = (MeetingStatus.SCHEDULED, MeetingStatus.ACTIVE)
END_MEETING: Final = "meeting.end"
"""Job: a meeting's time is over. Payload: meeting_id."""
WARN_MEETING: Final = "meeting.warn"
"""Job: a meeting's time is nearly over. Payload: meeting_id."""
WARNED_BEFORE: Final = timedelta(minutes=1)
WARNING_TOPIC: Final = "parley.ending"
"""Data message to everybody in a meeting that is nearly over: `{"secondsLeft"}`."""
ANSWER: Final = "meeting.attendee"
"""Job: tell somebody in the waiting room what was decided, or that the meeting is over. Payload: attendee_id."""
GOODBYE: Final = timedelta(seconds=20)
"""What a persona may take for its last words, after the time is over."""


async def lock_open(db: Db, *which: Any) -> Meeting | None:
    """A meeting that is not over, locked until the commit."""
    query = select(Meeting).where(*which, col(Meeting.status).in_(OPEN))
    return (await db.exec(query.with_for_update())).one_or_none()


async def somebody_came(db: Db, clock: Clock, room_name: str) -> None:
    """A person is in a room: if it is a meeting's, the meeting has begun, and its end is set."""
    meeting = await lock_open(db, Meeting.room_name == room_name)
    if meeting is None or meeting.status == MeetingStatus.ACTIVE:
        return
    now = clock.now()
    meeting.status, meeting.started_at = MeetingStatus.ACTIVE, now
    until = now + timedelta(minutes=meeting.max_duration)
    if until - now >= 2 * WARNED_BEFORE:
        await enqueue(db, WARN_MEETING, f"{meeting.id}", run_at=until - WARNED_BEFORE, meeting_id=meeting.id)
    await enqueue(db, END_MEETING, f"{meeting.id}", run_at=until + GOODBYE, meeting_id=meeting.id)
    EventLog(db, clock).append(Fact.MEETING_STARTED, **_told(meeting), started_at=iso(now))


async def is_over(db: Db, room_name: str) -> bool:
    """Whether a room is that of a meeting that has ended. Tokens of its people are good for longer."""
    query = select(Meeting.id).where(Meeting.room_name == room_name, col(Meeting.status).not_in(OPEN))
    return (await db.exec(query)).first() is not None


async def warn_meeting(db: Db, clock: Clock, media: MediaServer, meeting_id: int) -> None:
    """Tell everybody in a running meeting that it is nearly over, and commit; its persona says so by itself."""
    meeting = await lock_open(db, Meeting.id == meeting_id, Meeting.status == MeetingStatus.ACTIVE)
    if meeting is None:
        return
    seconds = round(WARNED_BEFORE.total_seconds())
    EventLog(db, clock).append(Fact.MEETING_ENDING, **_told(meeting), seconds_left=seconds)
    await db.commit()
    told = json.dumps({"secondsLeft": seconds}).encode()
    with suppress(NotFound, Unavailable):  # whoever is not there is not told; nobody is told twice
        await media.send_data(meeting.room_name, told, topic=WARNING_TOPIC, identities=[])


async def room_gone(db: Db, clock: Clock, room_name: str) -> None:
    """A room has ended: so has its meeting, if it had begun and its room has not begun again."""
    running = select(Room.id).where(Room.full_name == room_name, Room.status == RoomStatus.OPEN)
    meeting = await lock_open(db, Meeting.room_name == room_name, Meeting.status == MeetingStatus.ACTIVE)
    if meeting is not None and (await db.exec(running)).first() is None:
        await finish(db, clock, meeting, at=clock.now())


async def finish(db: Db, clock: Clock, meeting: Meeting, *, at: datetime) -> None:
    """A locked meeting is over, also for those who wait."""
    meeting.status, meeting.ended_at = MeetingStatus.COMPLETED, at
    seconds = round((at - meeting.started_at).total_seconds()) if meeting.started_at else 0
    EventLog(db, clock).append(Fact.MEETING_ENDED, **_told(meeting), duration=seconds)
    query = select(Attendee).where(Attendee.project_id == meeting.project_id, Attendee.meeting_id == meeting.id)
    for attendee in (await db.exec(query.where(Attendee.state == AttendeeState.WAITING))).all():
        await tell_attendee(db, attendee, at=at)


async def tell_attendee(db: Db, attendee: Attendee, *, at: datetime) -> None:
    """Have somebody who waits told what is to be told; each time is a job of its own, as they may have just come."""
    await enqueue(db, ANSWER, f"{attendee.id} {at.isoformat()}", run_at=at, attendee_id=attendee.id)


async def end_meeting(db: Db, clock: Clock, media: MediaServer, meeting_id: int, *, reason: EndReason) -> int | None:
    """End a meeting and its conversation, commit, and send everybody away; the id of the conversation, if one ran.

    One that is over stays as it is. Where LiveKit is away, or this process is killed, the room is closed by a job.
    """
    meeting = await lock_open(db, Meeting.id == meeting_id)
    if meeting is None:
        return None
    session = await SessionRepository(db, meeting.project_id).lock_active(meeting.room_name)
    if session is not None:
        await end_session(db, EventLog(db, clock), session, outcome="ok", reason=reason, at=clock.now())
    await finish(db, clock, meeting, at=clock.now())
    await shut(db, meeting.room_name, "meeting over", at=clock.now())
    await db.commit()
    with suppress(Unavailable):
        await media.close_room(meeting.room_name)
    return session.id if session else None


def _told(meeting: Meeting) -> dict[str, Any]:
    return {
        "project_id": meeting.project_id,
        "room_name": meeting.room_name,
        "meeting_id": meeting.id,
        "scenario_id": meeting.scenario_id,
        "session_id": meeting.session_id,
        "end_user_id": meeting.end_user_id,
    }
