"""Rooms as a customer handles them."""

from datetime import UTC, datetime

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.events.log import EventLog
from control_plane.media.server import MediaServer
from control_plane.names import RoomName
from control_plane.plans.quota import Quota
from control_plane.rooms.endings import begin_room, end_room, end_stay
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus, Supervision
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.schemas import RoomCreate


class RoomService:
    """The rooms of one caller. Reads come from our rows; only what changes LiveKit asks LiveKit."""

    def __init__(
        self,
        db: Db,
        caller: Caller,
        rooms: RoomRepository,
        media: MediaServer,
        quota: Quota,
        log: EventLog,
        clock: Clock,
    ) -> None:
        self.db, self.caller, self.rooms, self.media = db, caller, rooms, media
        self.quota, self.log, self.clock = quota, log, clock

    async def create(self, body: RoomCreate, *, request_key: str | None = None) -> Room:
        """A new room. The row is written first; if LiveKit refuses, it is closed again and the error raised.

        `request_key` names the request: its repeat finds the row that a first try left behind, and finishes it.
        """
        name = await resolve(self.db, self.caller.slug, body.name, field="name", fresh=True)
        begun = await self.rooms.find_open(name.full)
        if begun is None:
            begun = await self._begin(name, body, request_key)
        elif not await self._is_wanted_by(begun, request_key):
            raise Conflict(f"The room {name.short!r} is open already")
        await self.db.commit()
        try:
            live = await self.media.create_room(
                name.full,
                empty_timeout=body.empty_timeout,
                max_participants=body.max_participants,
                metadata=body.metadata,
            )
        except BaseException:
            await self._give_up(name)
            raise
        room = await self.rooms.find_open(name.full, lock=True) or begun
        room.created_at, room.request_key = datetime.fromtimestamp(live.created_at, UTC), None
        room.origin, room.metadata_ = RoomOrigin.API, body.metadata
        if room.sid is None:
            begin_room(self.log, room, sid=live.sid, created_at=room.created_at)
        return room

    async def _is_wanted_by(self, room: Room, request_key: str | None) -> bool:
        """Whether an open room is what an earlier try of this request has left, or has made: LiveKit's answer was lost,
        the row was given up, and then LiveKit told of the room."""
        if request_key is None:
            return False
        if room.request_key == request_key:
            return True
        return room.origin == RoomOrigin.TOKEN and await self.rooms.was_given_up(room.full_name, request_key)

    async def _begin(self, name: RoomName, body: RoomCreate, request_key: str | None) -> Room:
        """Write down that a room is wanted, within the plan's number of rooms."""
        await self.quota.take("rooms")
        values = body.model_dump(include={"empty_timeout", "max_participants"}) | {"metadata_": body.metadata}
        room, made = await self.rooms.open(name, origin=RoomOrigin.API, sid=None, request_key=request_key, **values)
        if not made:
            raise Conflict(f"The room {name.short!r} is open already")
        return room

    async def _give_up(self, name: RoomName) -> None:
        """Close a row that came to nothing; where LiveKit has told of the room meanwhile it stays open."""
        room = await self.rooms.find_open(name.full, lock=True)
        if room is not None and room.sid is None:
            room.status, room.closed_at = RoomStatus.CLOSED, self.clock.now()
        await self.db.commit()

    async def all(self) -> list[tuple[Room, int]]:
        """Open rooms with the number of those present."""
        return await self.rooms.list_live()

    async def get_with_present(self, given: str) -> tuple[Room, list[Participant], list[Supervision]]:
        """The room of that name, open or the last one closed; who is in it now, and who supervises it."""
        name = await resolve(self.db, self.caller.slug, given, field="roomName")
        found = await self.rooms.find_with_present(name.full)
        if found is None:
            raise NotFound(f"There is no room {name.short!r}")
        return found

    async def close(self, given: str) -> None:
        """Close a room and disconnect everybody; closing a closed room is fine."""
        room = await get_room(self.rooms, self.caller, given)
        await self.db.commit()
        await self.media.close_room(room.full_name)
        open_room = await self.rooms.find_open(room.full_name, lock=True)
        if open_room is not None:
            await finish_room(self.rooms, self.log, open_room, at=self.clock.now())


async def get_room(rooms: RoomRepository, caller: Caller, given: str) -> Room:
    """The caller's room of that name, open or the last one closed; `NotFound`."""
    name = await resolve(rooms.db, caller.slug, given, field="roomName")
    room = await rooms.find_newest(name.full)
    if room is None:
        raise NotFound(f"There is no room {name.short!r}")
    return room


async def get_open_room(rooms: RoomRepository, caller: Caller, given: str) -> Room:
    """The caller's open room of that name; `NotFound`, or `Conflict` where it is closed."""
    room = await get_room(rooms, caller, given)
    if room.status != RoomStatus.OPEN:
        raise Conflict(f"The room {room.name!r} is closed")
    return room


async def finish_room(rooms: RoomRepository, log: EventLog, room: Room, *, at: datetime) -> None:
    """A room has ended, and its people have left it. It must be locked, and open."""
    for stay in await rooms.lock_present(room.id):
        await end_stay(rooms.db, log, room, stay, cause=None, with_room=True, at=at)
    await end_room(rooms.db, log, room, at=at)
