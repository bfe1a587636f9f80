"""How long something took, without what a busy machine kept from this process meanwhile."""

import asyncio
import time
from typing import Self

TICK = 0.01


class Stopwatch:
    """Open it as a context; `seconds` are those since then that this event loop had for itself."""

    def __init__(self) -> None:
        self._began = self._stolen = 0.0
        self._counting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._began = time.monotonic()
        self._counting = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._counting is not None
        self._counting.cancel()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began - self._stolen

    async def _count(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK)
            self._stolen += max(0.0, time.monotonic() - began - 1.5 * TICK)
