"""In and out of rooms: the waiting room, the meeting."""

import asyncio
import contextlib
import json
from typing import Final

import structlog
from livekit import rtc

from agents.bots.endings import Over
from agents.contract import EndReason

ADMITTED: Final = "parley.admitted"
"""Topic of the message to who waits: `{"token", "url"}`; with them the meeting is joined."""
JOIN_WITHIN: Final = 15.0
"""Seconds of one attempt: where many come at once, the last waits for the first."""
PAUSES: Final = (0.5, 2.0)
"""Seconds between attempts."""
LEAVE_WITHIN: Final = 3.0
SENT_AWAY: Final = (rtc.DisconnectReason.PARTICIPANT_REMOVED, rtc.DisconnectReason.ROOM_DELETED)

log = structlog.get_logger()


async def join(room: rtc.Room, url: str, token: str) -> None:
    """Enter a room and subscribe to nothing. Raises `Over` where it cannot be entered, after several attempts."""
    options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=JOIN_WITHIN)
    for pause in (*PAUSES, None):
        try:
            async with asyncio.timeout(2 * JOIN_WITHIN):
                return await _connect(room, url, token, options)
        except (TimeoutError, rtc.ConnectError, RuntimeError) as error:
            log.warning("a room cannot be joined", reason=type(error).__name__)
            if pause is None:
                raise Over("cannot_join", failed=True) from error
        await asyncio.sleep(pause)


async def leave(room: rtc.Room) -> None:
    """Leave a room, whatever its state."""
    try:
        async with asyncio.timeout(LEAVE_WITHIN):
            await room.disconnect()
    except (TimeoutError, RuntimeError):
        log.warning("a room could not be left")


async def be_admitted(url: str, token: str, patience: float) -> str:
    """Wait in a waiting room; the token of the meeting. Raises `Over` where the bot does not get in."""
    answer: asyncio.Future[str | Over] = asyncio.get_running_loop().create_future()

    def told(packet: rtc.DataPacket) -> None:
        if packet.topic == ADMITTED and packet.participant is None and not answer.done():
            with contextlib.suppress(ValueError, KeyError):  # only the platform writes without being a participant
                answer.set_result(str(json.loads(packet.data)["token"]))

    def sent_away(reason: int) -> None:
        if not answer.done():
            answer.set_result(Over(why_disconnected(reason, waiting=True)))

    room = rtc.Room()
    room.on("data_received", told)
    room.on("disconnected", sent_away)
    try:
        await join(room, url, token)
        async with asyncio.timeout(patience):
            told_so = await answer
    except TimeoutError as error:
        raise Over("not_admitted") from error
    finally:
        room.off("disconnected", sent_away)
        await leave(room)
    if isinstance(told_so, Over):
        raise told_so
    return told_so


def why_disconnected(reason: int, *, waiting: bool) -> EndReason:
    """What a connection that ended without our doing means."""
    if waiting and reason in SENT_AWAY:
        return "denied"
    return "removed" if reason == rtc.DisconnectReason.PARTICIPANT_REMOVED else "room_closed"


async def _connect(room: rtc.Room, url: str, token: str, options: rtc.RoomOptions) -> None:
    """Connect, until the options' timeout at most; who is cancelled meanwhile waits for the end of it.

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
