"""The voices of a recording as one sound."""

import numpy as np

from pocket.recorder.sources import Channel
from pocket.recorder.voice import Voice
from pocket.rooms.native import Pcm


class Mixer:
    """Sums voices, with the same weight, into one channel or two."""

    def __init__(self, *, stereo: bool) -> None:
        self.stereo = stereo
        self.corrections = self.holes = 0
        """Of voices that went."""
        self._voices: list[Voice] = []
        self._ended: list[Voice] = []

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Those that are still heard."""
        return tuple(self._voices)

    def add(self, voice: Voice) -> None:
        """A voice came."""
        self._voices = [*self._voices, voice]

    def end(self, voice: Voice) -> None:
        """A voice went; what it said before is still to be mixed."""
        voice.end()
        self.corrections += voice.corrections
        self.holes += voice.holes
        self._voices = [each for each in self._voices if each is not voice]
        self._ended = [*(each for each in self._ended if not each.empty), voice]

    def behind(self) -> int | None:
        """Up to where every voice has been heard; None when there is none."""
        reached = [voice.reached for voice in self._voices]
        return min((place for place in reached if place is not None), default=None)

    def mix(self, low: int, high: int) -> Pcm:
        """The sound between two places; two channels alternate."""
        size = high - low
        totals = np.zeros((3 if self.stereo else 1, size), np.int32)
        for voice in (*self._voices, *self._ended):
            voice.take(low, high, totals[voice.channel if self.stereo else Channel.BOTH])
        if not self.stereo:
            one: Pcm = np.clip(totals[0], -32768, 32767).astype(np.int16)
            return one
        both = np.empty((size, 2), np.int32)
        np.add(totals[Channel.BOTH], totals[Channel.LEFT], out=both[:, 0])
        np.add(totals[Channel.BOTH], totals[Channel.RIGHT], out=both[:, 1])
        mixed: Pcm = np.clip(both, -32768, 32767).astype(np.int16).reshape(-1)
        return mixed
