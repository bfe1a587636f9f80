"""Where the time of an answer goes: marks on the critical path from the end of speech to the first audio."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agents.contract import ChunkUsed, TurnMeasured


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
    chunks: list[ChunkUsed] = field(default_factory=list)
    unanswered: str | None = None

    def measure(self, audio_started: float) -> TurnMeasured:
        """The parts in milliseconds; together they reach from the end of speech to the start of audio."""
        parts: dict[str, float | None] = dict.fromkeys(PARTS)
        position = self.speech_ended
        for name, mark in zip(PARTS, self._path(audio_started), strict=True):
            if position is None or mark is None:
                continue
            parts[name] = round(max(0.0, mark - position) * 1000, 1)
            position = max(position, mark)
        return TurnMeasured(
            at=moment(time.time()),
            speech_ended_at=moment(self.speech_ended) if self.speech_ended else None,
            audio_started_at=moment(audio_started),
            chunks=self.chunks,
            unanswered=self.unanswered,
            **parts,
        )

    def _path(self, audio_started: float) -> tuple[float | None, ...]:
        return self.transcribed, self.committed, self.retrieved, self.first_token, self.first_frame, audio_started


PARTS = ("recognition_ms", "endpointing_ms", "retrieval_ms", "model_ms", "speech_ms", "playout_ms")
"""In the order of the path. `playout_ms` is from the first frame of speech to its start in the room."""


def moment(unix: float) -> datetime:
    """A point in time from Unix seconds."""
    return datetime.fromtimestamp(unix, UTC)
