"""Reports on their way, on disk until they are acknowledged.

One append-only file of JSON lines per job, `<session>-<epoch>.spool`: reports as they come, each fsynced before the job
is told it is kept. Acknowledgements are remembered in memory; the file goes when the job's last report is acknowledged.
What a crash leaves is adopted by the next process of the same folder, or of one beside it (`folders.py`). Refused
reports are moved to `parked.jsonl`.
The promise: reports survive processes, not the host's disk.

A disk that takes nothing costs that promise and nothing else: reports are held in memory, sent from there, and written
behind the next one that the disk takes. No fault of the disk is raised to those who talk to the control plane.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from agents.contract import GONE, Submission

FAREWELL = 5.0
"""Seconds for the last acknowledgements before a process goes."""
LAST = "call.ended.v1"
"""After this report a job has nothing more to say."""

PARKED = "parked.jsonl"
"""Where refused reports are put aside."""
HELD = 10_000
"""Reports that are held in memory alone at most, while the disk takes none."""

Key = tuple[int, int]
"""Session and epoch."""

log = structlog.get_logger()


@dataclass
class _Job:
    """One job's reports: those not acknowledged, those of them that the disk does not have, and the open file."""

    path: Path
    waiting: dict[int, Submission] = field(default_factory=dict)
    unwritten: set[int] = field(default_factory=set)
    finished: bool = False
    writers: int = 0
    """Threads that are about to write, or do."""
    disk: threading.Lock = field(default_factory=threading.Lock)
    file: int | None = None
    length: int = 0
    """Bytes of the file up to the end of its last whole line."""
    torn: bool = False
    """It may end in the midst of a line."""

    def append(self, lines: bytes) -> None:
        """Write and wait until the disk has it, or leave the file as it was. Raises `OSError`."""
        if self.file is None:
            self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.length = os.fstat(self.file).st_size
            self.torn = self.length > 0  # by a crash, perhaps
        lines = b"\n" * self.torn + lines
        try:
            rest = lines
            while rest:
                rest = rest[os.write(self.file, rest) :]
            os.fdatasync(self.file)
        except OSError:
            self.torn = True
            with suppress(OSError):
                os.ftruncate(self.file, self.length)
            raise
        self.length, self.torn = self.length + len(lines), False

    def close(self) -> None:
        """Close the file. What a file system says only then is nothing that could still be mended."""
        if self.file is not None:
            file, self.file = self.file, None
            with suppress(OSError):
                os.close(file)


