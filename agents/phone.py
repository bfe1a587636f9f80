"""The keys of a phone in the room."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from livekit import rtc

KEYS: Final = "0123456789*#ABCD"
PAUSE: Final = 0.5
"""Seconds of a `w`."""
ENTERED_AFTER: Final = 1.5
"""Seconds without another key after which what was pressed is complete; `#` completes it at once."""
MOST_KEYS: Final = 64
"""Of one entry; and how many of ours may wait to be pressed."""

log = structlog.get_logger()


class Keypad:
    """Both ways of a phone's keys: those that are pressed there, and those that we press for it to hear."""

    def __init__(self, room: rtc.Room, identity: str, on_entered: Callable[[str], None] | None) -> None:
        """`on_entered` gets what was pressed on the phone of this identity, without its final `#`."""
        self._room, self._identity, self._on_entered = room, identity, on_entered
        self._entered = ""
        self._complete: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_KEYS)
        self._pressing = asyncio.create_task(self._press_waiting())
        if on_entered is not None:
            room.on("sip_dtmf_received", self._heard)

    def press(self, digits: str) -> None:
        """Press keys, after those that still wait; `w` is a pause. The SIP service plays each in full."""
        for digit in digits[: MOST_KEYS - self._waiting.qsize()]:
            self._waiting.put_nowait(digit)

    def close(self) -> str:
        """Press and hear nothing any more; what was pressed last, where nothing has shown yet that it is complete."""
        self._room.off("sip_dtmf_received", self._heard)
        if self._complete is not None:
            self._complete.cancel()
        self._pressing.cancel()
        entered, self._entered, self._complete = self._entered, "", None
        return entered

    async def _press_waiting(self) -> None:
        while True:
            digit = await self._waiting.get()
            if digit == "w":
                await asyncio.sleep(PAUSE)
                continue
            try:
                await self._room.local_participant.publish_dtmf(code=KEYS.index(digit), digit=digit)
            except rtc.participant.PublishDTMFError:
                log.warning("a key was not pressed")

    def _heard(self, key: rtc.SipDTMF) -> None:
        if key.participant is None or key.participant.identity != self._identity or key.digit not in KEYS:
            return
        if self._complete is not None:
            self._complete.cancel()
        if key.digit == "#" and self._entered:
            self._enter()
            return
        self._entered = (self._entered + key.digit)[:MOST_KEYS]
        self._complete = asyncio.get_running_loop().call_later(ENTERED_AFTER, self._enter)

    def _enter(self) -> None:
        entered, self._entered, self._complete = self._entered, "", None
        if self._on_entered is not None:
            self._on_entered(entered)
