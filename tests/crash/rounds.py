"""The duties of the platform's processes, one round at a time: each begins with a word and is awaited to its end.

Nothing that does them is written anew: `supervisor.loops.run` is what runs. It pauses until the next round where it
would pause for seconds, or for a wake-up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from control_plane.calendars.sync import CalendarSync
from control_plane.db.leadership import Lock
from control_plane.errors import Unavailable
from control_plane.events.wake import Listener, Notifier
from control_plane.gate import idempotency
from control_plane.jobs.queue import AT_ONCE, JobRunner
from control_plane.knowledge_bases import service
from control_plane.knowledge_bases.uploads import UploadRunner
from control_plane.supervisor import loops
from control_plane.telephony import dialling, placing
from control_plane.uplink.bots import BotDispatcher
from control_plane.webhooks import deliverer

WITHIN: Final = 30.0
"""Seconds after which duties that do not come to rest are at fault."""
MEMBERS: Final = 18
"""How many work in rounds: the jobs process's loops, listeners, job runners and reader of calendars; of the control
plane the monitors' follower, uploads and who sends bots."""
QUICK: Final = (
    (deliverer, "LOOK_EVERY", 0.5),
    (deliverer, "GATHER", 0.005),
    (dialling, "PHONE_WITHIN", 0.05),
    (idempotency, "WAIT", 0.2),
    (idempotency, "POLL", 0.05),
    (placing, "LOOK_EVERY", 0.05),
    (placing, "AWAY_PAUSE", 0.05),
    (service, "MAX_AT_ONCE", 3000),
)
"""Pauses of work that a round does not begin, in seconds; and from how many bytes on a document takes its time."""


class Rounds:
    """Whoever works in rounds, and the word to begin."""

    def __init__(self) -> None:
        self.members = 0
        self.senders: set[BotDispatcher] = set()
        self._resting: list[asyncio.Future[None]] = []
        self._came = asyncio.Event()

    async def pause(self) -> None:
        """Until the next round."""
        mine = asyncio.get_running_loop().create_future()
        self._resting.append(mine)
        self._came.set()
        await mine

    async def begin(self) -> None:
        """Until everybody has come who works in rounds."""
        async with asyncio.timeout(WITHIN):
            while self.members < MEMBERS:
                await asyncio.sleep(0.005)
        await self.rest()

    async def rest(self) -> None:
        """Until everybody pauses."""
        async with asyncio.timeout(WITHIN):
            while len(self._resting) < self.members:
                self._came.clear()
                await self._came.wait()

    async def turn(self) -> None:
        """One round."""
        await self.rest()
        going, self._resting = self._resting, []
        for each in going:
            each.set_result(None)
        await self.rest()

    def install(self) -> None:
        """Have this process work in rounds."""
        rounds = self

        @asynccontextmanager
        async def listening(self: Listener) -> AsyncIterator[Listener]:
            rounds.members += 1
            try:
                yield self
            finally:
                rounds.members -= 1

        async def wait(_self: Listener, within: float | None = None) -> None:
            await rounds.pause()

        async def every(_seconds: float, *duties: partial[Any]) -> None:
            rounds.members += 1
            while True:
                for duty in duties:
                    await loops.attempt(duty)
                await rounds.pause()

        async def govern(_url: str, _lock: Lock, work: Any) -> None:
            await work()

        async def nothing(_self: Notifier) -> None:
            await asyncio.Event().wait()

        async def work_off(self: JobRunner) -> None:
            rounds.members += 1
            while True:
                for job in await self._claim(AT_ONCE):
                    self._at_work[job.id] = job.attempts
                    await self._work_off(job)
                await rounds.pause()

        async def ingest(self: UploadRunner) -> None:
            rounds.members += 1
            while True:
                with suppress(Unavailable):
                    while await self.run_one():
                        pass
                await rounds.pause()

        async def read(self: CalendarSync) -> None:
            rounds.members += 1
            while True:
                with suppress(Unavailable):
                    for claim in await self._claim_due(AT_ONCE):
                        await self._read(claim)
                await rounds.pause()

        async def pause(self: BotDispatcher) -> float:
            rounds.members += self not in rounds.senders
            rounds.senders.add(self)
            await rounds.pause()
            return 0.0

        JobRunner.run, UploadRunner.run, CalendarSync.run = work_off, ingest, read  # type: ignore[method-assign]
        BotDispatcher._pause = pause  # type: ignore[method-assign]
        Listener.listening, Listener.wait, Notifier.run = listening, wait, nothing  # type: ignore[method-assign]
        loops.every, loops.govern = every, govern
        for module, name, seconds in QUICK:
            assert hasattr(module, name), f"{module.__name__} has no {name} any more"
            setattr(module, name, seconds)
