"""Workers in a simulation: as `agents.worker` and `agents.uplink` decide, with the real spool.

The process of a job and the wire are played; what is said is kept, sent, sent again and parked as it really is.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import (
    AnyFromWorker,
    AnyToWorker,
    Command,
    EndReason,
    Exchanged,
    Heartbeat,
    Submission,
    Verdict,
    Welcome,
)
from agents.ended import Untold, last_reports
from agents.spool import Spool
from agents.timing import SILENCE as STUCK
from agents.uplink import HEARTBEAT
from agents.worker import STARTED_WITHIN
from tests.chaos.simulation_links import CAPACITY, Link
from tests.chaos.simulation_personas import Persona
from tests.chaos.world import UNHEARD, Hall

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation


class Worker:
    """The main process of a worker, from its start to its end."""

    def __init__(self, simulation: "Simulation", worker_id: str, folder: Path) -> None:
        self.simulation, self.agenda, self.worker_id = simulation, simulation.agenda, worker_id
        self.spool, self.link = Spool(folder), None
        self.link: Link | None
        self.calls: dict[str, Persona] = {}
        self.calls_said: list[str] = []
        self._untold = Untold(self.spool)
        self.alive, self.frozen, self.disk_full = True, False, False
        self._waits: list[tuple[str, Callable[[], Any]]] = []
        self._waited: set[tuple[int, int, int]] = set()
        self.later(self.agenda.dice.uniform(0.2, 3), f"{worker_id} registers", self.register)
        self.agenda.every(HEARTBEAT, "", self._beat, going=lambda: self.alive)
        self.agenda.every(1.0, "", self._look, going=lambda: self.alive)

    def later(self, seconds: float, label: str, work: Callable[[], Any]) -> None:
        """Do something, unless dead by then, and not while this process stands still."""

        def do() -> Any:
            if self.frozen:
                self._waits.append((label, work))
                return None
            return work() if self.alive else None

        self.agenda.at(seconds, label, do)

    def register(self) -> None:
        """With LiveKit; then the control plane hears of it."""
        if self not in self.simulation.world.workers:
            self.simulation.world.workers.append(self)
        if self.link is None:
            self._connect()

    def kill(self) -> None:
        """With all its jobs."""
        if not self.alive:
            return
        self.alive = False
        if self in self.simulation.world.workers:
            self.simulation.world.workers.remove(self)
        for persona in list(self.calls.values()):
            persona.die()
        if self.link is not None:
            self.link.worker_closed()
        self.spool.close()

    def freeze(self, seconds: float) -> None:
        """Stand still for so long, with all jobs: the whole host."""
        self.frozen = True
        self.agenda.at(seconds, "", lambda: self._die_of(seconds))
        self.agenda.at(seconds, f"{self.worker_id} goes on", self.thaw)
        self.agenda.at(self.agenda.dice.uniform(*UNHEARD), "", self._unheard)

    def _unheard(self) -> None:
        """LiveKit has not heard of it for a while."""
        for persona in self.calls.values() if self.frozen else ():
            if persona.seat is not None:
                self.simulation.world.leave(persona.seat, "CONNECTION_TIMEOUT")

    def thaw(self) -> None:
        """Go on."""
        self.frozen = False
        waits, self._waits = self._waits, []
        for number, (label, work) in enumerate(waits):  # in their order
            self.later(0.002 * number, label, work)

    def _die_of(self, seconds: float) -> None:
        """`timing.end_if_dead`, of each job that has its process."""
        for persona in list(self.calls.values()) if seconds > STUCK else ():
            if persona.claimed and persona.alive:
                self._end_process(persona, "stood still")

    def lost(self, link: Link) -> None:
        """The uplink is gone."""
        if self.link is link:
            self.link = None
            self.later(self.agenda.dice.choice((0.1, 0.2, 0.5, 1, 2)), "", self._connect)

    def offer(self, hall: Hall, metadata: str) -> bool:
        """`Worker._on_request`."""
        if not self.alive or self.frozen or len(self.calls) >= CAPACITY:
            return False
        ticket = DispatchMetadata.model_validate_json(metadata)
        persona = Persona(self, self.simulation.job_id(), ticket, hall)
        self.calls[persona.job_id] = persona
        persona.ask()
        self.later(STARTED_WITHIN, "", lambda: self._watch_start(persona))
        boots = self.agenda.dice.choice((0.3, 0.5, 0.8, 1.5, 3.0, 11.0))
        self.later(boots, f"{persona.job_id} has booted", persona.boot)
        return True

    def send(self, message: AnyFromWorker) -> None:
        """Up, where the uplink stands."""
        if self.link is not None:
            self.link.say(message)

    def keep(self, submission: Submission) -> bool:
        """On disk, and on its way."""
        self.simulation.disk_full = self.disk_full
        kept = self.spool.keep(submission)
        self.simulation.disk_full = False
        self.send(submission)
        return kept

    def hear(self, message: AnyToWorker) -> None:
        """`Uplink._hear`."""
        match message:
            case Welcome():
                for submission in self.spool.waiting():
                    self.send(submission)
            case Exchanged():
                if message.job_id in self.calls:
                    self.calls[message.job_id].answered(message)
            case Verdict(refused=None):
                self.spool.acknowledge(message.session_id, message.epoch, message.sequence)
            case Verdict():
                self.simulation.parked.append(
                    f"{message.session_id}/{message.epoch}/{message.sequence}: {message.refused}"
                )
                self.spool.park(message.session_id, message.epoch, message.sequence, message.refused or "")
            case Command():
                if message.job_id in self.calls and message.action == "end":
                    self.calls[message.job_id].later(0.1, lambda: self._end(message))

    def ended(self, persona: "Persona") -> None:
        """Of `Worker._on_report` what it does at a call's end."""
        if persona.job is not None:
            self._untold.add(persona.job_id, persona.job.session_id, persona.job.epoch)
        self.over(persona)

    def held(self) -> list[str]:
        """`Worker._held`."""
        return [*self.calls, *self._untold.job_ids()]

    def over(self, persona: "Persona") -> None:
        """`Worker._over`."""
        self.calls.pop(persona.job_id, None)

    def bury(self, persona: "Persona") -> None:
        """`Worker._bury`: a job's process is no more, and has not said so."""
        persona.asks = False
        if persona.job_id not in self.calls:
            return
        self.over(persona)
        if persona.job is not None:
            self._fail(persona.job, persona.given_up or "worker_lost")

    def _end_process(self, persona: "Persona", why: str) -> None:
        persona.die()
        self.later(0.1, f"{persona.job_id} {why}", lambda: self.bury(persona))

    def _end(self, command: Command) -> None:
        if command.job_id in self.calls:
            self.calls[command.job_id].end(command.reason)

    def _watch_start(self, persona: "Persona") -> None:
        if persona.said or persona.job_id not in self.calls:
            return
        if persona.claimed:
            persona.given_up = "not_started"
            self._end_process(persona, "is given up")
            return
        if persona.job is not None:
            self._fail(persona.job, "not_started")
        persona.asks = False
        self.over(persona)

    def _fail(self, job: PersonaJob, reason: EndReason) -> None:
        for told in last_reports(job, self.spool, reason, self.agenda.clock.at):
            self.keep(told)

    def _connect(self) -> None:
        if not self.alive or self.link is not None:
            return
        serves = [serve for serve in self.simulation.serves if serve.alive and not serve.frozen]
        if not serves or self.agenda.now < self.simulation.no_way:
            self.later(self.agenda.dice.choice((0.2, 0.5, 1, 2)), "", self._connect)
            return
        self.link = Link(self, self.agenda.dice.choice(serves))
        self.simulation.links.append(self.link)
        self.calls_said = self.held()
        self.link.say(None)

    def _beat(self) -> None:
        if self.frozen or self.link is None or not self.alive:
            return
        if not self.simulation.talking and not self.calls and self.agenda.dice.random() < 0.8:
            self.link.last_heard = self.agenda.now  # all is quiet, and a beat is a transaction
            return
        self.link.say(Heartbeat(calls=self.held()))
        waiting = {(each.session_id, each.epoch, each.sequence): each for each in self.spool.waiting()}
        for key in sorted(self._waited & waiting.keys()):
            self.link.say(waiting[key])
        self._waited = set(waiting)

    def _look(self) -> None:
        if self.frozen:
            return
        for persona in list(self.calls.values()):
            if persona.stuck_since and self.agenda.now - persona.stuck_since > STUCK and persona.alive:
                persona.given_up = "worker_lost"
                self._end_process(persona, "is stuck")


def full_disk() -> OSError:
    """What a disk says that takes nothing more."""
    return OSError(errno.ENOSPC, "No space left on device")
