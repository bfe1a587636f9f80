"""The game of a simulation: who plays, what they ask of it, and how it goes from its beginning to its end."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from livekit import api

from agents.contract import Submission
from control_plane.auth.callers import Caller as ApiCaller
from control_plane.db.connections import TimedConnection
from control_plane.db.database import Database
from control_plane.db.leadership import Lock
from control_plane.errors import PlatformError
from control_plane.settings import Settings
from tests.chaos import simulation_invariants as invariants
from tests.chaos.simulation_agenda import Agenda, Dead
from tests.chaos.simulation_callers import Caller, Phone, Talker
from tests.chaos.simulation_duties import Jobs, Receivers
from tests.chaos.simulation_faults import Faults
from tests.chaos.simulation_links import Link
from tests.chaos.simulation_personas import Persona
from tests.chaos.simulation_processes import Open, Process, Serve
from tests.chaos.simulation_workers import Worker, full_disk
from tests.chaos.world import Seat, World
from tests.support.clocks import SteppedClock

CHAOS, CALM, LONGEST = 75.0, 45.0, 3600.0
"""Seconds, of stepped time: how long things go wrong, how long all is well then before anybody looks, and until when
everything must have come to its end."""
PEOPLE_EVERY = 4.0
"""Seconds from one caller to the next."""
CALLEES = "+1775555{:04d}"
HOOK_WITHIN = 30.0
"""Seconds after which LiveKit gives a hook up."""


@dataclass
class Spoken:
    """A line that a persona has told of; `promised`: it was on the worker's disk."""

    text: str
    promised: bool


