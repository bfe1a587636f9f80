"""LiveKit behind a seam: what the platform asks of a media server, in the platform's words."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

import aiohttp
from livekit import api

from agents.audience import SUPERVISOR_PREFIX
from control_plane.errors import Conflict, InvalidRequest, NotFound, PlatformError, Unavailable

T = TypeVar("T")
Source = Literal["camera", "microphone", "screen_share", "screen_share_audio"]
"""What somebody may publish from."""
SOURCES = {
    "camera": api.TrackSource.CAMERA,
    "microphone": api.TrackSource.MICROPHONE,
    "screen_share": api.TrackSource.SCREEN_SHARE,
    "screen_share_audio": api.TrackSource.SCREEN_SHARE_AUDIO,
}


@dataclass(frozen=True)
class LiveRoom:
    """A room that runs now. `created_at`: seconds, with thousandths; 0 where it was not said."""

    name: str
    sid: str
    created_at: float
    empty_timeout: int
    max_participants: int
    num_participants: int = 0
    """As LiveKit counts: without agents and recorders, and some seconds late."""
    num_publishers: int = 0


@dataclass(frozen=True)
class Permission:
    """What somebody may do in a room. `can_publish_sources`: empty means any."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParticipantChange:
    """What is to change of somebody in a room; None stays as it is. LiveKit cannot empty a name or metadata."""

    name: str | None = None
    metadata: str | None = None
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[str, ...] | None = None
    attributes: dict[str, str] | None = None
    """These change, and the others stay."""


@dataclass(frozen=True)
class LiveParticipant:
    """Somebody who is in a room now. `kind`: standard, agent, sip, egress, ingress, and supervisor, who is nobody."""

    sid: str
    identity: str
    name: str
    kind: str
    state: str
    joined_at: int
    hidden: bool
    tracks: list[dict[str, Any]]
    metadata: str = ""
    permission: Permission = Permission()
    attributes: dict[str, str] = field(default_factory=dict)


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

    async def find_participant(self, room: str, identity: str) -> LiveParticipant:
        """Raises `NotFound` where nobody has that identity."""

    async def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        """Change what `change` names and nothing else. Raises `NotFound` where nobody has that identity."""

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> None:
        """Mute or unmute a track. LiveKit takes an unknown track for done; `Conflict` where it may not unmute."""

    async def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        """Send a reliable packet to these, or to everybody where there are none. Unknown ones get nothing."""

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        """Ask for an agent in a room that exists."""

    async def has_dispatch(self, room: str, *, agent_name: str) -> bool:
        """Whether such agents were asked for in a room, by a token or since; not where the room is gone."""


def room_of(room: api.Room) -> LiveRoom:
    """Translate LiveKit's room."""
    return LiveRoom(
        name=room.name,
        sid=room.sid,
        created_at=room.creation_time_ms / 1000 or room.creation_time,
        empty_timeout=room.empty_timeout,
        max_participants=room.max_participants,
        num_participants=room.num_participants,
        num_publishers=room.num_publishers,
    )


def storable(name: str) -> str:
    """A name that people give themselves or their tracks, as PostgreSQL can store it."""
    return name.replace("\x00", "")


def track_of(track: api.TrackInfo) -> dict[str, Any]:
    """Translate LiveKit's track."""
    return {
        "sid": track.sid,
        "name": storable(track.name),
        "type": api.TrackType.Name(track.type).lower(),
        "source": api.TrackSource.Name(track.source).lower(),
        "muted": track.muted,
    }


def participant_of(info: api.ParticipantInfo) -> LiveParticipant:
    """Translate LiveKit's participant."""
    return LiveParticipant(
        sid=info.sid,
        identity=info.identity,
        name=storable(info.name),
        kind=_kind_of(info),
        state=api.ParticipantInfo.State.Name(info.state),
        joined_at=info.joined_at,
        hidden=info.permission.hidden,
        tracks=[track_of(track) for track in info.tracks],
        metadata=info.metadata,
        attributes=dict(info.attributes),
        permission=Permission(
            info.permission.can_publish,
            info.permission.can_subscribe,
            info.permission.can_publish_data,
            tuple(api.TrackSource.Name(source).lower() for source in info.permission.can_publish_sources),
        ),
    )


def _kind_of(info: api.ParticipantInfo) -> str:
    kind = api.ParticipantInfo.Kind.Name(info.kind).lower()
    # To LiveKit they are agents, who take no place in a room and do not keep it open.
    return "supervisor" if kind == "agent" and info.identity.startswith(SUPERVISOR_PREFIX) else kind


