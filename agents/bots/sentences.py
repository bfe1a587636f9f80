"""Cuts what one microphone hears into sentences, and knows when each of them was said."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from agents.bots.hearing import Pcm

RATE: Final = 16_000
WINDOW: Final = 512
"""Samples that voice activity is judged by: 32 ms."""
BEFORE: Final = 12
"""Windows before the first that sounds like speech, that belong to a sentence: its first consonant is soft."""
SURE: Final = 2
"""Windows of speech in a row that begin a sentence."""
PAUSE: Final = 16
"""Windows of silence that end one: half a second."""
BREATH: Final = 4
"""Those that end a long one."""
LONG: Final = 15 * RATE // WINDOW
LONGEST: Final = 28 * RATE // WINDOW
"""Windows of a sentence, at which it ends in the middle of a word: recognition takes 30 s."""
SPEECH: Final = 0.5
STILL_SPEECH: Final = 0.35
WINDOW_OF_CLOCK: Final = 5
"""Seconds of arrivals by which the clock is set."""
GAP: Final = 0.25
"""Seconds that frames come later than before, where sound was left out and not only delayed."""

Probability = Callable[[Pcm], float]
"""How much a window sounds like speech."""


@dataclass(frozen=True)
class Sentence:
    """Some speech between two silences."""

    samples: Pcm
    began: float
    """Unix seconds of its first sample."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


class StreamClock:
    """When a sample of a stream was heard, though the frames that bring it come now and then late."""

    def __init__(self) -> None:
        self._least: deque[tuple[int, float]] = deque()
        """The earliest start of the stream that each of the last seconds of it speaks for."""

    def note(self, position: int, arrived: float) -> None:
        """All samples before a position had arrived by then, in Unix seconds."""
        second, start = position // RATE, arrived - position / RATE
        if self._least and start > min(least for _, least in self._least) + GAP:
            self._least.clear()
        if self._least and self._least[-1][0] == second:
            start = min(start, self._least.pop()[1])
        self._least.append((second, start))
        while self._least[0][0] <= second - WINDOW_OF_CLOCK:
            self._least.popleft()

    def at(self, position: int) -> float:
        """Unix seconds of a sample."""
        return min(start for _, start in self._least) + position / RATE


class Cutter:
    """Fed with a stream at `RATE`; one thread at a time."""

    def __init__(self, probability: Probability, on_sentence: Callable[[Sentence], None]) -> None:
        self._probability, self._on_sentence = probability, on_sentence
        self._clock = StreamClock()
        self._rest: Pcm = np.zeros(0, np.int16)
        self._position = 0
        """Of the first sample after the windows that were judged."""
        self._before: deque[Pcm] = deque(maxlen=BEFORE + SURE)
        self._spoken: list[Pcm] | None = None
        self._sure = self._silent = 0

    def push(self, pcm: Pcm, arrived: float) -> None:
        """More of the stream; its last sample was there at `arrived`, in Unix seconds."""
        samples = np.concatenate((self._rest, pcm))
        self._clock.note(self._position + len(samples), arrived)
        for start in range(0, len(samples) - WINDOW + 1, WINDOW):
            self._position += WINDOW
            self._judge(samples[start : start + WINDOW])
        self._rest = samples[len(samples) // WINDOW * WINDOW :]

    def finish(self) -> None:
        """The stream has ended, perhaps in the middle of a sentence."""
        if self._spoken is not None:
            self._end()

    def _judge(self, window: Pcm) -> None:
        likely = self._probability(window)
        if self._spoken is None:
            self._before.append(window)
            self._sure = self._sure + 1 if likely >= SPEECH else 0
            if self._sure >= SURE:
                self._spoken, self._silent = list(self._before), 0
            return
        self._spoken.append(window)
        self._silent = 0 if likely > STILL_SPEECH else self._silent + 1
        length = len(self._spoken)
        if self._silent >= (PAUSE if length < LONG else BREATH) or length >= LONGEST:
            self._end()

    def _end(self) -> None:
        assert self._spoken is not None
        samples, self._spoken, self._sure = np.concatenate(self._spoken), None, 0
        self._before.clear()
        self._on_sentence(Sentence(samples, self._clock.at(self._position - len(samples))))
