"""What is outside of the platform, in stepped time: a LiveKit with its rooms, dispatches and hooks, and its phones.

It does as livekit-server 1.13 does: whoever comes first makes the room, with the agents of their token; one identity is
in a room once, the later one stays; a job that no worker takes is dropped; a room without people goes after a while; a
restart forgets everything and tells nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from livekit import api

from control_plane.errors import NotFound, Unavailable
from control_plane.media.server import LiveParticipant, LiveRoom, ParticipantChange, participant_of, room_of
from sip.dialer import OutgoingCall, SipAwayError
from sip.outcomes import ANSWERED, Outcome, of_status
from tests.chaos.simulation_agenda import Agenda

EMPTY, DEPARTED = 300.0, 20.0
"""Seconds after which a room goes that nobody has come to, and one that the last person has left."""
UNHEARD = (15.0, 20.0)
"""Seconds after which whoever says nothing any more has left."""
DEPENDENT = ("agent", "egress")
"""Kinds that keep no room open."""


class Guest(Protocol):
    """Somebody in a room, as LiveKit tells them of it."""

    def put_out(self, cause: str) -> None:
        """They are in the room no longer: LiveKit says why."""

    def somebody_came(self, seat: "Seat") -> None:
        """Somebody else is there, or has picked up."""

    def somebody_left(self, seat: "Seat", cause: str) -> None:
        """Somebody else is gone."""

    def cut_off(self) -> None:
        """LiveKit began anew, and knows nothing of the room."""


class Taker(Protocol):
    """A worker, as LiveKit knows it."""

    def offer(self, room: "Hall", metadata: str) -> bool:
        """Take a job, or not."""


@dataclass(eq=False)
class Seat:
    """Somebody's stay in a room."""

    hall: "Hall"
    info: api.ParticipantInfo
    guest: Guest
    here: bool = True

    @property
    def kind(self) -> str:
        """As LiveKit has it: standard, sip, agent."""
        return api.ParticipantInfo.Kind.Name(self.info.kind).lower()


@dataclass(eq=False)
class Hall:
    """A room that runs."""

    info: api.Room
    seats: dict[str, Seat] = field(default_factory=dict)
    runs: bool = True
    left: float = 0.0
    """When its last person left, or it was made."""

    @property
    def name(self) -> str:
        """LiveKit's name."""
        return self.info.name

    @property
    def people(self) -> list[Seat]:
        """Those who keep it open."""
        return [seat for seat in self.seats.values() if seat.kind not in DEPENDENT]


