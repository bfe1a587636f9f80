"""Calls that are over: what a worker's main process says for those that cannot say it themselves, and which of them are
not all told."""

from datetime import datetime
from typing import Any, Final

from agents.calling import PersonaJob
from agents.contract import CallEnded, EndReason, LineSpoken, Submission
from agents.spool import Spool

LATE_SEQUENCES: Final = 1_000_000
"""What is said for a job comes after all that it can have said itself."""


class Untold:
    """Calls that are over, some of whose reports the control plane has not acknowledged."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._keys: dict[str, tuple[int, int]] = {}
        """Session and epoch of each."""

    def add(self, job_id: str, session_id: int, epoch: int) -> None:
        """A call is over."""
        self._keys[job_id] = session_id, epoch

    def job_ids(self) -> list[str]:
        """Theirs."""
        self._keys = {job_id: key for job_id, key in self._keys.items() if self._spool.is_waiting(*key)}
        return list(self._keys)


def last_reports(
    job: PersonaJob, spool: Spool, reason: EndReason, at: datetime, said: LineSpoken | None = None
) -> list[Submission]:
    """What is told for a job that is no more: what it had begun to say, if words are kept, and that it is over."""
    first = spool.next_sequence(job.session_id, job.epoch) + LATE_SEQUENCES
    about: Any = {"session_id": job.session_id, "epoch": job.epoch, "capability": job.capability, "trace": job.trace}
    ended = CallEnded(at=at, reason=reason, failed=True, duration_ms=0)
    reports = (said, ended) if said is not None and job.keeps_words else (ended,)
    return [
        Submission(**about, sequence=sequence, report=report.model_dump(mode="json"))
        for sequence, report in enumerate(reports, first)
    ]
