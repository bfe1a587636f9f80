"""A bot's reports: numbered, on disk before they are sent, in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import structlog

from agents.attendance import BotJob
from agents.contract import Report, Submission
from agents.redacting import Redacting
from agents.spool import Spool

FLUSH: Final = 5.0
"""Seconds that the last reports have to reach the disk."""
QUEUE: Final = 2000

log = structlog.get_logger()


class BotReporter:
    """Use it around a bot: leaving it waits until every report is on disk, within `FLUSH` seconds."""

    def __init__(self, job: BotJob, spool: Spool, submit: Callable[[Submission], Awaitable[None]]) -> None:
        self._job, self._spool, self._submit = job, spool, submit
        self._next = spool.next_sequence(job.session_id, job.epoch)
        self._redacting = Redacting(job.redaction, keeps_words=job.keeps_words)
        self._queue: asyncio.Queue[Submission] = asyncio.Queue(QUEUE)
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._sending is not None
        try:
            async with asyncio.timeout(FLUSH):
                await self._queue.join()
        except TimeoutError:
            log.error("reports not flushed", session=self._job.session_id, missing=self._queue.qsize())
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._spool.release(self._job.session_id, self._job.epoch)

    def report(self, report: Report) -> None:
        """Queue a report; never waits. Raises `asyncio.QueueFull` where the disk has not answered for very long."""
        kept = self._redacting.has_to_be_kept(report)
        submission = Submission(
            session_id=self._job.session_id,
            epoch=self._job.epoch,
            sequence=self._next if kept else 0,
            capability=self._job.capability,
            report=self._redacting.clear(report).model_dump(mode="json"),
        )
        self._queue.put_nowait(submission)
        self._next += kept

    async def _send(self) -> None:
        while True:
            submission = await self._queue.get()
            if submission.sequence:
                await asyncio.to_thread(self._spool.keep, submission)
            self._queue.task_done()
            await self._submit(submission)