def merge_permission(now: api.ParticipantPermission, change: ParticipantChange) -> api.ParticipantPermission:
    """The whole permission that LiveKit is to have; what a caller cannot name is kept."""
    merged = api.ParticipantPermission()
    merged.CopyFrom(now)
    for name in ("can_publish", "can_subscribe", "can_publish_data"):
        wanted = getattr(change, name)
        if wanted is not None:
            setattr(merged, name, wanted)
    if change.can_publish_sources is not None:
        del merged.can_publish_sources[:]
        merged.can_publish_sources.extend(SOURCES[name] for name in change.can_publish_sources)
    return merged


_NO_NODE: Final = "could not find object"
"""What livekit-server says of a room whose node is dead and was taken out of its list."""


def told(error: api.TwirpError) -> str:
    """LiveKit's own words."""
    return error.message.removeprefix("twirp error unknown: ")


def _error_of(error: api.TwirpError) -> PlatformError:
    message = told(error)
    match error.code:
        case "not_found":
            return NotFound("LiveKit knows no such room or participant")
        case "already_exists" | "failed_precondition" | "aborted":
            return Conflict(f"LiveKit refused: {message}")
        case "invalid_argument" | "malformed" | "out_of_range":
            return InvalidRequest(f"LiveKit refused: {message}")
        case "unavailable":
            return RoomDeserted("LiveKit answered unavailable")
        case "unknown" if message == _NO_NODE:
            return RoomDeserted("LiveKit has forgotten the room's node")
        case _:  # our own key is wrong, or LiveKit is in trouble: neither is the caller's fault
            return Unavailable(f"LiveKit answered {error.code}")


class RoomDeserted(Unavailable):
    """LiveKit answers, and none of its nodes does for the room."""


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
        return room_of(await self._ask(self._api.room.create_room(request)))

    async def close_room(self, name: str) -> None:
        try:
            await self._delete_room(name)
        except NotFound:
            return
        except RoomDeserted:
            # Its node is dead, and LiveKit would keep the room for a day: another takes it over where LiveKit takes
            # the old one for dead as well, as it does when somebody comes back.
            await self._ask(self._api.room.create_room(api.CreateRoomRequest(name=name)))
            await self._delete_room(name)

    async def _delete_room(self, name: str) -> None:
        await self._ask(self._api.room.delete_room(api.DeleteRoomRequest(room=name)))

    async def list_rooms(self) -> list[LiveRoom]:
        response = await self._ask(self._api.room.list_rooms(api.ListRoomsRequest()))
        return [room_of(room) for room in response.rooms]

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        try:
            response = await self._ask(self._api.room.list_participants(api.ListParticipantsRequest(room=room)))
        except NotFound:
            return []
        return [participant_of(info) for info in response.participants]

    async def remove_participant(self, room: str, identity: str) -> None:
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        await self._ask(self._api.room.remove_participant(request))

    async def find_participant(self, room: str, identity: str) -> LiveParticipant:
        return participant_of(await self._get(room, identity))

    async def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        now = (await self._get(room, identity)).permission
        permission = merge_permission(now, change)
        request = api.UpdateParticipantRequest(
            room=room,
            identity=identity,
            name=change.name or "",
            metadata=change.metadata or "",
            permission=None if permission == now else permission,  # LiveKit replaces the whole
            attributes=change.attributes,
        )
        return participant_of(await self._ask(self._api.room.update_participant(request)))

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> None:
        request = api.MuteRoomTrackRequest(room=room, identity=identity, track_sid=track_sid, muted=muted)
        await self._ask(self._api.room.mute_published_track(request))

    async def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        request = api.SendDataRequest(
            room=room, data=data, kind=api.DataPacket.Kind.RELIABLE, topic=topic, destination_identities=identities
        )
        await self._ask(self._api.room.send_data(request))

    async def _get(self, room: str, identity: str) -> api.ParticipantInfo:
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        return await self._ask(self._api.room.get_participant(request))

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
        await self._ask(self._api.agent_dispatch.create_dispatch(request))

    async def has_dispatch(self, room: str, *, agent_name: str) -> bool:
        try:
            asked = await self._ask(self._api.agent_dispatch.list_dispatch(room))
        except NotFound:
            return False
        return any(each.agent_name == agent_name for each in asked)
