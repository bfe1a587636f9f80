"""Keys of a telephone as RTP events (RFC 4733)."""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from pocket.rtp.codecs import FRAME_BYTES, FRAME_MS

KEYS: Final = "0123456789*#ABCD"
"""By number of event."""
TONE_MS: Final = 160
GAP_MS: Final = 80
"""Pause after a digit, for receivers that turn events back into tones."""
PAUSE_MS: Final = 500
"""What a `w` is worth."""
END_PACKETS: Final = 3
"""How often the end is said: one of them will arrive."""
MOST_WAITING: Final = 256
"""Digits a sender holds."""
LONGEST: Final = 0xFFFF
"""Units of timestamp after which a long event goes on under a new timestamp (section 2.5.1.3)."""
RECENT: Final = 16_000
"""Units of timestamp in which a packet may come late: two seconds."""
EVENT: Final = struct.Struct("!BBH")
END: Final = 0x80
VOLUME: Final = 10
"""-10 dBm0."""


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet of a digit: its timestamp is that of the digit's beginning."""

    payload: bytes
    timestamp: int
    marker: bool


class DigitSender:
    """Digits into packets, one every 20 ms."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._event = 0
        self._began = 0
        self._sent = self._pause = 0

    @property
    def busy(self) -> bool:
        """Whether a digit or a pause is under way or waiting."""
        return bool(self._queue or self._sent or self._pause)

    def push(self, text: str) -> None:
        """Queue digits and pauses (`w`). Other characters are passed over, and what exceeds `MOST_WAITING`."""
        for key in text[:MOST_WAITING].upper():
            if len(self._queue) < MOST_WAITING and (key in KEYS or key == "W"):
                self._queue.append(key)

    def clear(self) -> None:
        """Forget what was queued."""
        self._queue.clear()
        self._sent = self._pause = 0

    def step(self, timestamp: int) -> EventPacket | None:
        """Return the packet of these 20 ms, whose timestamp this is; None in a pause, or while there is nothing."""
        if not self._sent and not self._pause and self._queue:
            key = self._queue.popleft()
            if key == "W":
                self._pause = PAUSE_MS // FRAME_MS
            else:
                self._event, self._began, self._sent = KEYS.index(key), timestamp, 0
                return self._tone()
        if self._sent:
            return self._tone()
        self._pause = max(0, self._pause - 1)
        return None

    def _tone(self) -> EventPacket:
        frames = TONE_MS // FRAME_MS
        is_end = self._sent >= frames
        self._sent += 1
        duration = min(self._sent, frames) * FRAME_BYTES
        packet = EventPacket(
            EVENT.pack(self._event, VOLUME | (END if is_end else 0), duration), self._began, self._sent == 1
        )
        if self._sent == frames + END_PACKETS:
            self._sent, self._pause = 0, GAP_MS // FRAME_MS
        return packet


class DigitReceiver:
    """Packets into digits, each once, at the first packet of it that arrives: any of them suffices."""

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._timestamp = 0
        self._event = 0
        self._ended = False

    def receive(self, ssrc: int, timestamp: int, payload: bytes) -> str | None:
        """Return the digit that this packet begins, if it begins one. Events that are no digits are passed over."""
        if len(payload) < EVENT.size or payload[0] >= len(KEYS):
            return None
        event, is_end = payload[0], bool(payload[1] & END)
        is_held = False
        if ssrc == self._ssrc:
            later = (timestamp - self._timestamp) & 0xFFFFFFFF
            if later > 0xFFFFFFFF - RECENT:
                return None  # a late packet of a digit before
            if later == 0:
                self._ended |= is_end
                return None
            is_held = event == self._event and not self._ended and LONGEST - 2 * FRAME_BYTES <= later <= LONGEST
        self._ssrc, self._timestamp, self._event, self._ended = ssrc, timestamp, event, is_end
        return None if is_held else KEYS[event]