class World:
    """LiveKit and the telephone network. What it is asked as `MediaServer` and `Dialer` comes through a process."""

    def __init__(self, agenda: Agenda, tell: Callable[[api.WebhookEvent], None]) -> None:
        self.agenda, self._tell = agenda, tell
        self.halls: dict[str, Hall] = {}
        self.workers: list[Taker] = []
        """Those that are registered."""
        self.lines: dict[tuple[str, str], Any] = {}
        """Phones by room and identity."""
        self.dialled: Counter[str] = Counter()
        """How often each phone was called for each room."""
        self.dropped = 0
        self.away = self.sip_away = False
        self.pick_up: Callable[[OutgoingCall], Any] | None = None
        """Makes the phone that is called."""
        self._count = 0

    # --- what people and personas do ------------------------------------------------------------------------------

    def join(
        self, name: str, identity: str, kind: str, guest: Guest, *, agents: Sequence[str] = (), **attributes: str
    ) -> Seat:
        """Somebody comes; a room that is not there is made for them, with these agents."""
        hall = self.halls.get(name) or self.open(name, agents=agents)
        before = hall.seats.get(identity)
        if before is not None:
            self.leave(before, "DUPLICATE_IDENTITY")
        info = api.ParticipantInfo(
            sid=self._id("PA"),
            identity=identity,
            name=identity,
            state=api.ParticipantInfo.State.ACTIVE,
            joined_at=self._second,
            kind=api.ParticipantInfo.Kind.Value(kind.upper()),
            attributes={name.replace("_", "."): value for name, value in attributes.items()},
        )
        seat = hall.seats[identity] = Seat(hall, info, guest)
        self._hook("participant_joined", room=hall.info, participant=info)
        self.show(seat)
        return seat

    def show(self, seat: Seat) -> None:
        """The others see somebody, and how far their call has come."""
        for other in list(seat.hall.seats.values()):
            if other is not seat:
                self.agenda.soon("", lambda other=other: other.guest.somebody_came(seat), within=0.1)  # type: ignore[misc]

    def publish(self, seat: Seat) -> None:
        """Somebody's microphone is on."""
        if seat.here:
            track = api.TrackInfo(sid=self._id("TR"), source=api.TrackSource.MICROPHONE)
            seat.info.tracks.append(track)
            who = api.ParticipantInfo(sid=seat.info.sid, identity=seat.info.identity)
            room = api.Room(name=seat.hall.name, sid=seat.hall.info.sid)
            self._hook("track_published", room=room, participant=who, track=track)

    def leave(self, seat: Seat, cause: str = "CLIENT_INITIATED") -> None:
        """Somebody is gone; nobody who is gone leaves."""
        hall = seat.hall
        if not seat.here:
            return
        seat.here = False
        del hall.seats[seat.info.identity]
        gone = api.ParticipantInfo()
        gone.CopyFrom(seat.info)
        gone.state = api.ParticipantInfo.State.DISCONNECTED
        gone.disconnect_reason = api.DisconnectReason.Value(cause)
        self._hook("participant_left", room=hall.info, participant=gone)
        if cause != "CLIENT_INITIATED":
            self.agenda.soon(f"{seat.info.identity} hears {cause}", lambda: seat.guest.put_out(cause))
        for other in list(hall.seats.values()):
            self.agenda.soon("", lambda other=other: other.guest.somebody_left(seat, cause))  # type: ignore[misc]
        if seat.kind not in DEPENDENT and not hall.people:
            self._closes_after(hall, DEPARTED)

    def vanish(self, seat: Seat | None) -> None:
        """Somebody says nothing any more: after a while that is taken for an end."""
        if seat is not None:
            self.agenda.at(
                self.agenda.dice.uniform(*UNHEARD),
                f"{seat.info.identity} is not heard any more",
                lambda: self.leave(seat, "CONNECTION_TIMEOUT"),
            )

    def open(self, name: str, *, agents: Sequence[str] = ()) -> Hall:
        """A room begins."""
        milliseconds = int(self.agenda.clock.at.timestamp() * 1000)
        info = api.Room(
            name=name,
            sid=self._id("RM"),
            creation_time=milliseconds // 1000,
            creation_time_ms=milliseconds,
            empty_timeout=int(EMPTY),
        )
        hall = self.halls[name] = Hall(info)
        self._hook("room_started", room=info)
        self._closes_after(hall, EMPTY)
        for metadata in agents:
            self.agenda.soon(f"a job for {name} is offered", lambda metadata=metadata: self._offer(hall, metadata))  # type: ignore[misc]
        return hall

    def close(self, hall: Hall, cause: str = "ROOM_DELETED") -> None:
        """A room ends, and with it everybody's stay."""
        if not hall.runs:
            return
        hall.runs = False
        for seat in list(hall.seats.values()):
            self.leave(seat, cause)
        del self.halls[hall.name]
        self._hook("room_finished", room=hall.info)

    def restart(self) -> None:
        """Everything is forgotten; nobody is told."""
        halls, self.halls = list(self.halls.values()), {}
        self.workers.clear()
        for hall in halls:
            hall.runs = False
            for seat in hall.seats.values():
                seat.here = False
                self.agenda.soon("", seat.guest.cut_off, within=3)

    def persona_in(self, name: str) -> list[Any]:
        """The guests of a room that are agents."""
        hall = self.halls.get(name)
        return [seat.guest for seat in hall.seats.values() if seat.kind == "agent"] if hall else []

    # --- what the platform asks: MediaServer ----------------------------------------------------------------------

    async def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom:
        """As `MediaServer`."""
        self._demand()
        return room_of((self.halls.get(name) or self.open(name)).info)

    async def close_room(self, name: str) -> None:
        """As `MediaServer`."""
        self._demand()
        if name in self.halls:
            self.close(self.halls[name])

    async def list_rooms(self) -> list[LiveRoom]:
        """As `MediaServer`."""
        self._demand()
        for hall in self.halls.values():
            hall.info.num_participants = len(hall.people)
        return [room_of(hall.info) for hall in self.halls.values()]

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        """As `MediaServer`."""
        self._demand()
        hall = self.halls.get(room)
        return [participant_of(seat.info) for seat in hall.seats.values()] if hall else []

    async def find_participant(self, room: str, identity: str) -> LiveParticipant:
        """As `MediaServer`."""
        self._demand()
        return participant_of(self._seat(room, identity).info)

    async def remove_participant(self, room: str, identity: str) -> None:
        """As `MediaServer`."""
        self._demand()
        self.leave(self._seat(room, identity), "PARTICIPANT_REMOVED")

    async def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        """As `MediaServer`."""
        return await self.find_participant(room, identity)

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> None:
        """As `MediaServer`."""
        self._demand()

    async def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        """As `MediaServer`."""
        self._demand()

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        """As `MediaServer`; a room that is not there is made."""
        self._demand()
        hall = self.halls.get(room) or self.open(room)
        self.agenda.soon(f"a job for {room} is offered", lambda: self._offer(hall, metadata))

    async def has_dispatch(self, room: str, *, agent_name: str) -> bool:
        """As `MediaServer`."""
        self._demand()
        return room in self.halls

    # --- Dialer -----------------------------------------------------------------------------------------------------

    async def call(self, call: OutgoingCall) -> Outcome:
        """As `Dialer`."""
        if self.sip_away or self.away:
            raise SipAwayError("no SIP service answers")
        assert self.pick_up is not None
        self.dialled[f"{call.room} {call.identity}"] += 1
        phone = self.pick_up(call)
        outcome: Outcome = await phone.outcome
        return outcome

    async def hang_up(self, room: str, identity: str) -> None:
        """As `Dialer`."""
        if self.sip_away or self.away:
            raise SipAwayError("no SIP service answers")
        hall = self.halls.get(room)
        if hall is not None and identity in hall.seats:
            self.leave(hall.seats[identity], "PARTICIPANT_REMOVED")

    def _offer(self, hall: Hall, metadata: str) -> None:
        """To one worker after the other; a job that nobody takes is gone."""
        workers = list(self.workers)
        self.agenda.dice.shuffle(workers)
        if not hall.runs or not any(worker.offer(hall, metadata) for worker in workers):
            self.dropped += 1

    def _closes_after(self, hall: Hall, seconds: float) -> None:
        hall.left = self.agenda.now

        def close() -> None:
            if hall.runs and not hall.people and self.agenda.now - hall.left > seconds - 0.1:
                self.close(hall, "ROOM_CLOSED")

        self.agenda.at(seconds, f"{hall.name} may be empty", close)

    def _demand(self) -> None:
        if self.away:
            raise Unavailable("LiveKit cannot be reached; try again")

    def _seat(self, room: str, identity: str) -> Seat:
        hall = self.halls.get(room)
        if hall is None or identity not in hall.seats:
            raise NotFound("LiveKit knows no such room or participant")
        return hall.seats[identity]

    @property
    def _second(self) -> int:
        return int(self.agenda.clock.at.timestamp())

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    def _hook(self, event: str, **content: Any) -> None:
        self._tell(api.WebhookEvent(id=self._id("EV"), event=event, created_at=self._second, **content))


BUSY, SILENT = of_status(486, "Busy Here"), of_status(408, "Request Timeout")
ENDINGS = (ANSWERED, ANSWERED, ANSWERED, BUSY, SILENT)
"""What calls come to, as often as that."""
