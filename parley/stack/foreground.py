"""Running the platform in a terminal or under a service manager: until a signal, or until an activity is over."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from parley.stack.platform import Stack

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Signals = asyncio.Queue[signal.Signals]

Activity = Callable[[Stack], Awaitable[int | None]]


async def wait_forever(_: Stack) -> int | None:
    """Be the activity of a platform that runs until a signal."""
    await asyncio.Event().wait()
    return None


async def run_in_foreground(stack: Stack, activity: Activity = wait_forever) -> int:
    """Start the platform, run the activity, stop everything; return the exit status.

    The platform stays up until a signal when the activity returns None, and is stopped with its status when it
    returns one. The first signal stops everything in order, also in the middle of the start; a second one ends
    everything at once. Raises `StackError` when something could not start.
    """
    signals = asyncio.Queue[signal.Signals]()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signals.put_nowait, number)
    try:
        try:
            status = await _until_signal(_start_and_act(stack, activity), signals, stack)
        finally:
            stopping = asyncio.create_task(stack.stop())
            if not await _is_done_before_signal(stopping, signals):
                stopping.cancel()
                await asyncio.wait({stopping})
                await stack.kill()
            else:
                stopping.result()
        stack.announce("Stopped.")
        return status
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _start_and_act(stack: Stack, activity: Activity) -> int:
    await stack.start()
    status = await activity(stack)
    if status is None:
        await asyncio.Event().wait()
    return status or 0


async def _until_signal(work: Coroutine[Any, Any, int | None], signals: _Signals, stack: Stack) -> int:
    """Do the work; a signal cancels it, another one while it winds up ends everything at once."""
    task = asyncio.create_task(work)
    if await _is_done_before_signal(task, signals):
        return task.result() or 0
    task.cancel()
    if not await _is_done_before_signal(task, signals):
        task.cancel()
        await asyncio.wait({task})
        await stack.kill()
    if not task.cancelled() and (error := task.exception()) is not None:
        stack.announce(f"while ending: {error}")
    return 0


async def _is_done_before_signal(task: asyncio.Task[Any], signals: _Signals) -> bool:
    signalled = asyncio.create_task(signals.get())
    await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    return task.done()
