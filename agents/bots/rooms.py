"""In and out of rooms: the waiting room, the meeting."""

import asyncio
import contextlib
import json
from typing import Final

import structlog
from livekit import rtc

from agents.bots.endings import Lost, Over
from pocket.rooms.joining import connect

ADMITTED: Final = "parley.admitted"
"""Topic of the message to who waits: `{"token", "url"}`; with them the meeting is joined."""
JOIN_WITHIN: Final = 15.0
"""Seconds of one attempt: where many come at once, the last waits for the first."""
PAUSES: Final = (0.5, 2.0)
"""Seconds between attempts."""
PAUSES_AGAIN: Final = (*PAUSES, *(5.0,) * 24)
"""The same for a bot that was sent before: the meeting's server may be on its way back."""
LEAVE_WITHIN: Final = 3.0
SENT_AWAY: Final = (rtc.DisconnectReason.PARTICIPANT_REMOVED, rtc.DisconnectReason.ROOM_DELETED)
CLOSED: Final = (*SENT_AWAY, rtc.DisconnectReason.ROOM_CLOSED)
"""What somebody has decided; all else is an accident, after which the library has tried to come back for 20 s."""

log = structlog.get_logger()


async def join(room: rtc.Room, url: str, token: str, *, again: bool = False) -> None:
    """Enter a room and subscribe to nothing. Raises `Over` where it cannot be entered, after several attempts."""
    options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=JOIN_WITHIN)
    for pause in (*(PAUSES_AGAIN if again else PAUSES), None):
        try:
            async with asyncio.timeout(2 * JOIN_WITHIN):
                return await connect(room, url, token, options)
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


async def be_admitted(url: str, token: str, patience: float, *, again: bool = False) -> str:
    """Wait in a waiting room; the token of the meeting. Raises `Over` where the bot does not get in, `Lost`."""
    answer: asyncio.Future[str | Over | Lost] = asyncio.get_running_loop().create_future()

    def told(packet: rtc.DataPacket) -> None:
        if packet.topic == ADMITTED and packet.participant is None and not answer.done():
            with contextlib.suppress(ValueError, KeyError):  # only the platform writes without being a participant
                answer.set_result(str(json.loads(packet.data)["token"]))

    def sent_away(reason: rtc.DisconnectReason.ValueType) -> None:
        if not answer.done():
            answer.set_result(why_disconnected(reason, waiting=True))

    room = rtc.Room()
    room.on("data_received", told)
    room.on("disconnected", sent_away)
    try:
        await join(room, url, token, again=again)
        async with asyncio.timeout(patience):
            told_so = await answer
    except TimeoutError as error:
        raise Over("not_admitted") from error
    finally:
        room.off("disconnected", sent_away)
        await leave(room)
    if isinstance(told_so, Exception):
        raise told_so
    return told_so


def why_disconnected(reason: rtc.DisconnectReason.ValueType, *, waiting: bool) -> Over | Lost:
    """What a connection that ended without our doing means."""
    if reason not in CLOSED:
        return Lost(rtc.DisconnectReason.Name(reason))
    if waiting and reason in SENT_AWAY:
        return Over("denied")
    return Over("removed" if reason == rtc.DisconnectReason.PARTICIPANT_REMOVED else "room_closed")