class Spool:
    """Keeps reports, hands them out in order, forgets the acknowledged. Any thread may call it: only those who write
    wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[Key, _Job] = {}
        self._lock = threading.Lock()
        """Of what is in memory; never held while the disk works, but for the removal of a file."""
        self._parked = 0, 0
        """Bytes of what was put aside, as they were counted, and reports."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(folder.glob("*.spool")):
            self._adopt(path)

    def keep(self, submission: Submission) -> bool:
        """Write a report and wait until the disk has it; whether it does. A repeat of a sequence is kept once.
        Raises `ValueError` for one that cannot be written anywhere."""
        key = (submission.session_id, submission.epoch)
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = _Job(self._folder / f"{key[0]}-{key[1]}.spool")
            job.writers += 1
        try:
            with job.disk:
                return self._write(job, submission)
        finally:
            with self._lock:
                job.writers -= 1
                self._forget_if_done(key, job)

    def _write(self, job: _Job, submission: Submission) -> bool:
        line = _line_of(submission)  # before it is held: what cannot be written cannot be sent either
        with self._lock:
            if submission.sequence in job.waiting and submission.sequence not in job.unwritten:
                return True
            has_room = sum(len(each.unwritten) for each in self._jobs.values()) < HELD
            if has_room:
                job.waiting[submission.sequence] = submission
                job.unwritten.add(submission.sequence)
            job.finished = job.finished or submission.report.get("type") == LAST
            owed = {sequence: job.waiting[sequence] for sequence in job.unwritten if sequence in job.waiting}
        lines = {sequence: _line_of(each) for sequence, each in owed.items()} | {submission.sequence: line}
        try:
            job.append(b"".join(lines[sequence] for sequence in sorted(lines)))
        except OSError as error:
            log.error("report not kept", session=submission.session_id, reason=error.strerror, held=len(job.unwritten))
            return False
        with self._lock:
            job.unwritten -= lines.keys()
            if not has_room:  # there was none in memory; the disk has it
                job.waiting[submission.sequence] = submission
        return True

    def acknowledge(self, session_id: int, epoch: int, sequence: int) -> None:
        """A report has arrived."""
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            if job is not None and sequence in job.waiting:
                del job.waiting[sequence]
                job.unwritten.discard(sequence)
                self._forget_if_done((session_id, epoch), job)

    def park(self, session_id: int, epoch: int, sequence: int, reason: str) -> None:
        """A report will never be accepted: put it aside for a person to look at. Where the disk takes nothing it waits
        on, and is refused again until it does. What is kept nowhere any more is not put aside.
        """
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            submission = job.waiting.get(sequence) if job else None
        if submission is None:
            return
        if reason == GONE:
            self.acknowledge(session_id, epoch, sequence)
            return
        try:
            self._append_parked(
                json.dumps({"reason": reason, "report": submission.model_dump(mode="json")}).encode() + b"\n"
            )
        except OSError as error:
            log.error("report not parked", session=session_id, reason=error.strerror)
            return
        self.acknowledge(session_id, epoch, sequence)

    def release(self, session_id: int, epoch: int) -> None:
        """Nothing more comes of this job here, though it has not ended: its file goes once all is acknowledged."""
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            if job is not None:
                job.finished = True
                self._forget_if_done((session_id, epoch), job)

    def forget(self, session_ids: Iterable[int]) -> None:
        """Nothing of these sessions is kept any more, neither what waits nor what was put aside."""
        gone = set(session_ids)
        with self._lock:
            for key, job in [each for each in self._jobs.items() if each[0][0] in gone]:
                job.waiting.clear()
                job.unwritten.clear()
                job.finished = True
                self._forget_if_done(key, job)
        parked = self._folder / PARKED
        try:
            kept = [line for line in parked.read_bytes().splitlines(keepends=True) if not _is_of(line, gone)]
            spare = parked.with_suffix(".new")
            spare.touch(mode=0o600)
            spare.write_bytes(b"".join(kept))
            spare.replace(parked)
        except FileNotFoundError:
            return
        except OSError as error:  # it is told again when it comes back
            log.error("parked reports not removed", reason=error.strerror)

    def find(self, session_id: int, epoch: int, sequence: int) -> Submission | None:
        """A report that is not acknowledged; None where there is none."""
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            return job.waiting.get(sequence) if job else None

    def is_waiting(self, session_id: int, epoch: int) -> bool:
        """Whether a job has reports that are not acknowledged."""
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            return job is not None and bool(job.waiting)

    def waiting(self) -> list[Submission]:
        """Everything not acknowledged, in order within each job."""
        with self._lock:
            jobs = [self._jobs[key] for key in sorted(self._jobs)]
            return [job.waiting[sequence] for job in jobs for sequence in sorted(job.waiting)]

    def count(self) -> int:
        """How many reports are not acknowledged."""
        with self._lock:
            return sum(len(job.waiting) for job in self._jobs.values())

    def count_parked(self) -> int:
        """How many reports were put aside, from the first start in this folder on; it reads the disk."""
        path = self._folder / PARKED
        try:
            size = path.stat().st_size
            if size != self._parked[0]:
                with path.open("rb") as file:
                    self._parked = size, sum(1 for _ in file)
        except OSError:
            return 0
        return self._parked[1]

    def adopt(self, folder: Path) -> int:
        """Take over what a process left in its folder that is no more; how many reports. What the disk refuses stays
        there, and what cannot be read. Raises `OSError` where it cannot be removed: done again, nothing is kept twice.
        """
        count = 0
        for path in sorted(folder.glob("*.spool")):
            left = _left_in(path)
            if left is None:
                continue
            key, waiting = left
            kept = [self.keep(waiting[sequence]) for sequence in sorted(waiting)]
            count += len(kept)
            if key is not None:
                self.release(*key)
            if all(kept):
                path.unlink(missing_ok=True)
        parked = folder / PARKED
        if parked.exists():
            self._append_parked(parked.read_bytes())
            parked.unlink()
        return count

    def _append_parked(self, lines: bytes) -> None:
        with (self._folder / PARKED).open("ab") as file:
            file.write(lines)
        os.chmod(self._folder / PARKED, 0o600)

    async def wait_until_acknowledged(self) -> None:
        """What was said last should be on record before we go: who goes on with a call needs it. What is not is sent by
        the next start."""
        deadline = time.monotonic() + FAREWELL
        while self.count() and time.monotonic() < deadline:  # noqa: ASYNC110 - for seconds
            await asyncio.sleep(0.02)

    def next_sequence(self, session_id: int, epoch: int) -> int:
        """A sequence after all that this job is known to have used here."""
        with self._lock:
            job = self._jobs.get((session_id, epoch))
            return max(job.waiting, default=0) + 1 if job else 1

    def close(self) -> None:
        """Close the files; what waits stays on disk."""
        for job in list(self._jobs.values()):
            with job.disk:
                job.close()

    def _forget_if_done(self, key: Key, job: _Job) -> None:
        if job.waiting or not job.finished or job.writers:
            return
        job.close()
        try:
            job.path.unlink(missing_ok=True)
        except OSError as error:  # the next start adopts it, and what it holds is taken for repeated
            log.error("spool not removed", file=job.path.name, reason=error.strerror)
        del self._jobs[key]

    def _adopt(self, path: Path) -> None:
        left = _left_in(path)
        if left is None:
            return
        key, waiting = left
        if key is None or not waiting:
            path.unlink()
            return
        self._jobs[key] = _Job(path, waiting, finished=True)


def _line_of(submission: Submission) -> bytes:
    return submission.model_dump_json().encode() + b"\n"


def _left_in(path: Path) -> tuple[Key | None, dict[int, Submission]] | None:
    """Whose file it is, and its reports by their sequence; None where it cannot be read, which is no other's fault."""
    try:
        content = path.read_bytes()
    except OSError as error:
        log.error("spool not read", file=path.name, reason=error.strerror)
        return None
    found = {}
    for line in content.splitlines():
        try:
            submission = Submission.model_validate_json(line)
        except ValueError:  # the last line of a crash may be half written; it was never promised
            continue
        found[submission.sequence] = submission
    session, _, epoch = path.stem.partition("-")
    return ((int(session), int(epoch)) if session.isdigit() and epoch.isdigit() else None), found


def _is_of(line: bytes, sessions: set[int]) -> bool:
    try:
        return json.loads(line)["report"]["session_id"] in sessions
    except (ValueError, KeyError, TypeError):  # torn by a crash: nobody can tell whose it is
        return True
