"""Everything outside of the process that is killed: it lives on, counts, and tries again what had no answer.

One `World` for each scenario; a kill begins with a copy of it. `tests.crash.invariants` compares it with the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from agents.attendance import BotJob
from agents.calling import PersonaJob
from tests.crash.clock import SharedClock
from tests.crash.livekit import Media, Offer, Phones, Tapes


@dataclass
class Held:
    """A job that a worker or a host of bots holds, and what it has reported."""

    id: str
    job: PersonaJob | BotJob
    room: str
    sequence: int = 0
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Reports that have no verdict yet, as a spool has them."""
    refused: list[str] = field(default_factory=list)


@dataclass
class Worker:
    """A worker: its jobs go on, whoever else is killed."""

    holds: dict[str, Held] = field(default_factory=dict)
    over: dict[str, Held] = field(default_factory=dict)

    def hold(self, job_id: str, job: PersonaJob | BotJob, room: str) -> bool:
        """A job has come; whether for the first time."""
        if job_id in self.holds or job_id in self.over:
            return False
        self.holds[job_id] = Held(job_id, job, room)
        return True

    def ended(self) -> dict[str, Held]:
        """What ran here."""
        return self.over

    def ever(self) -> bool:
        """Whether there was any job."""
        return bool(self.holds or self.over)

    def skip(self, job_id: str, sequence: int) -> None:
        """Reports of a job are numbered from here on: those before are somebody else's."""
        self.holds[job_id].sequence = sequence

    def held(self) -> dict[str, Held]:
        """What runs here."""
        return self.holds

    def report(self, job_id: str, report: dict[str, Any]) -> None:
        """A job says something, which is sent until there is a verdict."""
        held = self.holds[job_id]
        held.sequence += 1
        held.waiting[held.sequence] = report

    def unsent(self) -> list[tuple[Held, int, dict[str, Any]]]:
        """What waits for a verdict, in order."""
        jobs = [*self.over.values(), *self.holds.values()]
        return [(held, number, report) for held in jobs for number, report in sorted(held.waiting.items())]

    def acknowledge(self, job_id: str, sequence: int, refused: str | None) -> None:
        """A verdict."""
        held = self.holds.get(job_id) or self.over[job_id]
        report = held.waiting.pop(sequence, None)
        if refused is not None and report is not None:
            held.refused.append(f"{report['type']}: {refused}")

    def let_go(self, job_id: str) -> None:
        """A job ends."""
        held = self.holds.pop(job_id, None)
        if held is not None:
            self.over[job_id] = held


@dataclass
class Letter:
    """A webhook as it arrived."""

    id: str
    body: str


