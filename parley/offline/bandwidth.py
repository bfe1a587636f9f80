"""Whether a voice came over a telephone, whose sound ends below 4 kHz."""

from collections import deque
from typing import Final

import numpy as np

from parley.offline.audio import RECOGNITION_RATE, Samples

FRAME: Final = 512
_LOUD: Final = 1e9  # the spectral power of a tone whose peak is 250 of 32767
_NARROW_DB: Final = -50.0  # above 4.8 kHz beside below 3.4 kHz; heard: -82 to -54 on telephones, -45 to 0 elsewhere
_ENOUGH: Final = 7  # loud frames, 224 ms of speech
_MOST: Final = 100  # frames that are remembered, so that another speaker of the same stream is noticed

_HERTZ: Final = np.fft.rfftfreq(FRAME, 1 / RECOGNITION_RATE)
_LOW: Final = (_HERTZ > 200) & (_HERTZ < 3400)
_HIGH: Final = (_HERTZ > 4800) & (_HERTZ < 6800)
_WINDOW: Final = np.hanning(FRAME).astype(np.float32)


class Bandwidth:
    """Judges a stream of speech at 16 kHz. A click does not change its mind, for every loud frame has one voice."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._levels: deque[float] = deque(maxlen=_MOST)

    def hear(self, samples: Samples) -> None:
        """Take in more of the speech."""
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // FRAME * FRAME
        self._rest = sound[whole:]
        power = np.abs(np.fft.rfft(sound[:whole].reshape(-1, FRAME) * _WINDOW)) ** 2
        low, high = power[:, _LOW].sum(1), power[:, _HIGH].sum(1)
        loud = low > _LOUD
        self._levels.extend(10 * np.log10((high[loud] + 1) / low[loud]))

    @property
    def sure(self) -> bool:
        """Whether enough was heard to judge."""
        return len(self._levels) >= _ENOUGH

    @property
    def narrow(self) -> bool:
        """The judgement; wide before anything was heard."""
        return bool(self._levels) and float(np.median(self._levels)) < _NARROW_DB
