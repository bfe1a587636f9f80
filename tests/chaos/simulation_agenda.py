"""What happens next in a simulation: steps in stepped time, each with dice of its own. Nothing sleeps."""

import asyncio
import heapq
import random
import traceback
import zlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from tests.support.clocks import SteppedClock

Work = Callable[[], Awaitable[Any] | None]

TOGETHER = 0.02
"""Steps so many seconds apart are begun at once, three at most: they meet in the database as they do in life."""
HOPS = 15
"""Turns of the loop without a transaction after which whatever has not ended waits for time to pass."""
HANGS = 60.0
"""Real seconds after which a step hangs."""


class Dead(BaseException):
    """Raised in whatever a process does that was killed: it goes no further."""


@dataclass
class Step:
    """What is being done: its dice, and how many steps have come of it."""

    key: int
    dice: random.Random
    children: int = 0


@dataclass
class Busy:
    """How many transactions are open, and a way to wait until there is none."""

    count: int = 0
    none: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """A transaction begins."""
        self.count += 1
        self.none.clear()

    def end(self) -> None:
        """One is over."""
        self.count -= 1
        if not self.count:
            self.none.set()


_HERE: ContextVar[Step] = ContextVar("step")


class Agenda:
    """Steps by the time they are due. The same seed plays the same game, as far as PostgreSQL lets it: what steps do
    that meet there is decided by who is first."""

    def __init__(self, seed: int, clock: SteppedClock) -> None:
        self.clock, self.done = clock, 0
        self.busy = Busy()
        self.busy.none.set()
        self.told: list[str] = []
        """Every step, in order."""
        self.faults: list[str] = []
        """What should not have been."""
        self.faulty_at = 0
        """How much was told when the first of them was noticed."""
        self.after: Callable[[], None] = lambda: None
        """What is done after each step."""
        self._heap: list[tuple[float, int, int, str, Work]] = []
        self._woken = False
        self._count = 0
        self._running: set[asyncio.Task[None]] = set()
        self._foreign = asyncio.all_tasks()
        _HERE.set(Step(seed, random.Random(seed)))

    @property
    def dice(self) -> random.Random:
        """Of the step that is being done."""
        return _HERE.get().dice

    @property
    def now(self) -> float:
        """Seconds since the beginning, by no clock that anybody sets."""
        return self.clock.passed

    def at(self, delay: float, label: str, work: Work) -> None:
        """Have something done in so many seconds; without a label it is not worth telling."""
        here = _HERE.get()
        here.children += 1
        self._count += 1
        key = zlib.crc32(f"{here.key}:{here.children}:{label}".encode())
        heapq.heappush(self._heap, (self.now + max(0.0, delay), self._count, key, label, work))

    def soon(self, label: str, work: Work, *, within: float = 0.5) -> None:
        """Have something done in a moment."""
        self.at(self.dice.uniform(0.001, within), label, work)

    def every(self, seconds: float, label: str, work: Work, *, going: Callable[[], bool] = lambda: True) -> None:
        """Have something done again and again, about so many seconds apart, while `going`."""

        def again() -> None:
            if not going():
                return
            self.at(seconds * self.dice.uniform(0.8, 1.2), "", again)
            self.at(0, label, work)

        self.at(self.dice.uniform(0, seconds), "", again)

    async def sleep(self, seconds: float) -> None:
        """Let so much of the stepped time pass."""
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            self._woken = True
            if not waking.done():
                waking.set_result(None)

        self.at(seconds, "", wake)
        await waking

    async def run(self, until: float, *, most: int = 0) -> bool:
        """Do what is due until then; False where that were more than `most` steps of all (0: any number)."""
        while self._heap and self._heap[0][0] <= until:
            if most and self.done >= most:
                return False
            due = [heapq.heappop(self._heap)]
            while self._heap and len(due) < 3 and self._heap[0][0] <= due[0][0] + TOGETHER:
                due.append(heapq.heappop(self._heap))
            self._pass(due[0][0])
            self._woken = False
            begun = [self._begin(key, label, work) for _, _, key, label, work in due]
            if self._woken or any(begun):
                await self.settle()
            self.after()
        self._pass(until)
        return True

    async def settle(self) -> None:
        """Until everything that runs has ended, or waits for time to pass."""
        quiet = 0
        try:
            async with asyncio.timeout(HANGS):
                while quiet < HOPS and asyncio.all_tasks() - self._foreign:
                    if self.busy.count:
                        await self.busy.none.wait()
                        quiet = 0
                    await asyncio.sleep(0)
                    quiet += 1
        except TimeoutError:
            self.fault(f"a step hangs: {self.told[-1] if self.told else ''}")

    async def close(self) -> None:
        """Nothing more is done."""
        self._heap.clear()
        tasks = asyncio.all_tasks() - self._foreign
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def tell(self, text: str) -> None:
        """Remember something besides steps."""
        self.told.append(f"{self.now:9.3f}         {text}")

    def fault(self, text: str) -> None:
        """Something is that should not be; each is told once."""
        if text not in self.faults:
            self.tell(f"WRONG: {text}")
            self.faulty_at = self.faulty_at or len(self.told)
            self.faults.append(text)

    def _pass(self, to: float) -> None:
        if to > self.now:
            self.clock.step(seconds=to - self.now)
            self.clock.passed = to  # a step is of whole microseconds: what is due then would not be due yet, for ever

    def _begin(self, key: int, label: str, work: Work) -> bool:
        """Do a step; whether others may go on by it, or it has not ended."""
        if label:
            self.done += 1
            self.told.append(f"{self.now:9.3f} {self.done:6d}  {label}")
        context = copy_context()
        context.run(_HERE.set, Step(key, random.Random(key)))
        doing = context.run(self._try, label, work)
        if doing is not None:
            task = asyncio.get_running_loop().create_task(self._do(label, doing), context=context)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(label) or doing is not None

    def _try(self, label: str, work: Work) -> Awaitable[Any] | None:
        try:
            return work()
        except Dead:
            return None
        except Exception as error:
            self._raised(label, error)
            return None

    async def _do(self, label: str, doing: Awaitable[Any]) -> None:
        try:
            await doing
        except Dead:
            return
        except Exception as error:
            self._raised(label, error)

    def _raised(self, label: str, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        self.fault(f"{label or 'a step'} raised {type(error).__name__}: {error} ({where.filename}:{where.lineno})")
