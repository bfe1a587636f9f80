"""All voices of a meeting in one channel."""

import threading
from collections import deque
from typing import Final

import numpy as np

from agents.bots.hearing import Pcm

FIRST: Final = 0.06
"""Seconds of a voice that are there before any of it is mixed: frames come unevenly."""
MOST: Final = 0.3
"""Seconds of one that may wait; the oldest are lost."""


class Voice:
    """What one microphone says, until it is mixed."""

    def __init__(self, rate: int) -> None:
        self._first, self._most = round(FIRST * rate), round(MOST * rate)
        self._frames: deque[Pcm] = deque()
        self._size = 0
        self._flows = False
        self._lock = threading.Lock()

    def take(self, pcm: Pcm, _arrived: float) -> None:
        """More of it; on any thread."""
        with self._lock:
            self._frames.append(pcm)
            self._size += len(pcm)
            while self._size - len(self._frames[0]) >= self._most:
                self._size -= len(self._frames.popleft())

    def pull(self, size: int) -> Pcm | None:
        """So many samples; None where there are none to hear."""
        with self._lock:
            if self._size < (size if self._flows else max(size, self._first)):
                self._flows = False
                return None
            self._flows = True
            parts: list[Pcm] = []
            while size:
                frame = self._frames.popleft()
                if len(frame) > size:
                    self._frames.appendleft(frame[size:])
                    frame = frame[:size]
                parts.append(frame)
                size -= len(frame)
                self._size -= len(frame)
            return np.concatenate(parts)


class Mixer:
    """Adds voices up."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._voices: dict[str, Voice] = {}

    def add(self, name: str) -> Voice:
        """A voice that is mixed from now on."""
        voice = self._voices[name] = Voice(self._rate)
        return voice

    def remove(self, name: str) -> None:
        """A voice is no more."""
        self._voices.pop(name, None)

    def mix(self, size: int) -> bytes:
        """So many samples of all voices, 16 bits each, little endian; silence where there is nothing to hear."""
        voices = [pcm for voice in list(self._voices.values()) if (pcm := voice.pull(size)) is not None]
        if not voices:
            return bytes(2 * size)
        total = np.sum(voices, axis=0, dtype=np.int32) if len(voices) > 1 else voices[0]
        return np.clip(total, -32768, 32767).astype("<i2").tobytes()
