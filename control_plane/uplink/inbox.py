"""Reports of one worker that wait to be taken."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from agents.contract import Submission

MOST: Final = 200
"""Reports that may wait. Workers have half as many on their way, and say again what had no place."""
AT_ONCE: Final = 50
"""Reports of a job that are taken together."""
SHOWN: Final = 100
"""Reports that are kept nowhere and may wait to be shown."""

Job = tuple[int, int, str]
"""Session, epoch and capability."""


class Inbox:
    """Jobs whose reports wait, whoever has waited longest first; each is taken by one at a time, so that its reports
    stay in order.

    A report waits once, however often it is said: repeats would make all of them wait the longer.
    """

    def __init__(self) -> None:
        self.shown: asyncio.Queue[Submission] = asyncio.Queue(SHOWN)
        """What only shows something, and is lost where too much of it comes."""
        self._jobs: dict[Job, deque[Submission]] = {}
        self._keys: set[tuple[Job, int]] = set()
        self._taken: set[Job] = set()
        self._changed = asyncio.Event()

    def put(self, submission: Submission) -> None:
        """Queue a report, unless it waits already or there is no place; never waits."""
        if not submission.sequence:
            if not self.shown.full():
                self.shown.put_nowait(submission)
            return
        job = submission.session_id, submission.epoch, submission.capability
        key = job, submission.sequence
        if key not in self._keys and len(self._keys) < MOST:
            self._keys.add(key)
            self._jobs.setdefault(job, deque()).append(submission)
            self._changed.set()

    async def wait(self) -> None:
        """Until there is something to take."""
        while self._next() is None:
            self._changed.clear()
            await self._changed.wait()

    @contextmanager
    def take(self) -> Iterator[list[Submission]]:
        """The reports of the next job, in their order; none where others were quicker. Those that are left in the list
        at the end of the block wait again, before all that have come of that job since."""
        job = self._next()
        if job is None:
            yield []
            return
        waiting = self._jobs.pop(job)
        taken = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
        if waiting:
            self._jobs[job] = waiting
        keys = {(job, each.sequence) for each in taken}
        self._taken.add(job)
        try:
            yield taken
        finally:
            if taken:
                self._jobs.setdefault(job, deque()).extendleft(reversed(taken))
            self._keys -= keys - {(job, each.sequence) for each in taken}
            self._taken.discard(job)
            self._changed.set()

    def _next(self) -> Job | None:
        return next((job for job in self._jobs if job not in self._taken), None)
