"""Where the time of an answer goes: marks on the critical path from the end of speech to the first audio. And time that
was nobody's, as this process stood still."""

import asyncio
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from agents.contract import ChunkUsed, TurnMeasured

LOOK_EVERY: Final = 1.0
"""Seconds between two looks."""
STILL: Final = 1.0
"""Seconds by which a look comes late where this process stood still."""
JUST: Final = 3.0
"""Seconds after which whatever fails is not for that."""
SILENCE: Final = 5.0
"""Seconds without a sign of life after which a process of calls is dead: its callers hear nothing any more, and other
personas come in the place of its own."""

log = structlog.get_logger()


@dataclass
class TurnMarks:
    """Moments of one turn, in Unix seconds; None where it did not happen (yet).

    With preemptive generation retrieval, model and speech begin before the turn is committed. What was done by then
    costs the caller nothing, so each part counts only from where the path stood.
    """

    speech_ended: float | None = None
    transcribed: float | None = None
    committed: float | None = None
    retrieved: float | None = None
    first_token: float | None = None
    first_frame: float | None = None
    tools: list[tuple[float, float]] = field(default_factory=list)
    """From when to when tools were at work."""
    chunks: list[ChunkUsed] = field(default_factory=list)
    unanswered: str | None = None

    def measure(self, audio_started: float) -> TurnMeasured:
        """The parts in milliseconds; together they reach from the end of speech to the start of audio."""
        seconds: dict[str, float] = {}
        position, unexplained = self.speech_ended, False
        for name, mark in self._path(audio_started):
            if position is None:
                break
            if mark is None:
                unexplained = unexplained or name in ALWAYS
                continue
            reached = max(position, min(mark, audio_started))
            explained = "other_ms" if unexplained else name
            seconds[explained] = seconds.get(explained, 0.0) + reached - position
            if explained == "model_ms" and self.tools:
                seconds["tools_ms"] = _within(self.tools, position, reached)
                seconds["model_ms"] -= seconds["tools_ms"]
            position, unexplained = reached, False
        return TurnMeasured(
            at=moment(),
            speech_ended_at=moment(self.speech_ended) if self.speech_ended else None,
            audio_started_at=moment(audio_started),
            chunks=self.chunks,
            unanswered=self.unanswered,
            **{name: round(part * 1000, 1) for name, part in seconds.items()},
        )

    def _path(self, audio_started: float) -> tuple[tuple[str, float | None], ...]:
        return (
            ("recognition_ms", self.transcribed),
            ("endpointing_ms", self.committed),
            ("retrieval_ms", self.retrieved),
            ("model_ms", self.first_token),
            ("speech_ms", self.first_frame),
            ("playout_ms", audio_started),
        )


PARTS = (
    "recognition_ms",
    "endpointing_ms",
    "retrieval_ms",
    "model_ms",
    "tools_ms",
    "speech_ms",
    "playout_ms",
    "other_ms",
)
"""In the order of the path. `playout_ms` is from the first frame of speech to its start in the room; `other_ms` is what
a mark that lacks would have explained."""
ALWAYS = ("model_ms", "speech_ms")
"""Parts of every answer: where the end of one was not seen, the next cannot be told from it."""


def _within(spans: list[tuple[float, float]], begin: float, end: float) -> float:
    """Seconds between two moments in which at least one of the spans was."""
    covered, reached = 0.0, begin
    for first, last in sorted(spans):
        first, last = max(first, reached), min(last, end)
        if last > first:
            covered, reached = covered + last - first, last
    return covered


def moment(unix: float | None = None) -> datetime:
    """A point in time from Unix seconds; without them this one, by the worker's clock."""
    return datetime.fromtimestamp(time.time() if unix is None else unix, UTC)


class Stillness:
    """Whether this process has just stood still, and could hear nothing that came meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = -math.inf
        self._expect()

    @property
    def seen(self) -> bool:
        """Whether it has, so that it is no wonder that somebody is late."""
        return self._loop.time() - self._ended < JUST

    def close(self) -> None:
        """Look no more."""
        self._look.cancel()

    def _expect(self) -> None:
        self._due = self._loop.time() + LOOK_EVERY
        # Before all that waits for longer: of timers that are due at once the earlier is run first.
        self._look = self._loop.call_at(self._due, self._compare)

    def _compare(self) -> None:
        if self._loop.time() - self._due > STILL:
            self._ended = self._loop.time()
        self._expect()


@contextmanager
def standing_still() -> Iterator[Stillness]:
    """Watch for it within the block."""
    stillness = Stillness()
    try:
        yield stillness
    finally:
        stillness.close()


async def end_if_dead() -> None:
    """End this process as it goes on after it has stood still for `SILENCE`, whoever it was that stopped it.

    Whoever watches it may have stood still with it. Others may have its calls by then, and LiveKit's library, which has
    not heard that they took its place, would resume and put them out again.
    """
    while True:
        before = time.monotonic()
        await asyncio.sleep(LOOK_EVERY)
        if time.monotonic() - before > SILENCE:
            log.error("this process stood still, and ends: others may have its calls")
            os._exit(1)
