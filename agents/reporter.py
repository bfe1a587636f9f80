"""A job's line to its main process: takes the job, sends reports in order, hears when to end."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import structlog

from agents.audience import PersonaStated
from agents.calling import PersonaJob
from agents.contract import Command, LineSpoken, Report, Submission, Transferred
from agents.redacting import Redacting
from agents.tally import take_attempts
from guard.plain import whole

LINE = 2**20
LONGEST_REPORT = LINE // 12
"""Characters: a longer one is cut, as the main process takes lines of so many bytes, up to 12 for a character."""
LONGEST_TEXT = 40_000
"""Characters that are left of each of its texts."""
QUEUE = 2000
"""Reports that may wait for the main process; interim ones are dropped first."""
FLUSH = 5.0
"""Seconds that the last reports have to reach the disk."""
TRANSFERRED_WITHIN = 40.0
"""Seconds until what became of a transfer is known; the other phone may ring for 30 of them."""
BEAT = 1.0
"""Seconds between signs of life."""

log = structlog.get_logger()


class JobRefused(Exception):
    """There is nothing to do for this job."""


class Reporter:
    """Open it in the job process. Leaving it waits until every report is on disk, within `FLUSH` seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._job: PersonaJob | None = None
        self._next, self._kept = 1, 0
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        self._on_command: Callable[[Command], None] | None = None
        self._early: list[Command] = []
        """Commands that came before anybody obeyed them."""
        self._asked = 0
        self._asking = asyncio.Lock()
        self._transferred: asyncio.Future[Transferred] | None = None
        self._all_kept = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def claim(cls, socket: Path, job_id: str, *, timeout: float) -> Self:
        """Connect and take the job. Raises `JobRefused`, or `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(socket, limit=LINE)
            reporter = cls(reader, writer)
            try:
                writer.write(json.dumps({"claim": job_id}).encode() + b"\n")
                answer = json.loads(await reader.readline() or b'{"refused": "the worker is going"}')
            except BaseException:
                writer.close()
                raise
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

    @cached_property
    def _redacting(self) -> Redacting:
        return Redacting(self.job.redaction, keeps_words=self.job.keeps_words)

    def on_command(self, callback: Callable[[Command], None]) -> None:
        """Call this when the platform wants something done; also for what it has wanted already."""
        self._on_command = callback
        for command in self._early:
            callback(command)
        self._early.clear()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(work()) for work in (self._send, self._listen, self._beat)]
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(FLUSH):
                while self._kept < self._next - 1:
                    self._all_kept.clear()
                    await self._all_kept.wait()
        except TimeoutError:
            log.error("reports not flushed", missing=self._next - 1 - self._kept)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()

    def report(self, report: Report | PersonaStated) -> None:
        """Queue a report; never waits. Interim lines have no sequence and may be dropped."""
        interim = isinstance(report, PersonaStated) or not self._redacting.has_to_be_kept(report)
        if isinstance(report, Report):
            report = _cut(self._redacting.clear(report))
        submission = Submission(
            session_id=self.job.session_id,
            epoch=self.job.epoch,
            sequence=0 if interim else self._next,
            capability=self.job.capability,
            report=report.model_dump(mode="json"),
            trace="" if interim else self.job.trace,
        )
        if interim and self._queue.qsize() > QUEUE // 2:
            return
        if self._queue.full():  # the main process has taken nothing for minutes
            log.error("report dropped", session=self.job.session_id)
            return
        self._queue.put_nowait({"report": submission.model_dump(mode="json")})
        if not interim:
            self._next += 1

    async def transfer(self, to: str) -> str | None:
        """Have the phone of this call transferred; None where it was, else why not.

        Raises `TimeoutError` where nothing is known of it.
        """
        return (await self._ask(to=to)).problem

    async def call_in(self, to: str) -> tuple[str | None, str]:
        """Have somebody called into the room: why they are not, or None, and the identity of their phone.

        Raises `TimeoutError` as `transfer` does.
        """
        answer = await self._ask(to=to, warm=True)
        return answer.problem, answer.identity

    def withdraw(self) -> None:
        """Whoever was called in is not wanted any more: their phone is hung up, or not called at all."""
        self._send_question(withdraw=True)

    async def _ask(self, **question: Any) -> Transferred:
        async with self._asking:
            self._transferred = asyncio.get_running_loop().create_future()
            self._send_question(**question)
            async with asyncio.timeout(TRANSFERRED_WITHIN):
                return await self._transferred

    def _send_question(self, **question: Any) -> None:
        self._asked += 1
        asked = {"session_id": self.job.session_id, "epoch": self.job.epoch, "capability": self.job.capability}
        self._queue.put_nowait({"transfer": asked | question | {"number": self._asked}})

    def _take_answer(self, answer: Transferred) -> None:
        waiting = self._transferred
        if waiting is not None and not waiting.done() and answer.number == self._asked:
            waiting.set_result(answer)

    async def _send(self) -> None:
        while True:
            message = await self._queue.get()
            if attempts := take_attempts():
                message = message | {"attempts": attempts}
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def _beat(self) -> None:
        """Tell the main process that this one is not stuck."""
        while True:
            if not self._queue.full():
                self._queue.put_nowait({"beat": True})
            await asyncio.sleep(BEAT)

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            if "kept" in message or "not_kept" in message:
                self._kept = message.get("kept") or message["not_kept"]
                self._all_kept.set()
            elif "command" in message:
                command = Command.model_validate(message["command"])
                (self._on_command or self._early.append)(command)
            elif "transferred" in message:
                self._take_answer(Transferred.model_validate(message["transferred"]))


def _cut(report: Report) -> Report:
    """A report that the main process can read and write: a model may have said a book, or half a character."""
    with suppress(ValueError):  # the half cannot be written
        if len(report.model_dump_json()) < LONGEST_REPORT:
            return report
    log.warning("report cut", type=type(report).__name__)
    texts = {name: whole(value[:LONGEST_TEXT]) for name, value in report if isinstance(value, str)}
    return report.model_copy(update=texts | ({"words": []} if isinstance(report, LineSpoken) else {}))
