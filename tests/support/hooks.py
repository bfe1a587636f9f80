"""A small world of LiveKit's for tests of its hooks: what happens there, what the server shows, what its hooks say, and
what is to be known of it in the end."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from livekit import api

from control_plane.media.recorder import egress_of
from control_plane.media.server import participant_of, room_of
from tests.support.media import FakeMedia, FakeRecorder

BEGAN = 1_700_000_000
PHONE = "sip_+17755550100"
FILE = "0123456789abcdef.ogg"


class Dice:
    """Decisions from bytes; without any left the first possibility, so that Hypothesis finds simple stories."""

    def __init__(self, content: bytes) -> None:
        self._content, self._next = content, 0

    def roll(self, sides: int) -> int:
        """A number below `sides`."""
        self._next += 1
        return self._content[self._next - 1] % sides if self._next <= len(self._content) else 0


@dataclass
class Person:
    """Somebody in a room."""

    info: api.ParticipantInfo
    told: bool

    @property
    def key(self) -> str:
        return self.info.sid


@dataclass
class World:
    """Rooms, people, tracks, a phone and an egress. `hooks` are what the server sends of each step."""

    media: FakeMedia
    recorder: FakeRecorder
    trunk: str
    number: int
    hooks: list[api.WebhookEvent] = field(default_factory=list)
    facts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    rooms: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By sid: what the row is to say."""
    stays: dict[str, dict[str, Any]] = field(default_factory=dict)
    call: str | None = None
    egress: api.EgressInfo | None = None
    reopened: bool = False
    _running: dict[str, api.Room] = field(default_factory=dict)
    _people: dict[str, list[Person]] = field(default_factory=dict)
    _count: int = 0

    def name(self, which: int) -> str:
        """LiveKit's name of one of the rooms."""
        return f"proj_r{which}" if which < 2 else "proj_call_+17755550100_abcdef"

    def step(self, dice: Dice) -> None:
        """Something happens."""
        act = dice.roll(13)
        name = self.name(0 if act in (7, 8, 9) else 2 if act > 10 else dice.roll(4) // 3)
        if name not in self._running:
            self.open(name)
            return
        people = self._people[name]
        here = people[dice.roll(len(people))] if people else None
        match act:
            case 11 | 12 if self.call is None:
                self.join(name, "sip")
            case 3 | 4 if here is not None:
                self.publish(name, here)
            case 5 if here is not None and here.info.tracks:
                self.unpublish(name, here, here.info.tracks[0])
            case 6 | 12 if here is not None:
                self.leave(name, here, "CLIENT_INITIATED")
            case 7 | 8 | 9:
                self.record(name)
            case 10 | 11:
                self.close(name)
            case _:
                self.join(name, ("standard", "standard", "agent", "hidden")[dice.roll(4)])

    def open(self, name: str) -> None:
        """A room begins, perhaps again."""
        self.reopened |= any(row["name"] == name for row in self.rooms.values())
        self._count += 1
        began = BEGAN + self._count
        sid = f"RM_{self.number}_{self._count}"
        room = api.Room(
            name=name, sid=sid, creation_time=began, creation_time_ms=began * 1000 + self._count, empty_timeout=300
        )
        self._running[name], self._people[name] = room, []
        self.rooms[sid] = {"name": name, "status": "open", "started": False}
        self.media.rooms[name], self.media.people[name] = room_of(room), []
        self._fact("room.created", name)
        self._hook("room_started", room=room)

    def close(self, name: str) -> None:
        """A room ends, and everybody goes with it."""
        room = self._running[name]
        for person in list(self._people[name]):
            self.leave(name, person, "ROOM_DELETED")
        del self._running[name], self.media.rooms[name], self.media.people[name]
        self.rooms[room.sid]["status"] = "closed"
        self._fact("room.finished", name)
        self._hook("room_finished", room=room)

    def join(self, name: str, kind: str) -> None:
        """Somebody comes."""
        self._count += 1
        info = api.ParticipantInfo(
            sid=f"PA_{self.number}_{self._count}",
            identity=PHONE if kind == "sip" else f"p{self._count}",
            name=f"P {self._count}",
            state=api.ParticipantInfo.State.ACTIVE,
            joined_at=BEGAN + self._count,
            kind=api.ParticipantInfo.Kind.Value("EGRESS" if kind == "hidden" else kind.upper()),
            permission=api.ParticipantPermission(hidden=kind == "hidden"),
            attributes={"sip.trunkID": self.trunk} if kind == "sip" else {},
        )
        person, room = Person(info, told=kind != "hidden"), self._running[name]
        self._people[name].append(person)
        self.stays[info.sid] = {
            "room": room.sid,
            "who": (info.identity, info.name, "egress" if kind == "hidden" else kind),
            "tracks": set(),
            "past": set(),
            "left": False,
        }
        if person.told:
            if not self.rooms[room.sid]["started"]:
                self._fact("room.started", name)
            self.rooms[room.sid]["started"] = True
            self._fact("participant.joined", name, info.identity)
        if kind == "sip":
            self.call = "ringing"
            self._fact("sip.inbound_call", name)
            self._fact("call.status", name, "ringing")
        self._show(name)
        self._hook("participant_joined", room=room, participant=info)

    def leave(self, name: str, person: Person, cause: str) -> None:
        """Somebody goes, and what they published before them."""
        for track in list(person.info.tracks):
            self.unpublish(name, person, track)
        self._people[name].remove(person)
        self.stays[person.key]["left"] = True
        if person.told:
            reason = "left" if cause == "CLIENT_INITIATED" else "room_closed"
            self._fact("participant.left", name, person.info.identity, reason)
        if person.info.kind == api.ParticipantInfo.Kind.SIP:
            self.call = "no_answer"
            self._fact("call.status", name, "no_answer")
        self._show(name)
        gone = api.ParticipantInfo()
        gone.CopyFrom(person.info)
        gone.state = api.ParticipantInfo.State.DISCONNECTED
        gone.disconnect_reason = api.DisconnectReason.Value(cause)
        self._hook("participant_left", room=self._running[name], participant=gone)

    def publish(self, name: str, person: Person) -> None:
        """Somebody's microphone is on."""
        self._count += 1
        track = api.TrackInfo(sid=f"TR_{self.number}_{self._count}", source=api.TrackSource.MICROPHONE)
        person.info.tracks.append(track)
        self.stays[person.key]["tracks"].add(track.sid)
        self._track("track_published", "track.published", name, person, track)

    def unpublish(self, name: str, person: Person, track: api.TrackInfo) -> None:
        """It is off."""
        kept = [each for each in person.info.tracks if each.sid != track.sid]
        track_was = api.TrackInfo()
        track_was.CopyFrom(track)
        del person.info.tracks[:]
        person.info.tracks.extend(kept)
        self.stays[person.key]["tracks"].discard(track_was.sid)
        self.stays[person.key]["past"].add(track_was.sid)
        self._track("track_unpublished", "track.unpublished", name, person, track_was)

    def record(self, name: str) -> None:
        """The room's egress goes one step further."""
        status = api.EgressStatus
        if self.egress is None:
            self.egress = api.EgressInfo(egress_id=f"EG_{self.number}", room_name=name)
            self.egress.room_composite.file_outputs.add(filepath=f"/out/{FILE}")
            self._fact("egress.started", name)
            self._fact("recording.started", name)
            self._record("egress_started", status.EGRESS_STARTING)
        elif self.egress.status == status.EGRESS_STARTING:
            self.egress.started_at = time.time_ns()
            self._record("egress_updated", status.EGRESS_ACTIVE)
        elif self.egress.status == status.EGRESS_ACTIVE:
            self._fact("recording.stopping", name)
            self._record("egress_updated", status.EGRESS_ENDING)
        elif self.egress.status == status.EGRESS_ENDING:
            self._fact("egress.ended", name, "complete")
            self.egress.file_results.add(filename=f"/out/{FILE}", size=5000, duration=5_000_000_000)
            self.egress.ended_at = time.time_ns()
            self._record("egress_ended", status.EGRESS_COMPLETE)

    def _record(self, hook: str, status: Any) -> None:
        assert self.egress is not None
        self.egress.status = status
        self.recorder.egresses[self.egress.egress_id] = egress_of(self.egress)
        info = api.EgressInfo()
        info.CopyFrom(self.egress)
        self._hook(hook, egress_info=info)

    def _track(self, hook: str, fact: str, name: str, person: Person, track: api.TrackInfo) -> None:
        if person.told:
            self._fact(fact, name, person.info.identity, track.sid)
        self._show(name)
        room = api.Room(name=name, sid=self._running[name].sid)
        who = api.ParticipantInfo(sid=person.info.sid, identity=person.info.identity)
        self._hook(hook, room=room, participant=who, track=track)

    def _show(self, name: str) -> None:
        self.media.people[name] = [participant_of(person.info) for person in self._people[name]]

    def _fact(self, *fact: str) -> None:
        self.facts[fact] += 1

    def _hook(self, event: str, **content: Any) -> None:
        number, at = f"{self.number}_{len(self.hooks)}", int(time.time())
        self.hooks.append(api.WebhookEvent(id=f"EV_{number}", event=event, created_at=at, **content))