class Simulation:
    """One game."""

    def __init__(
        self,
        seed: int,
        database: Database,
        caller: ApiCaller,
        line: Any,
        settings: Settings,
        folder: Path,
        connections: tuple[TimedConnection, TimedConnection],
        *,
        began: datetime,
        calm: bool = False,
    ) -> None:
        self.seed, self.database, self.caller, self.line, self.settings = seed, database, caller, line, settings
        self.folder, self.calm = folder, calm
        self.stamping, self.looking = connections
        self.agenda = Agenda(seed, SteppedClock(began))
        self.world = World(self.agenda, self._hook)
        self.world.pick_up = partial(Phone.called, self)
        self.receivers = Receivers(self)
        self.leaders: dict[Lock, tuple[Process, float]] = {}
        self.links: list[Link] = []
        self.talkers: list[Talker] = []
        self.spoken: dict[tuple[int, int, int], Spoken] = {}
        self.parked: list[str] = []
        self.refused: list[str] = []
        self.personas: list[Persona] = []
        self.database_away = self.redis_away = self.disk_full = self.closing = False
        self.answers_lost = self.no_way = 0.0
        self.slower, self.talking = 1.0, True
        self.lost_hooks = self.put_out = 0
        self._names = 0
        self.serves = [Serve(self, self._name("serve")) for _ in range(2)]
        self.jobs = [Jobs(self, self._name("jobs")) for _ in range(2)]
        self.workers = [Worker(self, self._name("worker"), folder / f"w{number}") for number in range(2)]
        self.faults = Faults(self)

    # --- what its parts ask of it ---------------------------------------------------------------------------------

    @property
    def livekit_away(self) -> bool:
        """Whether LiveKit's API is away."""
        return self.world.away

    @livekit_away.setter
    def livekit_away(self, away: bool) -> None:
        self.world.away = away

    @property
    def sip_away(self) -> bool:
        """Whether there is no SIP service."""
        return self.world.sip_away

    @sip_away.setter
    def sip_away(self, away: bool) -> None:
        self.world.sip_away = away

    def open(self) -> Open:
        """For the time of a transaction."""
        return Open(self)

    def pace(self) -> float:
        """How much slower than usually duties are done."""
        return self.slower

    def watching(self) -> float:
        """The same of who watches leases, who must not be slow while there are any."""
        return 1.0 if self.talking else self.slower

    def a_serve(self) -> Serve | None:
        """One that takes requests."""
        alive = [serve for serve in self.serves if serve.alive]
        return self.agenda.dice.choice(alive) if alive else None

    def a_persona(self) -> Persona | None:
        """One that lives."""
        alive = [persona for persona in self.personas if persona.alive and persona.worker.alive and persona.claimed]
        return self.agenda.dice.choice(alive) if alive else None

    def job_id(self) -> str:
        """LiveKit's next."""
        return self._name("AJ")

    def enter(self, persona: Persona) -> Seat | None:
        """A persona comes into its room; None while LiveKit is away."""
        if self.world.away or persona.job is None:
            return None
        hall = self.world.halls.get(persona.room)
        before = hall.seats.get(persona.job.identity) if hall else None
        other = before.guest if before else None
        if isinstance(other, Persona) and other is not persona and other.job is not None:
            newer = (other.job.session_id, other.job.epoch) > (persona.job.session_id, persona.job.epoch)
            if newer and other.alive and not other.ended:
                self.agenda.tell(f"{persona.job_id} has put out {other.job_id}, which is newer")
                self.put_out += 1
        if persona not in self.personas:
            self.personas.append(persona)
        return self.world.join(persona.room, persona.job.identity, "agent", persona)

    def spoke(self, told: Submission, *, promised: bool) -> None:
        """A persona has told of a line."""
        key = told.session_id, told.epoch, told.sequence
        self.spoken[key] = Spoken(told.report["text"], promised)

    def uplinks_fail(self, serve: Serve) -> None:
        """A control plane is dead: its workers notice."""
        for link in self.links:
            if link.serve is serve and link.open:
                link.open = False
                link.worker.lost(link)

    def start_again(self, process: Process) -> None:
        """In the place of one that is dead."""
        if isinstance(process, Serve) and process in self.serves:
            self.serves[self.serves.index(process)] = Serve(self, self._name("serve"))
        elif isinstance(process, Jobs) and process in self.jobs:
            begun = self.jobs[self.jobs.index(process)] = Jobs(self, self._name("jobs"))
            begun.begin()

    def replace(self, worker: Worker) -> None:
        """A worker in the place of one that is dead: its spool is what was left."""
        if worker in self.workers:
            place = self.workers.index(worker)
            self.workers[place] = Worker(self, self._name("worker"), self.folder / f"w{place}")

    # --- the game -------------------------------------------------------------------------------------------------

    async def play(self, *, until: int = 0) -> None:
        """From the beginning to the end, or to a step."""
        agenda = self.agenda
        for jobs in self.jobs:
            jobs.begin()
        agenda.after = self._flush
        agenda.every(1.0, "", self._look_at_links)
        agenda.every(10.0, "", self._age_leases)
        agenda.every(3.0, "", partial(invariants.look, self))
        agenda.at(2.0, "people begin to come", self._people)
        if not self.calm:
            agenda.at(4.0, "", self.faults.begin)
        if not await agenda.run(CHAOS, most=until):
            return
        self._heal()
        end = agenda.now + CALM
        if not await agenda.run(end, most=until):
            return
        while agenda.now < LONGEST:
            waits = await invariants.unsettled(self)
            if not waits:
                break
            self.agenda.tell(f"not over yet: {'; '.join(waits)[:500]}")
            self.talking = any(each.startswith(("conversations", "jobs")) for each in waits)
            self.slower = min(12.0, self.slower * 1.6)
            if not await agenda.run(agenda.now + 20 * self.slower, most=until):
                return

    def _heal(self) -> None:
        """Everything works again; whoever is in a room goes soon."""
        self.agenda.tell("everything is healed")
        self.closing = True
        self.database_away = self.redis_away = self.world.away = self.world.sip_away = False
        self.answers_lost = self.no_way = self.receivers.failing = 0.0
        for process in (*self.serves, *self.jobs):
            process.doom = 0
            process.thaw()
            process.clock.ahead *= 0
            if not process.alive:
                self.start_again(process)
        for worker in list(self.workers):
            worker.disk_full = False
            if not worker.alive:
                self.replace(worker)
            elif worker.frozen:
                worker.thaw()
        for link in self.links:
            link.hole = 0.0

    def _people(self) -> None:
        if self.closing:
            return
        dice = self.agenda.dice
        self.agenda.at(dice.expovariate(1 / PEOPLE_EVERY), "", self._people)
        number = self._name("").strip("-")
        match dice.randrange(5):
            case 0:
                phone = CALLEES.format(int(number))
                self.agenda.at(0, f"{phone} is to be called", lambda: self._dial(phone, 5))
            case 1:
                phone = CALLEES.format(int(number))
                self.agenda.at(0, f"{phone} calls", lambda: Phone.calls(self, phone, self.line))
            case _:
                room = f"{self.caller.slug}_r{dice.randrange(6)}"
                caller = Caller(self, room, f"p{number}", dice.randint(1, 12))
                self.agenda.at(0, f"{caller.identity} asks for a token of {room}", caller.ask)

    async def _dial(self, number: str, tries: int) -> None:
        serve = self.a_serve()
        try:
            if serve is not None:
                await serve.dial(number)
                return
        except (PlatformError, Dead) as error:
            self.refused.append(getattr(error, "message", "dead"))
        if tries and not self.closing and not await self._was_dialled(number):
            self.agenda.at(3.0, f"{number} is to be called again", lambda: self._dial(number, tries - 1))

    async def _was_dialled(self, number: str) -> bool:
        """As an `Idempotency-Key` would tell the customer."""
        row = await (await self.looking.execute("select 1 from call where phone_number = %s", (number,))).fetchone()
        return row is not None

    def _hook(self, hook: api.WebhookEvent) -> None:
        """LiveKit tells of something: soon, late, twice, never."""
        dice = self.agenda.dice
        fate = 1.0 if self.calm or self.closing else dice.random()
        if fate < 0.06:
            self.lost_hooks += 1
            return
        for _ in range(2 if fate < 0.15 else 1):
            delay = dice.uniform(0, 15) if fate < 0.3 else dice.uniform(0.01, 0.5)
            label = f"hook {hook.event} {hook.room.name} {hook.participant.identity}".rstrip()
            self.agenda.at(delay, label, partial(self._deliver, hook, label, self.agenda.now + HOOK_WITHIN, 1.0))

    async def _deliver(self, hook: api.WebhookEvent, label: str, until: float, pause: float) -> None:
        serve = self.a_serve()
        try:
            if serve is not None:
                await serve.hook(hook)
                return
        except (PlatformError, Dead):
            pass
        if self.agenda.now + pause < until:
            self.agenda.at(pause, f"{label} again", partial(self._deliver, hook, label, until, pause * 2))
        else:
            self.lost_hooks += 1

    def _flush(self) -> None:
        for link in self.links:
            link.flush()

    def _look_at_links(self) -> None:
        for link in self.links:
            link.look()
        if len(self.links) > 20:
            self.links = [link for link in self.links if link.open or link.heard]

    async def _age_leases(self) -> None:
        """The leases of the job table are PostgreSQL's: they grow old with the stepped time."""
        aged, self._aged = self.agenda.now - self._aged, self.agenda.now
        with self.open():
            await self.looking.execute(
                "update job set lease_until = lease_until - make_interval(secs => %s) where state = 'running'", (aged,)
            )

    _aged = 0.0

    async def show_hearing(self) -> None:
        """Control planes that live hold a lock, by which others know that workers can be heard."""
        if (hears := any(serve.alive for serve in self.serves)) == self._hears:
            return
        self._hears = hears
        turn = "pg_advisory_lock_shared" if hears else "pg_advisory_unlock_shared"
        with self.open():
            await self.looking.execute(f"select {turn}(%s)", (Lock.HEARING,))

    _hears = False

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}-{self._names}"

    def synced(self, _file: int) -> None:
        """In the place of `os.fdatasync`."""
        if self.disk_full:
            raise full_disk()

    def figures(self) -> dict[str, int]:
        """What has happened, counted."""
        return {
            "people": len(self.talkers),
            "personas": len(self.personas),
            "lines": len(self.spoken),
            "refused": len(self.refused),
            "jobs dropped": self.world.dropped,
            "hooks lost": self.lost_hooks,
            "put out": self.put_out,
            "calls dialled": sum(self.world.dialled.values()),
            "faults": sum(self.faults.seen.values()),
        }