@dataclass
class Houses:
    """Servers of customers: where webhooks go, and a feed of a calendar."""

    letters: dict[str, list[Letter]] = field(default_factory=dict)
    """By the path that they came to."""
    failing: int = 0
    """So many requests to the webhooks' server fail first."""
    feed: str = ""

    def fail(self, times: int) -> None:
        """So many requests fail from now on."""
        self.failing = times

    def publish(self, feed: str) -> None:
        """A calendar's feed has changed."""
        self.feed = feed

    def later(self, hours: float) -> datetime:
        """A moment that stays the same however often it is asked for."""
        return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)

    def take(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers and body of its answer."""
        path = urlsplit(url).path
        if path.endswith(".ics"):
            return 200, {"Content-Type": "text/calendar"}, self.feed.encode()
        if self.failing > 0:
            self.failing -= 1
            return 503, {}, b"later"
        letter = Letter({name.lower(): value for name, value in headers.items()}["webhook-id"], body.decode())
        self.letters.setdefault(path, []).append(letter)
        return 200, {}, b"thanks"


@dataclass
class Asked:
    """A request of a customer under an `Idempotency-Key`, and its first answer."""

    path: str
    body: dict[str, Any]
    status: int
    answer: bytes


@dataclass
class World:
    """The whole of it."""

    clock: SharedClock
    folder: Path
    media: Media = field(init=False)
    phones: Phones = field(init=False)
    tapes: Tapes = field(init=False)
    worker: Worker = field(default_factory=Worker)
    houses: Houses = field(default_factory=Houses)
    memory: dict[str, Any] = field(default_factory=dict)
    """What was done and seen by those outside, by the name of the step."""
    asked: dict[str, Asked] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """What was said, in its order."""
    checks: Callable[[], list[str]] | None = None
    passes: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        self.media = Media(self.clock)
        self.phones = Phones(self.media)
        self.tapes = Tapes(self.media, self.folder / "recordings")

    def recall(self, step: str) -> tuple[bool, Any]:
        """Whether a step was done, and what came of it."""
        return step in self.memory, self.memory.get(step)

    def remember(self, step: str, seen: Any) -> None:
        """A step was done."""
        self.memory[step] = seen

    def do(self, step: str, method: str, given: tuple[Any, ...], more: dict[str, Any]) -> Any:
        """Something happens outside, once; `method` is its path, such as `media.leave`."""
        if step not in self.memory:
            found: Any = self
            for part in method.split("."):
                found = getattr(found, part)
            self.memory[step] = found(*given, **more)
        return self.memory[step]

    def begin_job(self, offer: Offer, job: PersonaJob | None) -> None:
        """A worker has what it needs: the persona is in the room and says so. Without a job there is nothing to do."""
        self.media.taken(offer.id)
        if job is None or offer.room not in self.media.rooms or not self.worker.hold(offer.id, job, offer.room):
            return
        self.media.join(offer.room, job.identity, kind="agent")
        self.worker.report(offer.id, {"type": "call.started.v1", "at": self.clock.now().isoformat()})

    def begin_bot(self, job: BotJob) -> None:
        """A host of bots has one more, which is in its meeting."""
        room = str(jwt.decode(job.token, options={"verify_signature": False})["video"]["room"])
        if self.worker.hold(job.job_id, job, room):
            self.media.enter(job.token)
            self.worker.report(job.job_id, {"type": "call.started.v1", "at": self.clock.now().isoformat()})

    def end_job(self, job_id: str, reason: str) -> None:
        """A job says its last word and is gone."""
        held = self.worker.holds.get(job_id)
        if held is not None:
            said = {"type": "call.ended.v1", "at": self.clock.now().isoformat(), "reason": reason, "duration_ms": 1000}
            self.worker.report(job_id, said)
            self.worker.let_go(job_id)
            self.media.leave(held.room, held.job.identity)

    def look_round(self) -> None:
        """Jobs whose room is gone, or in which nobody is any more, end."""
        for job_id, held in list(self.worker.holds.items()):
            if held.room not in self.media.rooms:
                self.end_job(job_id, "room_closed")
            elif isinstance(held.job, PersonaJob) and not self.media.persons(held.room):
                self.end_job(job_id, "caller_left")

    def lose_worker(self) -> None:
        """A worker and its jobs are gone without a word; another one is there."""
        for held in list(self.worker.holds.values()):
            self.worker.let_go(held.id)
            held.waiting.clear()
            self.media.leave(held.room, held.job.identity, "SIGNAL_CLOSE")

    def part_all(self) -> None:
        """Everybody goes home."""
        for room in list(self.media.rooms):
            for identity in self.media.persons(room):
                if not identity.startswith("bot-"):
                    self.media.leave(room, identity)
        for job_id, held in list(self.worker.holds.items()):
            if isinstance(held.job, BotJob):
                self.end_job(job_id, "caller_left")

    def note(self, key: str, asked: Asked) -> None:
        """A request was answered."""
        self.asked.setdefault(key, asked)

    def requests(self) -> dict[str, Asked]:
        """All that were answered, by their keys."""
        return self.asked

    def say(self, text: str) -> None:
        """Something was said that must be in the transcript."""
        if text not in self.lines:
            self.lines.append(text)

    def check(self) -> list[str]:
        """What is wrong now."""
        assert self.checks is not None
        return self.checks()

    def time_passes(self, seconds: float) -> None:
        """For the clocks of others too: LiveKit closes rooms in which nobody is."""
        assert self.passes is not None
        self.passes(seconds)
        self.media.close_empty()

    def lose_hooks(self) -> None:
        """LiveKit's hooks that are on their way are lost."""
        self.media.hooks = []
