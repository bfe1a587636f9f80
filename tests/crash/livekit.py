"""LiveKit as the platform sees it: rooms, who is in them, what was dispatched, phones, recorders, and hooks.

It lives in the process that is not killed. Its hooks wait until somebody takes them; they may be lost on the way.
"""

import json
import time
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import jwt
from google.protobuf.json_format import MessageToJson
from livekit import api

from control_plane.errors import NotFound
from control_plane.media.orders import RecordingOrder
from control_plane.media.recorder import Egress, egress_of
from control_plane.media.server import LiveParticipant, LiveRoom, ParticipantChange, participant_of, room_of
from sip.dialer import Carrier, Line, OutgoingCall
from sip.outcomes import ANSWERED, Outcome
from tests.crash.clock import SharedClock

SOUND = bytes(range(256)) * 40
STATUS = api.EgressStatus


@dataclass
class Offer:
    """A job that waits for a worker: what was dispatched into a room."""

    id: str
    room: str
    metadata: str


@dataclass
class Media:
    """Rooms and people; `MediaServer` by name, and what callers do."""

    clock: SharedClock
    rooms: dict[str, api.Room] = field(default_factory=dict)
    people: dict[str, dict[str, api.ParticipantInfo]] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    hooks: list[tuple[str, str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Names of all rooms that there were."""
    count: int = 0

    def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom:
        if name not in self.rooms:
            now = self.clock.now().timestamp()
            self.rooms[name] = api.Room(
                name=name,
                sid=f"RM_{self._next()}",
                creation_time=int(now),
                creation_time_ms=int(now * 1000),
                empty_timeout=empty_timeout,
                max_participants=max_participants,
                metadata=metadata,
            )
            self.people[name] = {}
            self.made.append(name)
            self.hook("room_started", room=self.rooms[name])
        return room_of(self.rooms[name])

    def close_room(self, name: str) -> None:
        for identity in list(self.people.get(name, {})):
            self.leave(name, identity, "ROOM_DELETED")
        room = self.rooms.pop(name, None)
        if room is not None:
            self.people.pop(name)
            self.offers = [offer for offer in self.offers if offer.room != name]
            self.hook("room_finished", room=room)

    def list_rooms(self) -> list[LiveRoom]:
        return [room_of(room) for room in self.rooms.values()]

    def list_participants(self, room: str) -> list[LiveParticipant]:
        return [participant_of(person) for person in self.people.get(room, {}).values()]

    def find_participant(self, room: str, identity: str) -> LiveParticipant:
        if identity not in self.people.get(room, {}):
            raise NotFound("LiveKit knows no such room or participant")
        return participant_of(self.people[room][identity])

    def remove_participant(self, room: str, identity: str) -> None:
        self.find_participant(room, identity)
        self.leave(room, identity, "PARTICIPANT_REMOVED")

    def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        return changed(self.find_participant(room, identity), name=change.name or "")

    def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        pass

    def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        if room in self.rooms:
            self.offers.append(Offer(f"AJ_{self._next()}", room, metadata))

    def enter(self, token: str) -> str:
        """Somebody joins by a token; the room's name. Whoever makes the room has its agents dispatched."""
        said = jwt.decode(token, options={"verify_signature": False})
        name = said["video"]["room"]
        if name not in self.rooms:
            self.create_room(name, empty_timeout=300, max_participants=0, metadata="")
            for agent in said.get("roomConfig", {}).get("agents", []):
                self.dispatch(name, agent_name=agent["agentName"], metadata=agent["metadata"])
        self.join(name, said["sub"], kind=said.get("kind") or "standard")
        return str(name)

    def join(
        self, name: str, identity: str, *, kind: str = "standard", attributes: dict[str, str] | None = None
    ) -> str:
        """Somebody is in a room; an earlier one of that identity is put out."""
        if name not in self.rooms:
            raise NotFound("there is no such room")
        if identity in self.people[name]:
            self.leave(name, identity, "DUPLICATE_IDENTITY")
        person = api.ParticipantInfo(
            sid=f"PA_{self._next()}",
            identity=identity,
            name=identity,
            state=api.ParticipantInfo.State.ACTIVE,
            joined_at=int(self.clock.now().timestamp()),
            kind=api.ParticipantInfo.Kind.Value(kind.upper()),
            attributes=attributes or {},
        )
        self.people[name][identity] = person
        self.hook("participant_joined", room=self.rooms[name], participant=person)
        return person.sid

    def leave(self, name: str, identity: str, cause: str = "CLIENT_INITIATED") -> None:
        """Somebody goes."""
        person = self.people.get(name, {}).pop(identity, None)
        if person is None:
            return
        person.state = api.ParticipantInfo.State.DISCONNECTED
        person.disconnect_reason = api.DisconnectReason.Value(cause)
        self.hook("participant_left", room=self.rooms[name], participant=person)

    def persons(self, name: str) -> list[str]:
        """The identities of callers and phones in a room."""
        kinds = (api.ParticipantInfo.Kind.STANDARD, api.ParticipantInfo.Kind.SIP)
        return [identity for identity, person in self.people.get(name, {}).items() if person.kind in kinds]

    def close_empty(self) -> list[str]:
        """What LiveKit does with rooms in which nobody has been for long; their names."""
        empty = [name for name in self.rooms if not self.people[name]]
        for name in empty:
            self.close_room(name)
        return empty

    def take_offers(self) -> list[Offer]:
        """What waits for a worker, which stays until `taken`: an exchange may be asked again."""
        return self.offers

    def taken(self, offer_id: str) -> None:
        """A job has its worker, or is refused."""
        self.offers = [offer for offer in self.offers if offer.id != offer_id]

    def hook(self, event: str, **content: Any) -> None:
        """Something to tell."""
        number, at = self._next(), int(self.clock.now().timestamp())
        hook = api.WebhookEvent(id=f"EV_{number}", event=event, created_at=at, **content)
        self.hooks.append((hook.id, MessageToJson(hook)))

    def waiting_hooks(self) -> list[tuple[str, str]]:
        """What was not heard yet: ids and bodies."""
        return self.hooks

    def heard(self, hook_id: str) -> None:
        """A hook was answered."""
        self.hooks = [hook for hook in self.hooks if hook[0] != hook_id]

    def _next(self) -> int:
        self.count += 1
        return self.count


@dataclass
class Phones:
    """A SIP service and carriers; `Dialer` by name."""

    media: Media
    answer: Outcome = ANSWERED
    invites: list[tuple[str, str]] = field(default_factory=list)
    """Each INVITE: the room and the identity of the phone."""
    known: list[str] = field(default_factory=list)
    inbound: str = ""
    """The trunk that calls come in by, and what their persona is dispatched with."""
    metadata: str = ""

    def ring(self, caller: str) -> str:
        """Somebody calls the number; the room that LiveKit makes for it."""
        room = f"proj_call_{caller}_abcdef"
        self.media.create_room(room, empty_timeout=300, max_participants=0, metadata="")
        self.media.dispatch(room, agent_name="parley", metadata=self.metadata)
        self.media.join(room, f"sip_{caller}", kind="sip", attributes={"sip.trunkID": self.inbound})
        return room

    def answers(self, answer: Outcome) -> None:
        """How calls are answered from now on."""
        self.answer = answer

    def open_trunk(self, carrier: Carrier, trunk_id: str | None) -> str:
        return self._has(trunk_id, f"ST_out_{carrier.key}")

    def open_inbound(self, carrier: Carrier, trunk_id: str | None) -> str:
        return self._has(trunk_id, f"ST_in_{carrier.key}")

    def open_rule(self, carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        self.inbound, self.metadata = inbound_id, line.agent_metadata
        return self._has(rule_id, f"SDR_{carrier.key}")

    def _has(self, known: str | None, new: str) -> str:
        given = known if known in self.known else f"{new}_{len(self.known)}"
        self.known = [*self.known, given] if given not in self.known else self.known
        return given or ""

    def close_rule(self, rule_id: str) -> None:
        self.known = [each for each in self.known if each != rule_id]

    close_trunk = close_rule

    def list_ids(self) -> frozenset[str]:
        return frozenset(self.known)

    def list_own(self, key: str) -> tuple[list[str], list[str]]:
        own = [each for each in self.known if f"_{key}_" in each]
        return [each for each in own if each.startswith("ST")], [each for each in own if each.startswith("SDR")]

    def call(self, call: OutgoingCall) -> Outcome:
        self.invites.append((call.room, call.identity))
        if self.answer.status == "answered":
            if call.room not in self.media.rooms:  # LiveKit makes it for the phone
                self.media.create_room(call.room, empty_timeout=300, max_participants=0, metadata="")
            attributes = {"sip.callStatus": "active", **call.attributes}
            self.media.join(call.room, call.identity, kind="sip", attributes=attributes)
        return self.answer

    def hang_up(self, room: str, identity: str) -> None:
        self.media.leave(room, identity)

    def transfer(self, room: str, identity: str, to: str, *, within: float) -> Outcome:
        return ANSWERED


@dataclass
class Tapes:
    """An egress service; `Recorder` by name."""

    media: Media
    folder: Path
    egresses: dict[str, api.EgressInfo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The file of each order."""

    def start(self, order: RecordingOrder) -> Egress:
        if order.room not in self.media.rooms:
            raise NotFound("The room is not there")
        self.asked.append(order.key)
        path = f"{self.folder}/{order.key}"
        info = api.EgressInfo(egress_id=f"EG_{len(self.egresses) + 1}_{order.key[-8:-4]}", room_name=order.room)
        info.room_composite.file_outputs.add(filepath=path)
        self.egresses[info.egress_id] = info
        self._is(info, STATUS.EGRESS_STARTING, "egress_started")
        return egress_of(info)

    def stop(self, egress_id: str) -> None:
        info = self.egresses.get(egress_id)
        if info is not None and info.status in (STATUS.EGRESS_STARTING, STATUS.EGRESS_ACTIVE):
            self._is(info, STATUS.EGRESS_ENDING, "egress_updated")

    def find(self, egress_id: str) -> Egress | None:
        return egress_of(self.egresses[egress_id]) if egress_id in self.egresses else None

    def list_running(self) -> list[Egress]:
        running = [egress_of(info) for info in self.egresses.values()]
        return [egress for egress in running if not egress.state.is_over]

    def go_on(self) -> None:
        """Each recording is a step further: it hears something, or its file is written."""
        for info in self.egresses.values():
            if info.status == STATUS.EGRESS_STARTING:
                info.started_at = time.time_ns()
                self._is(info, STATUS.EGRESS_ACTIVE, "egress_updated")
            elif info.status == STATUS.EGRESS_ACTIVE and info.room_name not in self.media.rooms:
                self._is(info, STATUS.EGRESS_ENDING, "egress_updated")
            elif info.status == STATUS.EGRESS_ENDING:
                self._write(info)

    def _write(self, info: api.EgressInfo) -> None:
        path = Path(info.room_composite.file_outputs[0].filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOUND)
        info.ended_at = time.time_ns()
        info.file_results.add(filename=str(path), size=len(SOUND), duration=5_000_000_000)
        self._is(info, STATUS.EGRESS_COMPLETE, "egress_ended")

    def _is(self, info: api.EgressInfo, status: Any, hook: str) -> None:
        info.status = status
        self.media.hook(hook, egress_info=info)


def metadata_of(offer: Offer) -> dict[str, Any]:
    """What a worker reads of a job."""
    read: dict[str, Any] = json.loads(offer.metadata)
    return read
