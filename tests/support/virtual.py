"""A loop whose clock runs only while everybody waits: an hour of a call takes as long as its work, to the millisecond.

`run_virtually` runs a coroutine in it. All clocks of the `time` module are the loop's meanwhile. Nothing in it may wait
for the real world: no sockets, no threads.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")
BEGIN = 1_800_000_000.0
"""Unix seconds at which a virtual call begins."""


class _Selector(selectors.SelectSelector):
    """Looks at what is ready, and where nothing is lets the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits for ever")
            self.passed += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` is seconds since it began."""

    def __init__(self) -> None:
        self.waiting = _Selector()
        super().__init__(self.waiting)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.waiting.passed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """At once: a thread would live in the real world."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in no time."""
    loop = VirtualLoop()
    clocks = {
        "time": lambda: BEGIN + loop.time(),
        "monotonic": loop.time,
        "perf_counter": loop.time,
        "time_ns": lambda: int((BEGIN + loop.time()) * 1e9),
        "monotonic_ns": lambda: int(loop.time() * 1e9),
        "perf_counter_ns": lambda: int(loop.time() * 1e9),
    }
    patches = [patch.object(time, name, clock) for name, clock in clocks.items()]
    for each in patches:
        each.start()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(work)
    finally:
        for each in patches:
            each.stop()
