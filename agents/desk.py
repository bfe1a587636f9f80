"""Where job processes meet the main process: one unix socket, JSON lines.

job → main   {"claim": job id} · {"report": submission} · {"transfer": TransferAsked without its job id}
main → job   {"job": PersonaJob} · {"refused": why} · {"kept": sequence} · {"command": Command}
             {"transferred": Transferred}
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from agents.calling import PersonaJob
from agents.contract import Command, Submission, TransferAsked, Transferred
from agents.spool import Spool
from agents.uplink import ExchangeRefused

LINE = 2**20
"""Bytes of one message at most."""

log = structlog.get_logger()


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
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        """Listen; a socket file that a crash left is replaced. The folder around it is private."""
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers.values():
                writer.close()

    def command(self, command: Command) -> None:
        """Have a job do what the platform wants; one that is not there hears nothing."""
        self._tell(command.job_id, {"command": command.model_dump(mode="json")})

    def transferred(self, answer: Transferred) -> None:
        """Tell a job what became of the transfer it asked for."""
        self._tell(answer.job_id, {"transferred": answer.model_dump(mode="json")})

    def _tell(self, job_id: str, message: dict[str, Any]) -> None:
        writer = self._writers.get(job_id)
        if writer is not None:
            _send(writer, message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        job_id = ""
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "claim" in message:
                    job_id = message["claim"]
                    self._writers[job_id] = writer
                    await self._claim(job_id, writer)
                elif "report" in message:
                    await self._keep(job_id, Submission.model_validate(message["report"]), writer)
                elif "transfer" in message:
                    await self._ask(TransferAsked.model_validate(message["transfer"] | {"job_id": job_id}))
        except (ConnectionError, ValueError) as error:
            log.warning("job connection failed", job=job_id, reason=type(error).__name__)
        finally:
            self._writers.pop(job_id, None)
            writer.close()

    async def _claim(self, job_id: str, writer: asyncio.StreamWriter) -> None:
        try:
            job = await self._fetch(job_id)
        except (ExchangeRefused, KeyError) as error:
            _send(writer, {"refused": str(error)})
            return
        _send(writer, {"job": job.model_dump(mode="json")})

    async def _keep(self, job_id: str, submission: Submission, writer: asyncio.StreamWriter) -> None:
        if submission.sequence:
            # One short fsync per line; in a thread, because a slow disk must not hold up other calls.
            try:
                await asyncio.to_thread(self._spool.keep, submission)
                _send(writer, {"kept": submission.sequence})
            except OSError:  # a full disk: the report goes out unspooled, the call goes on and can still be ended
                log.exception("report not spooled", session=submission.session_id)
        self._on_report(job_id, submission)
        await self._submit(submission)


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")
