"""Joining a room."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from livekit import rtc

UNBROKEN: Final = "unbroken"
"""Name of a task that must not be cancelled."""


async def connect(room: rtc.Room, url: str, token: str, options: rtc.RoomOptions) -> None:
    """Connect a room, until its `connect_timeout` at most; who is cancelled meanwhile waits for the end of it."""
    await unbroken(room.connect(url, token, options))


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end; who is cancelled meanwhile waits for that.

    The library ends the whole process when a connection is given up half-way.
    """
    connecting = asyncio.create_task(work, name=UNBROKEN)
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        while not connecting.done():
            with contextlib.suppress(asyncio.CancelledError):  # again: the first is raised below
                await asyncio.wait((connecting,))
        if not connecting.cancelled():
            connecting.exception()  # of no interest any more
        raise


@contextlib.asynccontextmanager
async def during(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something to its end, as `unbroken` does, and the block meanwhile: it is under way when the block begins, and
    done at its end."""
    doing = asyncio.create_task(unbroken(work))
    try:
        await asyncio.sleep(0)  # `unbroken` begins
        await asyncio.sleep(0)  # and has the work begin
        yield
    finally:
        await doing
