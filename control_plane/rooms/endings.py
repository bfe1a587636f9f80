"""How rooms begin, and how stays and rooms end, whoever sees it first: the row, and the fact told once."""

from datetime import datetime
from typing import Any, Final, Literal

from sqlmodel import col, func, select, update

from control_plane.clock import iso
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.supervisions import SUPERVISOR, Supervisions

Leaving = Literal["left", "removed", "room_closed"]
PAST_TRACKS: Final = 200
"""Ended tracks that a stay remembers, the newest: hooks come half a minute late at most."""
_WITH_ROOM: Final = ("room_deleted", "room_closed", "server_shutdown")


def leaving_of(cause: str | None, *, with_room: bool) -> Leaving:
    """Why somebody left, as everybody is told who hears of it: the same whether a hook told us or we found them gone.

    `cause` is LiveKit's word, None where it told nothing.
    """
    if cause == "participant_removed":
        return "removed"
    return "room_closed" if with_room or cause in _WITH_ROOM else "left"


async def note_removal(db: Db, full_name: str, identity: str) -> None:
    """Somebody is about to be removed from a room, though LiveKit's word of it may be lost."""
    rooms = select(Room.id).where(Room.full_name == full_name, Room.status == RoomStatus.OPEN)
    who = col(Participant.room_id).in_(rooms), col(Participant.identity) == identity
    await db.exec(update(Participant).where(*who, col(Participant.left_at).is_(None)).values(removed_at=func.now()))


async def end_stay(
    db: Db, log: EventLog, room: Room, stay: Participant, *, cause: str | None, with_room: bool, at: datetime
) -> None:
    """Somebody who was there has left, and what they published is gone. The stay must be locked, and not over."""
    if cause is None and stay.removed_at is not None:
        cause = "participant_removed"
    for track in stay.tracks:
        end_track(log, room, stay, track)
    stay.left_at = max(at, stay.joined_at)
    if stay.kind == SUPERVISOR:
        if not with_room:
            await Supervisions(db, room.project_id).left(log, room, stay, reason=cause or "", at=at)
    elif stay.told:
        log.append(
            Fact.PARTICIPANT_LEFT,
            project_id=room.project_id,
            room_name=room.full_name,
            identity=stay.identity,
            reason=leaving_of(cause, with_room=with_room),
            cause=cause,
        )


def begin_room(log: EventLog, room: Room, *, sid: str, created_at: datetime) -> None:
    """LiveKit has a room that was wanted: told by whoever is the first to know. It must be locked."""
    room.sid, room.created_at = sid, created_at
    tell_created(log, room)


def tell_created(log: EventLog, room: Room) -> None:
    """Record that LiveKit has a room."""
    created_at = iso(room.created_at)
    log.append(Fact.ROOM_CREATED, project_id=room.project_id, room_name=room.full_name, created_at=created_at)


async def end_room(db: Db, log: EventLog, room: Room, *, at: datetime) -> None:
    """A room has ended. It must be locked, and open. Who is in it by our rows is another question. Of one that LiveKit
    never had nothing was told, and nothing is."""
    await Supervisions(db, room.project_id).end_all(room.id, at=at)
    room.status, room.closed_at = RoomStatus.CLOSED, at
    if room.sid is not None:
        log.append(Fact.ROOM_FINISHED, project_id=room.project_id, room_name=room.full_name)


def end_track(log: EventLog, room: Room, stay: Participant, track: dict[str, Any]) -> None:
    """A track is gone that was known."""
    stay.tracks = [known for known in stay.tracks if known["sid"] != track["sid"]]
    stay.past_tracks = [*stay.past_tracks, track["sid"]][-PAST_TRACKS:]
    tell_track(log, Fact.TRACK_UNPUBLISHED, room, stay, track)


def tell_track(log: EventLog, fact: Fact, room: Room, stay: Participant, track: dict[str, Any]) -> None:
    """Record that a track came or went."""
    if not stay.told:
        return
    log.append(
        fact,
        project_id=room.project_id,
        room_name=room.full_name,
        identity=stay.identity,
        track_sid=track["sid"],
        track_type=track["type"],
        source=track["source"],
    )
