"""Work that is given up when what it is for has ended."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

INSIST: Final = 0.5
"""Seconds until work that goes on is cancelled once more."""

Value = TypeVar("Value")


class EndedError(Exception):
    """What the work was for has ended."""


async def unless(ending: asyncio.Future[Any], work: Awaitable[Value]) -> Value:
    """The result of some work; where the end comes first the work is cancelled, and this raises `EndedError`."""
    task = asyncio.ensure_future(work)
    try:
        waited_for: set[asyncio.Future[Any]] = {task, ending}
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise EndedError
    finally:
        while not task.done():  # libraries lose a cancellation: `asyncio.wait_for` does before Python 3.12
            task.cancel()
            await asyncio.wait({task}, timeout=INSIST)
        if not task.cancelled():
            task.exception()  # of no interest any more
