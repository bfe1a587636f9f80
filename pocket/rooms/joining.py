"""Joining a room."""

import asyncio
import contextlib

from livekit import rtc


async def connect(room: rtc.Room, url: str, token: str, options: rtc.RoomOptions) -> None:
    """Connect a room, until its `connect_timeout` at most; who is cancelled meanwhile waits for the end of it.

    The library ends the whole process when a connection is given up half-way.
    """
    connecting = asyncio.ensure_future(room.connect(url, token, options))
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        while not connecting.done():
            with contextlib.suppress(asyncio.CancelledError):  # again: the first is raised below
                await asyncio.wait((connecting,))
        if not connecting.cancelled():
            connecting.exception()  # of no interest any more
        raise
