"""Reports on their way, on disk until they are acknowledged.

One append-only file of JSON lines per job, `<session>-<epoch>.spool`: reports as they come, each fsynced before the job
is told it is kept. Acknowledgements are remembered in memory; the file goes when the job's last report is acknowledged.
What a crash leaves is adopted by the next worker of the same folder. Refused reports are moved to `parked.jsonl`.
The promise: reports survive processes, not the host's disk.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agents.contract import Submission

FAREWELL = 2.0
"""Seconds for the last acknowledgements before a process goes."""
LAST = "call.ended.v1"
"""After this report a job has nothing more to say."""

Key = tuple[int, int]
"""Session and epoch."""


@dataclass
class _Job:
    """One job's reports: those not acknowledged, and the open file."""

    path: Path
    waiting: dict[int, Submission] = field(default_factory=dict)
    finished: bool = False
    file: IO[bytes] | None = None


class Spool:
    """Keeps reports, hands them out in order, forgets the acknowledged. Blocking, short; one owner at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[Key, _Job] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(folder.glob("*.spool")):
            self._adopt(path)

    def keep(self, submission: Submission) -> None:
        """Write a report and wait until the disk has it. A repeat of the same sequence is kept once."""
        key = (submission.session_id, submission.epoch)
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job(self._folder / f"{key[0]}-{key[1]}.spool")
        if submission.sequence in job.waiting:
            return
        if job.file is None:
            job.file = job.path.open("ab")
            os.chmod(job.path, 0o600)
        job.file.write(submission.model_dump_json().encode() + b"\n")
        job.file.flush()
        os.fdatasync(job.file.fileno())
        job.waiting[submission.sequence] = submission
        job.finished = job.finished or submission.report.get("type") == LAST

    def acknowledge(self, session_id: int, epoch: int, sequence: int) -> None:
        """A report has arrived."""
        job = self._jobs.get((session_id, epoch))
        if job is not None and sequence in job.waiting:
            del job.waiting[sequence]
            self._forget_if_done((session_id, epoch), job)

    def park(self, session_id: int, epoch: int, sequence: int, reason: str) -> None:
        """A report will never be accepted: put it aside for a person to look at."""
        job = self._jobs.get((session_id, epoch))
        submission = job.waiting.get(sequence) if job else None
        if submission is not None:
            with (self._folder / "parked.jsonl").open("a") as file:
                file.write(json.dumps({"reason": reason, "report": submission.model_dump(mode="json")}) + "\n")
            os.chmod(self._folder / "parked.jsonl", 0o600)
            self.acknowledge(session_id, epoch, sequence)

    def release(self, session_id: int, epoch: int) -> None:
        """Nothing more comes of this job here, though it has not ended: its file goes once all is acknowledged."""
        job = self._jobs.get((session_id, epoch))
        if job is not None:
            job.finished = True
            self._forget_if_done((session_id, epoch), job)

    def waiting(self) -> Iterator[Submission]:
        """Everything not acknowledged, in order within each job."""
        for key in sorted(self._jobs):
            job = self._jobs[key]
            for sequence in sorted(job.waiting):
                yield job.waiting[sequence]

    async def wait_until_acknowledged(self) -> None:
        """What was said last should be on record before we go; what is not is sent by the next start."""
        deadline = time.monotonic() + FAREWELL
        while next(self.waiting(), None) and time.monotonic() < deadline:  # noqa: ASYNC110 - for two seconds
            await asyncio.sleep(0.02)

    def next_sequence(self, session_id: int, epoch: int) -> int:
        """A sequence after all that this job is known to have used here."""
        job = self._jobs.get((session_id, epoch))
        return max(job.waiting, default=0) + 1 if job else 1

    def close(self) -> None:
        """Close the files; what waits stays on disk."""
        for job in self._jobs.values():
            if job.file is not None:
                job.file.close()

    def _forget_if_done(self, key: Key, job: _Job) -> None:
        if job.waiting or not job.finished:
            return
        if job.file is not None:
            job.file.close()
        job.path.unlink(missing_ok=True)
        del self._jobs[key]

    def _adopt(self, path: Path) -> None:
        session, _, epoch = path.stem.partition("-")
        job = _Job(path, finished=True)
        for line in path.read_bytes().splitlines():
            try:
                submission = Submission.model_validate_json(line)
            except ValueError:  # the last line of a crash may be half written; it was never promised
                continue
            job.waiting[submission.sequence] = submission
        if not session.isdigit() or not epoch.isdigit() or not job.waiting:
            path.unlink()
            return
        self._jobs[(int(session), int(epoch))] = job
