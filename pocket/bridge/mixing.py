"""The voices of a room as one voice for a phone."""

from typing import Final

import numpy as np

from pocket.rooms.native import Heard, Pcm

CUSHION, CUSHION_AFTER = 1, 2
"""Frames a voice must be ahead before it is heard, our clock not being the library's: at first, and once it ran dry."""
DEEPEST: Final = 5
"""Frames a voice may be ahead; beyond, the oldest is dropped, for a call is better short of 20 ms than late."""
SURE: Final = 100
"""Frames, 2 s, throughout which a voice was further ahead than its cushion; then it is late for nothing."""
FADE: Final = 0.6
"""What fills the first hole of a voice that ran dry: what was heard last, this much softer."""


class _Voice:
    """A track, and how far it keeps ahead."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self._cushion, self._flowing = CUSHION, False
        self._lowest, self._looked = DEEPEST, 0
        self._last: Pcm | None = None

    def next(self) -> Pcm | None:
        """The next 20 ms; None while there is nothing."""
        frames = self.heard.frames
        if not self._flowing:
            if len(frames) < self._cushion:
                return None
            self._flowing = True
        if not frames:
            self._flowing = False
            self._cushion = CUSHION_AFTER
            return None if self._last is None else (self._last * FADE).astype(np.int16)
        if self._is_late(len(frames)):
            frames.popleft()
        self._last = frames.popleft()
        return self._last

    def _is_late(self, ahead: int) -> bool:
        """Whether a frame can be spared: there are too many, or there always was one more than needed."""
        self._lowest, self._looked = min(self._lowest, ahead), self._looked + 1
        if self._looked < SURE:
            return ahead > DEEPEST
        spare = self._lowest > self._cushion
        self._lowest, self._looked = DEEPEST, 0
        return spare


class Mixer:
    """Sums what is heard of every track, 20 ms at a time."""

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}

    def add(self, sid: str, heard: Heard) -> None:
        """A track came."""
        self._voices[sid] = _Voice(heard)

    def remove(self, sid: str) -> None:
        """A track went."""
        voice = self._voices.pop(sid, None)
        if voice is not None:
            voice.heard.close()

    def close(self) -> None:
        """All tracks went."""
        for sid in list(self._voices):
            self.remove(sid)

    def mix(self) -> Pcm | None:
        """The next 20 ms; None for silence."""
        total: Pcm | None = None
        for voice in self._voices.values():
            frame = voice.next()
            if frame is None:
                continue
            if total is None:
                total = frame
            elif len(frame) == len(total):
                total = np.clip(total.astype(np.int32) + frame, -32768, 32767).astype(np.int16)
        return total
