"""LiveKit behind a seam: what the platform asks of a media server, in the platform's words."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import aiohttp
from livekit import api

from control_plane.errors import Conflict, InvalidRequest, NotFound, PlatformError, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class LiveRoom:
    """A room that runs now."""

    name: str
    sid: str
    created_at: int
    empty_timeout: int
    max_participants: int


@dataclass(frozen=True)
class LiveParticipant:
    """Somebody who is in a room now. `kind`: standard, agent, sip, egress, ingress."""

    sid: str
    identity: str
    name: str
    kind: str
    state: str
    joined_at: int
    hidden: bool
    tracks: list[dict[str, Any]]


class MediaServer(Protocol):
    """Rooms, participants and dispatch. Each call ends within the configured time; faults are `PlatformError`s."""

    async def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom: ...

    async def close_room(self, name: str) -> None:
        """Closing a closed room is fine."""

    async def list_rooms(self) -> list[LiveRoom]: ...

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        """Empty where the room is gone."""

    async def remove_participant(self, room: str, identity: str) -> None:
        """Raises `NotFound` where nobody has that identity."""

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        """Ask for an agent in a room that exists."""


def participant_of(info: api.ParticipantInfo) -> LiveParticipant:
    """Translate LiveKit's participant."""
    tracks = [
        {
            "sid": track.sid,
            "name": track.name,
            "type": api.TrackType.Name(track.type).lower(),
            "source": api.TrackSource.Name(track.source).lower(),
            "muted": track.muted,
        }
        for track in info.tracks
    ]
    return LiveParticipant(
        sid=info.sid,
        identity=info.identity,
        name=info.name,
        kind=api.ParticipantInfo.Kind.Name(info.kind).lower(),
        state=api.ParticipantInfo.State.Name(info.state),
        joined_at=info.joined_at,
        hidden=info.permission.hidden,
        tracks=tracks,
    )


def _error_of(error: api.TwirpError) -> PlatformError:
    match error.code:
        case "not_found":
            return NotFound("LiveKit knows no such room or participant")
        case "already_exists" | "failed_precondition" | "aborted":
            return Conflict(f"LiveKit refused: {error.message}")
        case "invalid_argument" | "malformed" | "out_of_range":
            return InvalidRequest(f"LiveKit refused: {error.message}")
        case _:  # our own key is wrong, or LiveKit is in trouble: neither is the caller's fault
            return Unavailable(f"LiveKit answered {error.code}")


class LiveKitMedia:
    """`MediaServer` on livekit-server. Build it inside the running loop; one per process."""

    def __init__(self, url: str, key: str, secret: str, *, timeout: float) -> None:
        self._api = api.LiveKitAPI(url, key, secret)
        self._timeout = timeout

    async def close(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _ask(self, call: Awaitable[T]) -> T:
        # The SDK's requests have no time limit of their own.
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except api.TwirpError as error:
            raise _error_of(error) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable("LiveKit cannot be reached; try again") from error

    async def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom:
        request = api.CreateRoomRequest(
            name=name, empty_timeout=empty_timeout, max_participants=max_participants, metadata=metadata
        )
        return _room_of(await self._ask(self._api.room.create_room(request)))

    async def close_room(self, name: str) -> None:
        try:
            await self._ask(self._api.room.delete_room(api.DeleteRoomRequest(room=name)))
        except NotFound:
            return

    async def list_rooms(self) -> list[LiveRoom]:
        response = await self._ask(self._api.room.list_rooms(api.ListRoomsRequest()))
        return [_room_of(room) for room in response.rooms]

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        try:
            response = await self._ask(self._api.room.list_participants(api.ListParticipantsRequest(room=room)))
        except NotFound:
            return []
        return [participant_of(info) for info in response.participants]

    async def remove_participant(self, room: str, identity: str) -> None:
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        await self._ask(self._api.room.remove_participant(request))

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
        await self._ask(self._api.agent_dispatch.create_dispatch(request))


def _room_of(room: api.Room) -> LiveRoom:
    return LiveRoom(room.name, room.sid, room.creation_time, room.empty_timeout, room.max_participants)
