"""Those who call and are called: on a page, by telephone. They come, say their lines to whoever hears them, and go."""

import asyncio
from typing import TYPE_CHECKING, Any

import jwt

from control_plane.errors import PlatformError
from sip.dialer import OutgoingCall
from sip.outcomes import ANSWERED, Outcome, of_status
from tests.chaos.simulation_agenda import Dead
from tests.chaos.world import BUSY, ENDINGS, Seat

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation

PATIENCE = 45.0
"""Seconds for which somebody waits to be heard before they hang up."""


class Talker:
    """Somebody in a room who says lines while there is a persona, and leaves after the last one."""

    def __init__(self, simulation: "Simulation", room: str, identity: str, lines: int) -> None:
        self.simulation, self.agenda, self.world = simulation, simulation.agenda, simulation.world
        self.room, self.identity, self.lines = room, identity, lines
        self.said = 0
        self.heard_at = self.agenda.now
        self.seat: Seat | None = None
        self.gone = False
        simulation.talkers.append(self)

    def sit(self, kind: str, agents: tuple[str, ...] = (), **attributes: str) -> Seat:
        """Enter the room."""
        self.seat = self.world.join(self.room, self.identity, kind, self, agents=agents, **attributes)
        self.heard_at = self.agenda.now
        return self.seat

    def talk(self) -> None:
        """The next line, and so on."""
        if self.gone or self.seat is None:
            return
        if self.seat.here:
            heard = [persona for persona in self.world.persona_in(self.room) if persona.started and persona.alive]
            for persona in heard:
                if self.said < self.lines:
                    self.said += 1
                    self.heard_at = self.agenda.now
                    persona.hears(f"{self.identity} {self.said}")
        if self.said >= self.lines or self.agenda.now - self.heard_at > PATIENCE or self.simulation.closing:
            self.agenda.soon(f"{self.identity} leaves {self.room}", self.leave, within=3)
            return
        self.agenda.at(self.agenda.dice.uniform(1, 6), "", self.talk)

    def leave(self) -> None:
        """By their own act, by a cut network, or never mind which."""
        if self.gone:
            return
        self.gone = True
        if self.seat is None or not self.seat.here:
            return
        if self.agenda.dice.random() < 0.2:
            self.world.vanish(self.seat)
        else:
            self.world.leave(self.seat)

    def somebody_came(self, seat: Seat) -> None:
        """As `Guest`."""

    def somebody_left(self, seat: Seat, cause: str) -> None:
        """As `Guest`."""

    def put_out(self, cause: str) -> None:
        """As `Guest`."""
        self.gone = True

    def cut_off(self) -> None:
        """As `Guest`."""
        self.gone = True


class Caller(Talker):
    """Somebody on a page."""

    agents: tuple[str, ...] = ()

    async def ask(self, tries: int = 6) -> None:
        """Get a token; then come, or think better of it."""
        serve = self.simulation.a_serve()
        try:
            if serve is None:
                raise Dead
            answer = await serve.token(self.room.partition("_")[2], self.identity)
        except (PlatformError, Dead) as error:
            if tries and not self.simulation.closing:
                self.simulation.refused.append(getattr(error, "message", "dead"))
                self.agenda.at(
                    self.agenda.dice.uniform(1, 5), f"{self.identity} asks again", lambda: self.ask(tries - 1)
                )
            else:
                self.gone = True
            return
        claims = jwt.decode(answer.token, options={"verify_signature": False})
        agents = (claims.get("roomConfig") or {}).get("agents", [])
        self.agents = tuple(agent["metadata"] for agent in agents)
        if self.agenda.dice.random() < 0.08:
            self.gone = True
            return
        self.agenda.at(self.agenda.dice.uniform(0.1, 3), f"{self.identity} comes to {self.room}", self.come)

    def come(self) -> None:
        """Into the room."""
        seat = self.sit("standard", self.agents)
        self.world.publish(seat)
        self.agenda.at(self.agenda.dice.uniform(0.5, 2), "", self.talk)
        if self.agenda.dice.random() < 0.15:
            self.agenda.at(self.agenda.dice.uniform(5, 40), f"the customer ends {self.room}", self._end)

    def put_out(self, cause: str) -> None:
        """Another client of theirs, the end of the room, or a lost connection, which is made anew."""
        if cause == "CONNECTION_TIMEOUT" and not self.gone and self.agenda.dice.random() < 0.5:
            self.agenda.soon(f"{self.identity} is back", self._back, within=5)
        else:
            self.gone = True

    def cut_off(self) -> None:
        """Most come again, with the token they have."""
        if not self.gone and self.agenda.dice.random() < 0.7:
            self.agenda.soon(f"{self.identity} is back", self._back, within=6)
        else:
            self.gone = True

    def _back(self) -> None:
        if not self.gone:
            self.sit("standard", self.agents)

    async def _end(self) -> None:
        serve = self.simulation.a_serve()
        if serve is not None:
            try:
                await serve.end(self.room.partition("_")[2])
            except PlatformError as error:
                self.agenda.tell(f"{self.room} was not ended: {error.message}")


