"""What goes wrong in a simulation, and for how long."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation

MEAN = 4.0
"""Seconds from one fault to the next."""
POINTS = 14
"""Things that a process which is to die still does, at most."""


class Faults:
    """Draws them."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation, self.agenda = simulation, simulation.agenda
        self.weights: dict[Callable[[], Any], int] = {
            self.kill_serve: 3,
            self.kill_jobs: 3,
            self.freeze_process: 2,
            self.kill_worker: 2,
            self.freeze_worker: 2,
            self.kill_persona: 3,
            self.stick_persona: 2,
            self.reset_link: 2,
            self.swallow: 2,
            self.restart_livekit: 1,
            self.livekit_away: 2,
            self.sip_away: 1,
            self.database_away: 2,
            self.lose_answers: 2,
            self.redis_away: 2,
            self.receivers_fail: 2,
            self.set_clock: 2,
            self.fill_disk: 2,
        }
        self.seen: dict[str, int] = {}

    def begin(self) -> None:
        """One after the other, until the simulation closes."""
        self.agenda.at(self.agenda.dice.expovariate(1 / MEAN), "", self._next)

    def _next(self) -> None:
        if self.simulation.closing:
            return
        kinds = list(self.weights)
        (fault,) = self.agenda.dice.choices(kinds, [self.weights[kind] for kind in kinds])
        name = fault.__name__.replace("_", " ")
        self.seen[name] = self.seen.get(name, 0) + 1
        self.agenda.at(0, f"FAULT: {name}", fault)
        self.begin()

    def _for(self, shortest: float, longest: float, name: str, value: Any, healed: Any) -> None:
        setattr(self.simulation, name, value)
        self.agenda.at(
            self.agenda.dice.uniform(shortest, longest),
            f"healed: {name}",
            lambda: setattr(self.simulation, name, healed),
        )

    def kill_serve(self) -> None:
        """A control plane dies, at one of the next things that it does, and is started again."""
        self._doom(self.agenda.dice.choice(self.simulation.serves))

    def kill_jobs(self) -> None:
        """The same of a background process."""
        self._doom(self.agenda.dice.choice(self.simulation.jobs))

    def _doom(self, process: Any) -> None:
        process.doom = process.doom or self.agenda.dice.randint(1, POINTS)
        self.agenda.at(self.agenda.dice.uniform(2, 10), "", partial(self._again, process))

    def _again(self, process: Any) -> None:
        if not self.simulation.closing:
            process.kill()
            self.simulation.start_again(process)

    def freeze_process(self) -> None:
        """One of either kind stands still."""
        process = self.agenda.dice.choice([*self.simulation.serves, *self.simulation.jobs])
        process.freeze(self.agenda.dice.uniform(2, 25))

    def kill_worker(self) -> None:
        """A worker dies with its jobs; another begins in its place, with its spool."""
        worker = self.agenda.dice.choice(self.simulation.workers)
        worker.kill()
        self.agenda.at(
            self.agenda.dice.uniform(1, 15), f"{worker.worker_id} begins anew", lambda: self.simulation.replace(worker)
        )

    def freeze_worker(self) -> None:
        """A worker's host stands still."""
        self.agenda.dice.choice(self.simulation.workers).freeze(self.agenda.dice.uniform(2, 30))

    def kill_persona(self) -> None:
        """The process of a job dies."""
        persona = self.simulation.a_persona()
        if persona is not None:
            persona.die()
            persona.worker.later(0.1, f"{persona.job_id} is buried", lambda: persona.worker.bury(persona))

    def stick_persona(self) -> None:
        """The process of a job stands still, its worker does not."""
        persona = self.simulation.a_persona()
        if persona is not None:
            persona.stick()

    def reset_link(self) -> None:
        """An uplink breaks."""
        links = [link for link in self.simulation.links if link.open]
        if links:
            self.agenda.dice.choice(links).reset()

    def swallow(self) -> None:
        """A network between workers and control plane takes everything and hands nothing on."""
        seconds = self.agenda.dice.uniform(1, 25)
        self.simulation.no_way = self.agenda.now + seconds
        for link in self.simulation.links:
            link.hole = self.agenda.now + seconds

    def restart_livekit(self) -> None:
        """It forgets everything; workers come back to it."""
        self.simulation.world.restart()
        self._for(0.5, 3, "livekit_away", True, False)
        for worker in self.simulation.workers:
            worker.later(self.agenda.dice.uniform(3, 6), f"{worker.worker_id} registers again", worker.register)

    def livekit_away(self) -> None:
        """Its API does not answer."""
        self._for(1, 12, "livekit_away", True, False)

    def sip_away(self) -> None:
        """No SIP service is connected."""
        self._for(1, 15, "sip_away", True, False)

    def database_away(self) -> None:
        """PostgreSQL is stopped."""
        self._for(1, 15, "database_away", True, False)

    def lose_answers(self) -> None:
        """Connections break after commits: nobody knows whether they were done."""
        self._for(1, 8, "answers_lost", 0.2, 0.0)

    def redis_away(self) -> None:
        """Commands to other processes are lost."""
        self._for(2, 20, "redis_away", True, False)

    def receivers_fail(self) -> None:
        """Customers' servers answer 500, break off, or not at all."""
        receivers = self.simulation.receivers
        receivers.failing = 0.8
        self.agenda.at(self.agenda.dice.uniform(3, 30), "receivers work", lambda: setattr(receivers, "failing", 0.0))

    def set_clock(self) -> None:
        """Somebody sets the clock of a process by ten minutes."""
        process = self.agenda.dice.choice([*self.simulation.serves, *self.simulation.jobs])
        process.clock.ahead = timedelta(minutes=self.agenda.dice.choice((-10, 10)))
        self.agenda.at(
            self.agenda.dice.uniform(3, 30),
            f"the clock of {process.name} is right",
            lambda: setattr(process.clock, "ahead", timedelta()),
        )

    def fill_disk(self) -> None:
        """A worker's disk takes nothing more."""
        worker = self.agenda.dice.choice(self.simulation.workers)
        worker.disk_full = True
        self.agenda.at(
            self.agenda.dice.uniform(2, 20), "there is room on the disk", lambda: setattr(worker, "disk_full", False)
        )
