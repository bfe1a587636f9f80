"""LiveKit as the control plane sees it, in memory: rooms and people, and recordings."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from control_plane.errors import NotFound, PlatformError
from control_plane.media.orders import RecordingOrder
from control_plane.media.recorder import Egress, EgressState
from control_plane.media.server import LiveParticipant, LiveRoom, ParticipantChange

RIGHTS = ("can_publish", "can_subscribe", "can_publish_data", "can_publish_sources")


@dataclass
class FakeMedia:
    """A media server that remembers what it was asked; `fail_next` makes the next call raise."""

    rooms: dict[str, LiveRoom] = field(default_factory=dict)
    people: dict[str, list[LiveParticipant]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    asked_for: set[str] = field(default_factory=set)
    """Rooms into which a token has brought an agent."""
    fail_next: Exception | None = None

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error

    async def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom:
        self._called("create_room", name)
        self.rooms[name] = LiveRoom(name, f"RM_{len(self.calls)}", 1_700_000_000, empty_timeout, max_participants)
        return self.rooms[name]

    async def close_room(self, name: str) -> None:
        self._called("close_room", name)
        self.rooms.pop(name, None)

    async def list_rooms(self) -> list[LiveRoom]:
        return list(self.rooms.values())

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        return self.people.get(room, [])

    async def remove_participant(self, room: str, identity: str) -> None:
        self._called("remove_participant", room, identity)
        await self.find_participant(room, identity)

    async def find_participant(self, room: str, identity: str) -> LiveParticipant:
        for person in self.people.get(room, []):
            if person.identity == identity:
                return person
        raise NotFound("LiveKit knows no such room or participant")

    async def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        self._called("update_participant", room, identity, change)
        person = await self.find_participant(room, identity)
        wanted = {name: value for name, value in asdict(change).items() if value is not None}
        permission = replace(person.permission, **{name: wanted.pop(name) for name in list(wanted) if name in RIGHTS})
        changed = replace(person, permission=permission, **wanted)
        self.people[room] = [changed if one.identity == identity else one for one in self.people[room]]
        return changed

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> None:
        self._called("mute_track", room, identity, track_sid, muted)

    async def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        self._called("send_data", room, data, topic, identities)

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        self._called("dispatch", room, metadata)

    async def has_dispatch(self, room: str, *, agent_name: str) -> bool:
        self._called("has_dispatch", room)
        return room in self.asked_for


@dataclass
class FakeRecorder:
    """A recorder that remembers what it was asked; `away` is what it says instead of beginning."""

    folder: Path
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    egresses: dict[str, Egress] = field(default_factory=dict)
    away: PlatformError | None = None

    async def start(self, order: RecordingOrder) -> Egress:
        self.calls.append(("start", order))
        if self.away is not None:
            raise self.away
        egress_id = f"EG_{len(self.egresses) + 1}"
        path = f"{self.folder}/{order.key}"
        egress = self.egresses[egress_id] = Egress(egress_id, order.room, EgressState.STARTING, (path,))
        return egress

    async def stop(self, egress_id: str) -> None:
        self.calls.append(("stop", egress_id))
        if self.away is not None:
            raise self.away

    async def find(self, egress_id: str) -> Egress | None:
        return self.egresses.get(egress_id)

    async def list_running(self) -> list[Egress]:
        return [egress for egress in self.egresses.values() if not egress.state.is_over]

    def says(self, egress_id: str, state: EgressState, **more: Any) -> Egress:
        """Bring a recording into another state."""
        egress = self.egresses[egress_id] = replace(self.egresses[egress_id], state=state, **more)
        return egress

    def write(self, egress_id: str, content: bytes) -> None:
        """Put a recording's file where it was asked for."""
        path = Path(self.egresses[egress_id].paths[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