class Phone(Talker):
    """A telephone that is called, or calls."""

    def __init__(self, simulation: "Simulation", room: str, identity: str, lines: int) -> None:
        super().__init__(simulation, room, identity, lines)
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @classmethod
    def called(cls, simulation: "Simulation", call: OutgoingCall) -> "Phone":
        """It rings, is answered or not, and so on."""
        phone = cls(simulation, call.room, call.identity, simulation.agenda.dice.randint(1, 6))
        phone.sit("sip", sip_callStatus="ringing", sip_trunkID=call.trunk_id)
        ending = simulation.agenda.dice.choice(ENDINGS)
        rings = 45.0 if ending.sip_status == 408 else simulation.agenda.dice.uniform(0.5, 12)
        phone.agenda.at(rings, f"{call.identity} is {ending.status}", lambda: phone.answer(ending))
        return phone

    @classmethod
    def calls(cls, simulation: "Simulation", number: str, line: Any) -> None:
        """Somebody calls our number: LiveKit's rule makes the room and dispatches its agent."""
        identity = f"sip_{number}"
        room = f"{simulation.caller.slug}_call_{number}_{simulation.agenda.dice.randrange(10**6):06d}"
        phone = cls(simulation, room, identity, simulation.agenda.dice.randint(1, 6))
        phone.sit("sip", (line.model_dump_json(),), sip_callStatus="ringing", sip_trunkID="ST_in")
        phone.agenda.at(simulation.agenda.dice.uniform(25, 40), "", phone.give_up)

    def answer(self, ending: Outcome) -> None:
        """What the call comes to."""
        if self.outcome.done() or self.seat is None or not self.seat.here:
            self._settle(of_status(487, "Request Terminated"))
            return
        if ending is not ANSWERED:
            self.gone = True
            self.world.leave(self.seat, "USER_REJECTED" if ending is BUSY else "USER_UNAVAILABLE")
            self._settle(ending)
            return
        self._picked_up()
        self._settle(ending)

    def give_up(self) -> None:
        """Nobody has answered them."""
        if self.seat is not None and self.seat.info.attributes["sip.callStatus"] == "ringing":
            self.leave()

    def somebody_came(self, seat: Seat) -> None:
        """A call to us is answered when an agent is there."""
        if self.seat is None or seat.kind != "agent" or self.seat.info.attributes["sip.trunkID"] != "ST_in":
            return
        if self.seat.info.attributes["sip.callStatus"] == "ringing":
            self._picked_up()

    def put_out(self, cause: str) -> None:
        super().put_out(cause)
        self._settle(of_status(487, "Request Terminated"))

    def cut_off(self) -> None:
        super().cut_off()
        self._settle(Outcome("failed", None, "the line failed"))

    def _picked_up(self) -> None:
        assert self.seat is not None
        self.seat.info.attributes["sip.callStatus"] = "active"
        self.world.show(self.seat)
        self.heard_at = self.agenda.now
        self.talk()

    def _settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)
