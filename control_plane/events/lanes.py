"""Work in lanes: in its order within each, and beside that of the others."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Self

import structlog

MOST_IN_LANE: Final = 100
MOST: Final = 5000
"""Of what is done or waits, in all lanes."""

Work = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Lanes:
    """Open for as long as the block; what waits at its end is given up."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[Work]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, lane: Hashable, work: Work) -> bool:
        """Have something done after what is before it in its lane; False where too much waits there, or in all."""
        waiting = self._waiting.get(lane)
        if self._count >= MOST or (waiting is not None and len(waiting) >= MOST_IN_LANE):
            return False
        self._count += 1
        if waiting is not None:
            waiting.append(work)
            return True
        self._waiting[lane] = waiting = deque([work])
        task = asyncio.create_task(self._run(lane, waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, lane: Hashable, waiting: deque[Work]) -> None:
        while waiting:
            try:
                await waiting[0]()
            except Exception:
                log.exception("work in a lane failed")
            finally:
                waiting.popleft()
                self._count -= 1
        del self._waiting[lane]
