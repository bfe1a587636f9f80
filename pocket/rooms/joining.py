"""Joining and leaving a room."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from livekit import rtc
from livekit.protocol.models import DisconnectReason

from pocket.rooms.signalling import Line

PART_WITHIN: Final = 1.0
"""Seconds for the library to take in that everybody else has gone: it keeps the room's memory otherwise."""


async def connect(
    room: rtc.Room, line: Line, token: str, options: rtc.RoomOptions, on_end: Callable[[int], None]
) -> None:
    """Connect a room, until its `connect_timeout` at most; who is cancelled meanwhile waits for the end of it.

    The library ends the whole process when a connection is given up half-way. `on_end(reason)` is called when LiveKit
    ends the room for us, instead of the room's `disconnected`: it is then to be left as ever.
    """
    connecting = asyncio.ensure_future(room.connect(line.url, token, options))
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait((connecting,))
        if not connecting.cancelled():
            connecting.exception()  # of no interest any more
        raise
    line.on_end = on_end


async def leave(room: rtc.Room, line: Line, reason: int = DisconnectReason.CLIENT_INITIATED) -> None:
    """Leave a room whose events are of no interest any more: it tells that all others left, before we do."""
    alone = asyncio.Event()

    def look(_: Any) -> None:
        if not room.remote_participants:
            alone.set()

    room.on("participant_disconnected", look)
    try:
        if await line.part() and room.remote_participants:
            with suppress(TimeoutError):
                async with asyncio.timeout(PART_WITHIN):
                    await alone.wait()
        await room.disconnect(reason=reason)  # type: ignore[arg-type]
    finally:
        line.close()
