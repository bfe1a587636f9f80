"""Where job processes meet the main process: one unix socket, JSON lines.

job → main   {"claim": job id} · {"report": submission} · {"transfer": TransferAsked without its job id}
             {"beat": true}
             each with {"attempts": …} where models were asked: see `tally.py`
main → job   {"job": PersonaJob} · {"refused": why} · {"command": Command} · {"transferred": Transferred}
             {"kept": sequence}, or {"not_kept": sequence} where the disk took nothing: it is held in memory, while
             that has room
"""

import asyncio
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from agents import metrics
from agents.calling import PersonaJob
from agents.contract import Command, Submission, TransferAsked, Transferred
from agents.spool import Spool
from agents.uplink import ExchangeRefused

LINE = 2**20
"""Bytes of one message at most."""

log = structlog.get_logger()


@dataclass
class _Line:
    """To one job process."""

    writer: asyncio.StreamWriter
    pid: int
    beats: bool = False
    """Whether it gives signs of life; it begins when it has its job."""
    call: tuple[int, int] | None = None
    """Session and epoch of its job: it reports of that, and of no other call of this worker."""
    waiting_since: float | None = None
    """Since when nothing has come, on the monotonic clock; None while something that came is being taken."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class JobDesk:
    """Serves the job processes of this worker."""

    def __init__(
        self,
        spool: Spool,
        *,
        fetch: Callable[[str], Awaitable[PersonaJob]],
        submit: Callable[[Submission], Awaitable[None]],
        ask: Callable[[TransferAsked], Awaitable[None]],
        on_report: Callable[[str, Submission], None],
    ) -> None:
        self._spool, self._fetch, self._submit, self._on_report = spool, fetch, submit, on_report
        self._ask = ask
        self._lines: dict[str, _Line] = {}
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        """Listen; a socket file that a crash left is replaced. The folder around it is private."""
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            for line in self._lines.values():
                line.writer.close()

    def command(self, command: Command) -> None:
        """Have a job do what the platform wants; one that is not there hears nothing."""
        self._tell(command.job_id, {"command": command.model_dump(mode="json")})

    def transferred(self, answer: Transferred) -> None:
        """Tell a job what became of the transfer it asked for."""
        self._tell(answer.job_id, {"transferred": answer.model_dump(mode="json")})

    def silent(self, seconds: float) -> list[str]:
        """Jobs that gave no sign of life for so long: their processes are stuck."""
        now = time.monotonic()
        return [
            job_id
            for job_id, line in self._lines.items()
            if line.beats and line.waiting_since is not None and now - line.waiting_since > seconds
        ]

    def forgive(self) -> None:
        """This process itself was stuck: who is silent is counted from now."""
        for line in self._lines.values():
            if line.waiting_since is not None:
                line.waiting_since = time.monotonic()

    def kill(self, job_id: str) -> bool:
        """End the process of a job at once, so that it can speak no more; False where none has claimed it."""
        line = self._lines.get(job_id)
        if line is not None:
            with suppress(ProcessLookupError):
                os.kill(line.pid, signal.SIGKILL)
        return line is not None

    async def wait_for_end(self, job_id: str, *, within: float) -> None:
        """Until all that a job's process has said is taken; it has ended, or `within` seconds are over."""
        line = self._lines.get(job_id)
        if line is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await line.ended.wait()

    def _tell(self, job_id: str, message: dict[str, Any]) -> None:
        line = self._lines.get(job_id)
        if line is not None:
            _send(line.writer, message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        job_id, line = "", _Line(writer, _pid_of(writer))
        try:
            while text := await self._read(reader, line):
                message = json.loads(text)
                metrics.show_attempts(message.get("attempts", ()))
                if "beat" in message:
                    line.beats = True
                elif "claim" in message:
                    job_id = message["claim"]
                    self._lines[job_id] = line
                    await self._claim(job_id, line)
                elif "report" in message:
                    await self._keep(job_id, _report_of(line, message["report"]), writer)
                elif "transfer" in message:
                    await self._ask(TransferAsked.model_validate(message["transfer"] | {"job_id": job_id}))
        except ConnectionError as error:
            log.warning("job connection failed", job=job_id, reason=type(error).__name__)
        except ValueError as error:  # too long, or no message: nothing more of it can be read, and nobody would miss it
            log.error("job not understood", job=job_id, reason=type(error).__name__)
            self.kill(job_id)
        finally:
            self._lines.pop(job_id, None)
            line.ended.set()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, line: _Line) -> bytes:
        line.waiting_since = time.monotonic()
        text = await reader.readline()
        line.waiting_since = None
        return text

    async def _claim(self, job_id: str, line: _Line) -> None:
        try:
            job = await self._fetch(job_id)
        except ExchangeRefused as error:
            _send(line.writer, {"refused": str(error)})
            return
        line.call = job.session_id, job.epoch
        log.info("job claimed", job=job_id, session=job.session_id, pid=line.pid)
        _send(line.writer, {"job": job.model_dump(mode="json")})

    async def _keep(self, job_id: str, submission: Submission, writer: asyncio.StreamWriter) -> None:
        if submission.sequence:
            # One short fsync per line; in a thread, because a slow disk must not hold up other calls.
            # One that takes nothing is no reason to wait: the report is held here, and the call goes on.
            kept = await asyncio.to_thread(self._spool.keep, submission)
            _send(writer, {"kept" if kept else "not_kept": submission.sequence})
        self._on_report(job_id, submission)
        await self._submit(submission)


def _report_of(line: _Line, given: Any) -> Submission:
    """A report of a job. Raises `ValueError` for one of another's, in whose file it would take a place."""
    submission = Submission.model_validate(given)
    if (submission.session_id, submission.epoch) != line.call:
        raise ValueError("a report of another call")
    return submission


def _pid_of(writer: asyncio.StreamWriter) -> int:
    """Who is at the other end, as the system knows."""
    peer = struct.Struct("3i")
    connection = writer.get_extra_info("socket")
    pid: int = peer.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, peer.size))[0]
    return pid


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")
