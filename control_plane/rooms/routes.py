"""`/rooms`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.events.log import EventLog
from control_plane.gate.operation import Operation
from control_plane.plans.quota import QuotaDep
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
from control_plane.wire import Done

router = APIRouter(prefix="/rooms", tags=["Rooms"], route_class=Operation)


def find_rooms(request: Request, db: DbDep, caller: CallerDep, quota: QuotaDep, clock: ClockDep) -> RoomService:
    """The rooms of this request's caller."""
    repository = RoomRepository(db, caller.project_id)
    return RoomService(db, caller, repository, request.app.state.media, quota, EventLog(db, clock), clock)


Rooms = Annotated[RoomService, Depends(find_rooms)]
Name = Annotated[str, Path(description="Short or full name of the room.", max_length=160)]


@router.post("", status_code=201, response_model=RoomCreated)
async def create_room(body: RoomCreate, rooms: Rooms) -> Any:
    """Create a room."""
    room = await rooms.create(body)
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
async def read_room(room_name: Name, rooms: Rooms) -> Any:
    """Room detail; a closed room is answered from our rows."""
    room = await rooms.get(room_name)
    return RoomAnswer(room=show_room(room, await rooms.present(room)))


@router.get("/{room_name}/participants", response_model=ParticipantList)
async def list_participants(room_name: Name, rooms: Rooms) -> Any:
    """List participants in a room, with their tracks."""
    present = await rooms.present(await rooms.get(room_name))
    return ParticipantList(participants=[show_with_tracks(participant) for participant in present])


@router.delete("/{room_name}", response_model=Done)
async def close_room(room_name: Name, rooms: Rooms) -> Any:
    """Close a room; everybody is disconnected."""
    await rooms.close(room_name)
    return Done(message="Room closed")


@router.post("/{room_name}/kick/{identity}", response_model=Done)
async def kick(room_name: Name, identity: Annotated[str, Path(max_length=256)], rooms: Rooms) -> Any:
    """Kick a participant."""
    await rooms.kick(room_name, identity)
    return Done(message="Participant removed")
