"""A job's line to its main process: takes the job, sends reports in order, hears when to end."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import structlog

from agents.contract import EndReason, LineInterim, PersonaJob, Report, Submission, Transferred

LINE = 2**20
QUEUE = 2000
"""Reports that may wait for the main process; interim ones are dropped first."""

log = structlog.get_logger()


class JobRefused(Exception):
    """There is nothing to do for this job."""


class Reporter:
    """Open it in the job process. Leaving it waits until every report is on disk, within `FLUSH` seconds."""

    FLUSH = 5.0
    TRANSFERRED_WITHIN = 40.0
    """Seconds; the other phone may ring for 30 of them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._job: PersonaJob | None = None
        self._next, self._kept = 1, 0
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        self._on_end: Callable[[EndReason], None] | None = None
        self._on_wind_up: Callable[[EndReason], None] | None = None
        self._on_press: Callable[[str], None] | None = None
        self._on_hand_over: Callable[[str], None] | None = None
        self._transferred: asyncio.Future[Transferred] | None = None
        self._all_kept = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def claim(cls, socket: Path, job_id: str, *, timeout: float) -> Self:
        """Connect and take the job. Raises `JobRefused`, or `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(socket, limit=LINE)
            reporter = cls(reader, writer)
            writer.write(json.dumps({"claim": job_id}).encode() + b"\n")
            answer = json.loads(await reader.readline() or b'{"refused": "the worker is going"}')
        if "job" not in answer:
            writer.close()
            raise JobRefused(answer.get("refused", "refused"))
        reporter._job = PersonaJob.model_validate(answer["job"])
        return reporter

    @property
    def job(self) -> PersonaJob:
        """What was claimed."""
        assert self._job is not None
        return self._job

    def on_end(self, callback: Callable[[EndReason], None]) -> None:
        """Call this when the platform wants the call to end."""
        self._on_end = callback

    def on_wind_up(self, callback: Callable[[EndReason], None]) -> None:
        """Call this when the platform wants the call to come to a polite end; it may ask more than once."""
        self._on_wind_up = callback

    def on_press(self, callback: Callable[[str], None]) -> None:
        """Call this when the platform wants keys of a telephone pressed."""
        self._on_press = callback

    def on_hand_over(self, callback: Callable[[str], None]) -> None:
        """Call this when the platform wants the caller handed over to somebody."""
        self._on_hand_over = callback

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(self.FLUSH):
                while self._kept < self._next - 1:
                    self._all_kept.clear()
                    await self._all_kept.wait()
        except TimeoutError:
            log.error("reports not flushed", missing=self._next - 1 - self._kept)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()

    def report(self, report: Report) -> None:
        """Queue a report; never waits. Interim lines have no sequence and may be dropped."""
        interim = isinstance(report, LineInterim)
        submission = Submission(
            session_id=self.job.session_id,
            epoch=self.job.epoch,
            sequence=0 if interim else self._next,
            capability=self.job.capability,
            report=report.model_dump(mode="json"),
        )
        if interim and self._queue.qsize() > QUEUE // 2:
            return
        self._queue.put_nowait({"report": submission.model_dump(mode="json")})
        if not interim:
            self._next += 1

    async def transfer(self, to: str) -> str | None:
        """Have the phone of this call transferred; None where it was, else why not. Not twice at once.

        Raises `TimeoutError` where nothing is known of it.
        """
        return (await self._ask(to, warm=False)).problem

    async def call_in(self, to: str) -> tuple[str | None, str]:
        """Have somebody called into the room: why they are not, or None, and the identity of their phone.

        Raises `TimeoutError` as `transfer` does.
        """
        answer = await self._ask(to, warm=True)
        return answer.problem, answer.identity

    async def _ask(self, to: str, *, warm: bool) -> Transferred:
        asked = {"session_id": self.job.session_id, "epoch": self.job.epoch, "capability": self.job.capability}
        self._transferred = asyncio.get_running_loop().create_future()
        self._queue.put_nowait({"transfer": {**asked, "to": to, "warm": warm}})
        async with asyncio.timeout(self.TRANSFERRED_WITHIN):
            return await self._transferred

    async def _send(self) -> None:
        while True:
            message = await self._queue.get()
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            if "kept" in message:
                self._kept = message["kept"]
                self._all_kept.set()
            elif "end" in message and self._on_end is not None:
                self._on_end(message["end"])
            elif "wind_up" in message and self._on_wind_up is not None:
                self._on_wind_up(message["wind_up"])
            elif "press" in message and self._on_press is not None:
                self._on_press(message["press"])
            elif "transferred" in message and self._transferred is not None and not self._transferred.done():
                self._transferred.set_result(Transferred.model_validate(message["transferred"]))
            elif "hand_over" in message and self._on_hand_over is not None:
                self._on_hand_over(message["hand_over"])
