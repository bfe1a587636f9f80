"""Sending to many sockets without a task for each: one task serves all that read."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable


class Senders:
    """Works off whatever wakes it, in turn. What waits is waited for by the task that met it; others go on."""

    def __init__(self) -> None:
        self._ready: deque[Callable[[], Awaitable[None]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._called = False

    def wake(self, flush: Callable[[], Awaitable[None]]) -> None:
        """Call and await `flush` soon; it ends by itself, or with the task that it runs in."""
        self._ready.append(flush)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Start a task, and look behind its first step: whatever is left by then is left by one that waits."""
        self._called = bool(self._ready)
        if self._ready:
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            asyncio.get_running_loop().call_soon(self._go_on)

    async def _work(self) -> None:
        while self._ready:
            await self._ready.popleft()()
