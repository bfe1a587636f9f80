"""`/rooms`."""

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.events.log import EventLog
from control_plane.gate.idempotency import request_name
from control_plane.gate.operation import primary
from control_plane.plans.quota import QuotaDep
from control_plane.rooms.control import CallControl
from control_plane.rooms.control_schemas import (
    DataSend,
    ParticipantUpdate,
    ParticipantUpdated,
    TrackMute,
    TrackMuted,
    show_live,
)
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.schemas import (
    ParticipantList,
    RoomAnswer,
    RoomCreate,
    RoomCreated,
    RoomList,
    RoomListed,
    RoomMade,
    show_room,
    show_with_tracks,
    unix,
)
from control_plane.rooms.service import RoomService
from control_plane.wire import Clean, Done, RoomPath

router = primary("/rooms", tags=["Rooms"])


async def find_rooms(request: Request, db: DbDep, caller: CallerDep, quota: QuotaDep, clock: ClockDep) -> RoomService:
    """The rooms of this request's caller."""
    repository = RoomRepository(db, caller.project_id)
    return RoomService(db, caller, repository, request.app.state.media, quota, EventLog(db, clock), clock)


Rooms = Annotated[RoomService, Depends(find_rooms)]


async def find_control(request: Request, db: DbDep, caller: CallerDep) -> CallControl:
    """Call control for this request's caller."""
    return CallControl(db, caller, RoomRepository(db, caller.project_id), request.app.state.media)


Control = Annotated[CallControl, Depends(find_control)]
Identity = Annotated[str, Path(description="The participant's identity.", max_length=256), Clean]
RequestKey = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]


@router.post("", status_code=201, response_model=RoomCreated)
async def create_room(body: RoomCreate, rooms: Rooms, request_key: RequestKey = None) -> Any:
    """Create a room."""
    room = await rooms.create(body, request_key=request_key and request_name(rooms.caller, request_key))
    made = RoomMade(
        name=room.name,
        fullName=room.full_name,
        sid=room.sid or "",
        emptyTimeout=room.empty_timeout,
        maxParticipants=room.max_participants,
        creationTime=unix(room),
    )
    return RoomCreated(room=made)


@router.get("", response_model=RoomList)
async def list_rooms(rooms: Rooms) -> Any:
    """List active rooms."""
    listed = [
        RoomListed(name=room.name, fullName=room.full_name, numParticipants=present, createdAt=unix(room))
        for room, present in await rooms.all()
    ]
    return RoomList(rooms=listed)


@router.get("/{room_name}", response_model=RoomAnswer)
async def read_room(room_name: RoomPath, rooms: Rooms) -> Any:
    """Room detail; a closed room is answered from our rows."""
    return RoomAnswer(room=show_room(*await rooms.get_with_present(room_name)))


@router.get("/{room_name}/participants", response_model=ParticipantList)
async def list_participants(room_name: RoomPath, rooms: Rooms) -> Any:
    """List participants in a room, with their tracks."""
    _, present, _ = await rooms.get_with_present(room_name)
    return ParticipantList(participants=[show_with_tracks(participant) for participant in present])


@router.delete("/{room_name}", response_model=Done)
async def close_room(room_name: RoomPath, rooms: Rooms) -> Any:
    """Close a room; everybody is disconnected."""
    await rooms.close(room_name)
    return Done(message="Room closed")


@router.post("/{room_name}/kick/{identity:path}", response_model=Done)
async def kick(room_name: RoomPath, identity: Identity, control: Control) -> Any:
    """Kick a participant."""
    await control.kick(room_name, identity)
    return Done(message="Participant removed")


@router.post("/{room_name}/send-data", response_model=Done)
async def send_data(room_name: RoomPath, body: DataSend, control: Control) -> Any:
    """Send data to everybody in a room, or whisper to some; to an agent it is a supervisor's hint."""
    await control.send(room_name, body)
    return Done(message="Data sent")


@router.post("/{room_name}/participants/{identity:path}/mute", response_model=TrackMuted)
async def mute(room_name: RoomPath, identity: Identity, body: TrackMute, control: Control) -> Any:
    """Mute or unmute a participant."""
    track_sid = await control.mute(room_name, identity, body)
    return TrackMuted(identity=identity, track_sid=track_sid, muted=body.muted)


@router.post("/{room_name}/participants/{identity:path}", response_model=ParticipantUpdated)
async def update_participant(room_name: RoomPath, identity: Identity, body: ParticipantUpdate, control: Control) -> Any:
    """Update a participant's metadata, permission or display name."""
    return ParticipantUpdated(participant=show_live(await control.update(room_name, identity, body)))
