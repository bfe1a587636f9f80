"""The processes of jobs in a simulation: as `agents.job`, `agents.conversation` and `agents.departure` decide."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents.arrival import COME_WITHIN
from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import EndReason, Exchange, Exchanged, Submission
from agents.departure import REJOIN_WITHIN
from agents.uplink import EXCHANGE_REPEAT
from tests.chaos.world import Hall, Seat

if TYPE_CHECKING:
    from tests.chaos.simulation_workers import Worker

OWN_ACT = ("CLIENT_INITIATED", "PARTICIPANT_REMOVED")
ANSWERS: dict[str, Any] = {"model_ms": 200.0, "speech_ms": 100.0}


class Persona:
    """The process of a job."""

    def __init__(self, worker: "Worker", job_id: str, ticket: DispatchMetadata, hall: Hall) -> None:
        self.worker, self.agenda, self.job_id, self.ticket = worker, worker.agenda, job_id, ticket
        self.room, self.sid = hall.name, hall.info.sid
        self.job: PersonaJob | None = None
        self.seat: Seat | None = None
        self.alive, self.refused = True, False
        self.asks, self.to_end = True, False
        self.claimed = self.started = self.ready = self.ended = False
        self.given_up: EndReason | None = None
        self.stuck_since = 0.0
        self.said = 0
        self._pressing: list[Callable[[], Any]] = []

    def later(self, seconds: float, work: Callable[[], Any], label: str = "") -> None:
        """Do something, unless dead by then or stuck."""

        def do() -> Any:
            if self.stuck_since:
                self._pressing.append(work)
                return None
            return work() if self.alive else None

        self.worker.later(seconds, label, do)

    def ask(self) -> None:
        """`Uplink.exchange`: until there is an answer."""
        if self.job is None and not self.refused and self.asks:
            self.worker.send(
                Exchange(ticket=self.ticket.ticket, job_id=self.job_id, room_name=self.room, room_sid=self.sid)
            )
            self.worker.later(EXCHANGE_REPEAT, "", self.ask)

    def answered(self, answer: Exchanged) -> None:
        """The main process has its answer."""
        if self.job is not None or self.refused:
            return
        self.job, self.refused = answer.job, answer.job is None
        if self.claimed:
            self.later(0.01, self._begin)

    def boot(self) -> None:
        """The process is there and claims its job."""
        if not self.alive:
            return
        self.claimed = True
        if self.job is not None or self.refused or self.job_id not in self.worker.calls:
            self._begin()

    def die(self) -> None:
        """No last words; LiveKit notices after a while."""
        if self.alive:
            self.alive = False
            self.worker.simulation.world.vanish(self.seat)

    def stick(self) -> None:
        """The process stands still."""
        self.stuck_since = self.agenda.now

    def hears(self, text: str) -> None:
        """A caller says something."""
        if not self.started or self.ended:
            return
        self.later(0.2, lambda: self._line("user", text))
        self.later(self.agenda.dice.uniform(0.5, 1.5), lambda: self._answer(f"answer to {text}"))

    # --- Guest ------------------------------------------------------------------------------------------------------

    def somebody_came(self, seat: Seat) -> None:
        """Somebody is there, or has picked up the phone."""
        self.later(0.02, self._look)

    def put_out(self, cause: str) -> None:
        """`Departure._on_disconnected`."""
        if cause == "CONNECTION_TIMEOUT":  # its client begins anew
            self.later(self.agenda.dice.uniform(0.1, 2), self._rejoin)
        elif cause == "DUPLICATE_IDENTITY":
            self.later(0.05, lambda: self.end("displaced", failed=True))
        else:
            self.later(0.05, lambda: self.end("room_closed"))

    def cut_off(self) -> None:
        """Its client begins anew, or gives up."""
        if self.agenda.dice.random() < 0.5:
            self.later(self.agenda.dice.uniform(0.5, 4), self._rejoin)
        else:
            self.later(self.agenda.dice.uniform(0.5, 4), lambda: self.end("room_closed"))

    def somebody_left(self, seat: Seat, cause: str) -> None:
        """`Departure._on_left`."""
        self.later(0.02, lambda: self._missed(seat, cause))

    # --- what it does -----------------------------------------------------------------------------------------------

    def end(self, reason: str, *, failed: bool = False) -> None:
        """Say so, and go."""
        if self.ended or self.job is None or not self.claimed:
            return
        if not self.ready:  # it hears that once it is in its room
            self.to_end = True
            return
        self.ended = True
        if not self.started:  # `Conversation.run`: whoever waits says that it has waited in vain
            reason, failed = "not_answered" if self.job.phone else "nobody_came", False
        self.report({"type": "call.ended.v1", "reason": reason, "failed": failed, "duration_ms": 1})
        self.worker.ended(self)
        if self.seat is not None:
            self.worker.simulation.world.leave(self.seat)
        self.alive = False

    def report(self, body: dict[str, Any]) -> None:
        """Tell something that is kept."""
        assert self.job is not None
        self.said += 1
        told = submission(self.job, self.said, {"at": self.agenda.clock.at.isoformat()} | body)
        kept = self.worker.keep(told)
        if body["type"] == "line.spoken.v1":
            self.worker.simulation.spoke(told, promised=kept)

    def _begin(self) -> None:
        if self.job is None or self.job_id not in self.worker.calls:
            self.alive = False  # refused, or over
            self.worker.later(0.1, "", lambda: self.worker.over(self))
            return
        self.later(self.agenda.dice.uniform(0.05, 0.8), self._enter, f"{self.job_id} enters {self.room}")

    def _enter(self) -> None:
        assert self.job is not None
        self.seat = self.worker.simulation.enter(self)
        if self.seat is None:
            self.later(1.0, self._enter)
            return
        self.ready = True
        if self.job.only_apologises:
            self._apologise()
            return
        if not self.to_end:
            self._look()
        if not self.started:
            self.report({"type": "call.ready.v1"})
            if self.job.phone is None:
                self.later(COME_WITHIN, lambda: None if self.started else self.end("nobody_came"))
        if self.to_end:
            self.end("api")

    def _look(self) -> None:
        """Begin once somebody is there to hear it."""
        if self.started or self.ended or self.seat is None or self.job is None:
            return
        if self.job.phone is None:
            if self.seat.hall.people:
                self._start()
            return
        phone = self.seat.hall.seats.get(self.job.phone)
        if phone is not None and phone.info.attributes["sip.callStatus"] == "active":
            self._start()

    def _start(self) -> None:
        self.started = True
        self.report({"type": "call.started.v1"})
        if self.seat is not None:
            self.worker.simulation.world.publish(self.seat)
        self._line("agent", f"{self.job_id} greets")

    def _apologise(self) -> None:
        """`Apology.run`."""
        if not self.started:
            self.started = True
            self.report({"type": "call.started.v1"})
            self.later(3.0, lambda: self._line("agent", f"{self.job_id} apologises"))
            self.later(3.0, lambda: self.end("worker_lost", failed=True))

    def _line(self, speaker: str, text: str) -> None:
        if not self.ended and self.job is not None:
            identity = self.job.identity if speaker == "agent" else text.partition(" ")[0]
            milliseconds = int((self.agenda.clock.at - self.job.started_at).total_seconds() * 1000)
            line = {"speaker": speaker, "identity": identity, "text": text, "timestamp_ms": max(0, milliseconds)}
            self.report({"type": "line.spoken.v1", **line})

    def _answer(self, text: str) -> None:
        self._line("agent", text)
        if not self.ended:
            self.report({"type": "turn.measured.v1", **ANSWERS})
            used = {"service": "llm", "provider": "openai", "model": "gpt-4o-mini", "input_tokens": 10, "requests": 1}
            self.report({"type": "usage.counted.v1", **used})

    def _rejoin(self) -> None:
        if self.alive and not self.ended:
            self.seat = self.worker.simulation.enter(self)
            if self.seat is None:
                self.end("room_closed")
            else:
                self._alone_soon()

    def _missed(self, seat: Seat, cause: str) -> None:
        if self.ended or self.seat is None or self.job is None:
            return
        if not self.started:
            if seat.info.identity == self.job.phone:
                self.end("not_answered")
        elif seat.info.identity == self.job.phone:
            self.end("api" if cause == "PARTICIPANT_REMOVED" else "caller_left")
        elif seat.kind in ("standard", "sip") and not self.seat.hall.people:
            if cause in OWN_ACT:
                self.end("caller_left")
            else:
                self._alone_soon()

    def _alone_soon(self) -> None:
        self.later(REJOIN_WITHIN, lambda: None if self._has_people() else self.end("caller_left"))

    def _has_people(self) -> bool:
        return self.seat is not None and bool(self.seat.hall.people)


def submission(job: PersonaJob, sequence: int, report: dict[str, Any]) -> Submission:
    """A report with its key."""
    return Submission(
        session_id=job.session_id, epoch=job.epoch, sequence=sequence, capability=job.capability, report=report
    )
