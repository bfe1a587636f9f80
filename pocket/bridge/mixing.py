"""The voices of a room as one voice for a phone."""

from typing import Final

import numpy as np

from pocket.bridge.native import Heard, Pcm

CUSHION: Final = 2
"""Frames a voice must be ahead before it is heard, at first and whenever it ran dry: our clock is not the library's."""
DEEPEST: Final = 5
"""Frames a voice may be ahead; beyond, the oldest is dropped, for a call is better short of 20 ms than late."""


class Mixer:
    """Sums what is heard of every track, 20 ms at a time."""

    def __init__(self) -> None:
        self._voices: dict[str, tuple[Heard, list[bool]]] = {}
        self.dropped = self.ran_dry = 0

    def add(self, sid: str, heard: Heard) -> None:
        """A track came."""
        self._voices[sid] = heard, [False]

    def remove(self, sid: str) -> None:
        """A track went."""
        voice = self._voices.pop(sid, None)
        if voice is not None:
            voice[0].close()

    def close(self) -> None:
        """All tracks went."""
        for sid in list(self._voices):
            self.remove(sid)

    def mix(self) -> Pcm | None:
        """The next 20 ms; None for silence."""
        total: Pcm | None = None
        for heard, flowing in self._voices.values():
            frames = heard.frames
            if not flowing[0]:
                if len(frames) < CUSHION:
                    continue
                flowing[0] = True
            if len(frames) > DEEPEST:
                frames.popleft()
                self.dropped += 1
            if not frames:
                flowing[0] = False
                self.ran_dry += 1
                continue
            frame = frames.popleft()
            if total is None:
                total = frame
            elif len(frame) == len(total):
                total = np.clip(total.astype(np.int32) + frame, -32768, 32767).astype(np.int16)
        return total
