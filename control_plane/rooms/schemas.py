"""Rooms on the wire."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from control_plane.rooms.models import Participant, Room, RoomStatus, Supervision
from control_plane.wire import FRESH_ROOM_NAME, Clean, Sent


class RoomCreate(Sent):
    """`POST /rooms`."""

    name: Annotated[str, Field(json_schema_extra=FRESH_ROOM_NAME)]
    empty_timeout: Annotated[int, Field(ge=1, le=24 * 3600)] = 300
    max_participants: Annotated[int, Field(ge=0, le=10_000)] = 0
    metadata: Annotated[str, StringConstraints(max_length=65_536), Clean] = ""


class RoomMade(BaseModel):
    """A room as `POST /rooms` answers it. Names are the document's."""

    name: str
    fullName: str
    sid: str
    emptyTimeout: int
    maxParticipants: int
    creationTime: int


class RoomCreated(BaseModel):
    """`POST /rooms`, 201."""

    success: bool = True
    room: RoomMade


class RoomListed(BaseModel):
    """A room in the list."""

    name: str
    fullName: str
    numParticipants: int
    createdAt: int


class RoomList(BaseModel):
    """`GET /rooms`."""

    rooms: list[RoomListed]


class Present(BaseModel):
    """Somebody in a room."""

    identity: str
    name: str
    joinedAt: int


class PresentWithTracks(Present):
    """The same with state and tracks."""

    state: str
    tracks: list[dict[str, Any]]


class SupervisorShown(BaseModel):
    """Somebody who supervises a room; they are none of its participants."""

    supervisor: str
    name: str
    mode: str


class RoomShown(BaseModel):
    """One room."""

    name: str
    fullName: str
    sid: str
    status: str
    numParticipants: int
    maxParticipants: int
    createdAt: int
    participants: list[Present]
    supervisors: list[SupervisorShown] = []


class RoomAnswer(BaseModel):
    """`GET /rooms/{roomName}`."""

    room: RoomShown


class ParticipantList(BaseModel):
    """`GET /rooms/{roomName}/participants`."""

    participants: list[PresentWithTracks]


def unix(row: Room | Participant) -> int:
    """When it began, in Unix seconds."""
    moment = row.joined_at if isinstance(row, Participant) else row.created_at
    return int(moment.timestamp())


def show_present(participant: Participant) -> Present:
    """Somebody in a room."""
    return Present(identity=participant.identity, name=participant.name, joinedAt=unix(participant))


def show_with_tracks(participant: Participant) -> PresentWithTracks:
    """Somebody in a room, with tracks."""
    base = show_present(participant).model_dump()
    return PresentWithTracks(**base, state="ACTIVE", tracks=participant.tracks)


def show_room(room: Room, present: list[Participant], supervising: Sequence[Supervision] = ()) -> RoomShown:
    """A room, open or closed."""
    return RoomShown(
        name=room.name,
        fullName=room.full_name,
        sid=room.sid or "",
        status="active" if room.status == RoomStatus.OPEN else "closed",
        numParticipants=len(present),
        maxParticipants=room.max_participants,
        createdAt=unix(room),
        participants=[show_present(participant) for participant in present],
        supervisors=[SupervisorShown(supervisor=each.identity, name=each.name, mode=each.mode) for each in supervising],
    )
