"""What LiveKit says of people in the rooms of meetings, and in those of who waits."""

from typing import Any, Final

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from agents.attendance import HOST_PREFIX
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.meetings.life import is_over, somebody_came, tell_attendee
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from control_plane.meetings.passes import OF_NOBODY
from control_plane.meetings.waiting import came, came_back
from control_plane.rooms.retiring import shut

SOURCES: Final = {"audio": ("microphone", "screen_share_audio"), "video": ("camera", "screen_share")}
"""What each kind of track can come from."""


async def person_came(db: Db, clock: Clock, room_name: str, identity: str, key: str) -> None:
    """A person is in a room; `key` tells this coming from others. Other rooms than those of meetings mean nothing.

    A meeting begins, or is over: then whoever came by a token that is still good is sent away. So is whom its hosts
    have sent away before.
    """
    if await is_over(db, room_name):
        await shut(db, room_name, key, at=clock.now())
        return
    await somebody_came(db, clock, room_name)
    await came(db, clock, room_name)
    await came_back(db, clock, room_name, identity)


async def track_published(db: Db, clock: Clock, room_name: str, identity: str, track: dict[str, Any]) -> None:
    """Somebody shows or says something. Whoever gives a picture out for a microphone is sent away, for good.

    LiveKit admits tracks by the source they name alone, so that a meeting without pictures would have them. Bots have a
    sound that comes from nothing: their silence.
    """
    if (track["type"], track["source"]) == ("audio", OF_NOBODY) and identity.startswith(HOST_PREFIX):
        return
    if track["source"] in SOURCES.get(track["type"], (track["source"],)):
        return
    meeting = (await db.exec(select(Meeting).where(Meeting.room_name == room_name))).one_or_none()
    if meeting is None:
        return
    row = {"project_id": meeting.project_id, "meeting_id": meeting.id, "identity": identity, "name": identity}
    denied = insert(Attendee).values(row | {"state": AttendeeState.DENIED})
    unique = ["meeting_id", "identity"]
    denied = denied.on_conflict_do_update(index_elements=unique, set_={"state": AttendeeState.DENIED})
    attendee = (await db.scalars(denied.returning(Attendee))).one()
    await tell_attendee(db, attendee, at=clock.now())
