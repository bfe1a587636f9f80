"""What a persona has begun to say, as its process shows it. Should that die, what was heard of it is on record.

It is followed twice, as what is only shown is on no disk: by the worker's main process, which knows it where no control
plane is there or the one that was has died, and by the control plane, for a worker that is lost with all its processes.
"""

from datetime import UTC, datetime
from typing import Any

from agents.contract import LineInterim, LineSpoken


class Begun:
    """Follows the reports of one job. Lines that are kept may come later than those that are only shown."""

    def __init__(self) -> None:
        self._line: LineInterim | None = None
        """What was shown last, and is not written down."""
        self._sounds = False
        self._written = -1
        """How far what it said is written down, in milliseconds of its call."""

    def note(self, report: dict[str, Any]) -> None:
        """The job has reported something."""
        match report:
            case {"type": "line.interim.v1", "speaker": "agent"}:
                line = LineInterim.model_validate(report)
                self._line = line if line.text and line.timestamp_ms > self._written else None
            case {"type": "line.spoken.v1", "speaker": "agent"}:
                spoken = LineSpoken.model_validate(report)
                self._written = max(self._written, spoken.timestamp_ms + spoken.duration_ms)
                if self._line is not None and self._line.timestamp_ms <= self._written:
                    self._line = None
            case {"type": "persona.state.v1", "state": state}:
                self._sounds = state == "speaking"

    def cut_off(self) -> LineSpoken | None:
        """The line that was being heard when the job died. Of what it would have said, as far as that was known: how
        much of it was heard, nobody knows any more."""
        if self._line is None or not self._sounds:
            return None
        told = self._line.model_dump(include={"speaker", "identity", "name", "text", "timestamp_ms"})
        return LineSpoken(at=datetime.now(UTC), interrupted=True, **told)
