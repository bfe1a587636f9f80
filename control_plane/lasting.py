"""Work of a process that goes on as long as the process does."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

BREATH = 1.0
"""Seconds until work that has ended begins again."""

log = structlog.get_logger()


async def for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin again whatever ended by a fault that nobody foresaw: those beside it go on, and so does the process."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed and begins again")
        await asyncio.sleep(BREATH)
