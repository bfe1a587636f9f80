"""One track on the timeline of its recording.

A frame arrives when the jitter buffer lets it go, so what was said at one moment arrives at different moments of
different tracks, and even of one: a buffer grows and shrinks. So a frame's place is its arrival less what the buffer
held it back. While the track runs its samples are counted, for arrivals are jittery and samples are not; the count is
put right when it has been off for a while: where the sound is quietest.
"""

import threading
from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from pocket.recorder.sources import Channel
from pocket.rooms.native import Pcm

RATE: Final = 48_000
USUAL_DELAY: Final = 0.04
"""Seconds that a buffer holds sound back while it has not been asked."""
OFF_FOR: Final = 8
"""Frames throughout which the count must be off before it is put right: arrivals are late now and then, never early."""
OFF_BY: Final = RATE * 12 // 1000
"""Samples that the count may be off."""
GAP: Final = RATE // 10
"""Samples that a frame must be late to be looked at: a stall, which its followers make up for, or a hole?"""
LOOK: Final = 0.12
"""Seconds without its followers after which it was a hole."""
AHEAD: Final = 400
"""Frames that are kept when nobody takes them: 20 s of 50 ms each."""
FADE: Final = 96
LOUD: Final = 1000
"""Of a sample, 30 dB below the loudest there can be: somebody speaks."""


class Voice:
    """Filled by the library's thread, emptied by the one that mixes. Places are samples since the `epoch`."""

    def __init__(self, epoch: float, channel: Channel) -> None:
        self.channel = channel
        self.delay = USUAL_DELAY
        self.begins: int | None = None
        """The place of its first sample."""
        self.corrections = self.holes = 0
        self.spoke = -1
        """The place at which it was loud last."""
        self._epoch = epoch
        self._lock = threading.Lock()
        self._next = 0
        self._off: deque[int] = deque(maxlen=OFF_FOR)
        self._late: list[tuple[int, Pcm]] = []
        self._late_since = 0.0
        """When the first of them arrived; with each is how late it is."""
        self._frames: deque[tuple[int, Pcm]] = deque(maxlen=AHEAD)

    @property
    def reached(self) -> int | None:
        """Up to where it has been heard; None before its first sound."""
        return None if self.begins is None else self._next

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be taken."""
        return not self._frames

    def put(self, arrived: float, pcm: Pcm) -> None:
        """Place a frame that arrived, whole, at a time of the monotonic clock."""
        with self._lock:
            place = round((arrived - self.delay - self._epoch) * RATE) - len(pcm)
            if self.begins is None:
                self.begins = self._next = place
            off = place - self._next
            if self._late or off > GAP:
                self._late_since = self._late_since if self._late else arrived
                self._late.append((off - sum(len(each) for _, each in self._late), pcm))
                if self._late[-1][0] <= GAP // 2 or arrived - self._late_since > LOOK:
                    self._settle()
                return
            self._off.append(off)
            least = min(self._off)
            if len(self._off) == OFF_FOR and abs(least) > OFF_BY:
                before = len(pcm)
                pcm = spliced(pcm, least)
                self._off = deque((each - len(pcm) + before for each in self._off), OFF_FOR)
                self.corrections += 1
            self._keep(pcm)

    def end(self) -> None:
        """There will be no more of it."""
        with self._lock:
            self._settle()

    def take(self, low: int, high: int, total: npt.NDArray[np.int32]) -> None:
        """Add what is between two places; what comes too late for its place is lost."""
        with self._lock:
            taken = []
            while self._frames and self._frames[0][0] < high:
                place, pcm = self._frames.popleft()
                if place + len(pcm) > high:
                    self._frames.appendleft((high, pcm[high - place :]))
                    pcm = pcm[: high - place]
                taken.append((place, pcm))
        for place, pcm in taken:
            start = max(place, low)
            kept = pcm[start - place :]
            total[start - low : start - low + len(kept)] += kept
            if len(kept) and max(int(kept.max()), -int(kept.min())) > LOUD:
                self.spoke = high

    def _settle(self) -> None:
        """Place late frames behind each other: where the earliest of them belongs, or where the count is."""
        if not self._late:
            return
        off = min(off for off, _ in self._late)
        if off > GAP // 2:
            self._next += off
            self.holes += 1
        for _, pcm in self._late:
            self._keep(pcm)
        self._late = []
        self._off.clear()

    def _keep(self, pcm: Pcm) -> None:
        self._frames.append((self._next, pcm))
        self._next += len(pcm)


def spliced(pcm: Pcm, by: int) -> Pcm:
    """The same sound, `by` samples longer, or shorter but never by more than a half, at its quietest place."""
    if by >= 0:
        place = _quietest(pcm, min(FADE, len(pcm)))
        return np.concatenate((pcm[:place], np.zeros(by, np.int16), pcm[place:]))
    cut = min(-by, len(pcm) // 2)
    fade = min(FADE, cut, len(pcm) - cut)
    place = _quietest(pcm, cut + fade)
    rising = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    seam = pcm[place : place + fade] * (1 - rising) + pcm[place + cut : place + cut + fade] * rising
    return np.concatenate((pcm[:place], seam.astype(np.int16), pcm[place + cut + fade :]))


def _quietest(pcm: Pcm, size: int) -> int:
    """Where the piece of a size begins that has the least energy."""
    sums = np.concatenate(([0.0], np.cumsum(pcm.astype(np.float64) ** 2)))
    return int(np.argmin(sums[size:] - sums[:-size]))
