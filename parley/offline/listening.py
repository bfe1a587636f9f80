"""Where speech begins and ends in a stream of samples: decisions only, no recogniser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from parley.offline.audio import RECOGNITION_RATE, Samples

FRAME: Final = RECOGNITION_RATE // 100
FRAME_MS: Final = 10
_QUIETEST_SPEECH: Final = 250  # of 32767; below it nothing counts as speech
_ABOVE_NOISE: Final = 3.0  # to begin; half of it keeps an utterance going through its quiet consonants
_NOISE_RISE, _NOISE_FALL = 0.02, 0.2
_LOUDEST_NOISE: Final = 400.0  # louder is speech, whatever came before
_FRAMES_TO_BEGIN: Final = 4  # within the window below: a click is shorter
_BEGIN_WINDOW: Final = 6


@dataclass(frozen=True)
class Began:
    """Speech began; `samples` start a little before it."""

    at_ms: int
    samples: Samples


@dataclass(frozen=True)
class Continued:
    """More of the same utterance, silence inside it included."""

    samples: Samples


@dataclass(frozen=True)
class Ended:
    """The utterance is over; `at_ms` is when the last sound of it was heard."""

    at_ms: int


Heard = Began | Continued | Ended


@dataclass
class Listener:
    """Cuts a stream into utterances. `is_speech` judges one frame of 10 ms."""

    is_speech: Callable[[bytes], bool]
    silence_ms: int = 120
    padding_ms: int = 250
    longest_ms: int = 30_000
    speaking: bool = field(default=False, init=False)
    _rest: Samples = field(default_factory=lambda: np.zeros(0, np.int16), init=False)
    _before: list[Samples] = field(default_factory=list, init=False)
    _recent: list[bool] = field(default_factory=list, init=False)
    _frames: int = field(default=0, init=False)
    _began: int = field(default=0, init=False)
    _last_sound: int = field(default=0, init=False)
    _noise: float = field(default=0.0, init=False)

    def push(self, samples: Samples) -> Iterator[Heard]:
        """What happened in these samples, in order."""
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // FRAME * FRAME
        self._rest = sound[whole:]
        run: list[Samples] = []
        for frame in sound[:whole].reshape(-1, FRAME):
            loud = self._judge(frame)
            self._frames += 1
            if not self.speaking:
                began = self._listen(frame, loud)
                if began:
                    yield began
                continue
            run.append(frame)
            if loud:
                self._last_sound = self._frames
            silent_ms = (self._frames - self._last_sound) * FRAME_MS
            if silent_ms >= self.silence_ms or (self._frames - self._began) * FRAME_MS >= self.longest_ms:
                yield Continued(np.concatenate(run))
                run = []
                yield self.end()
        if run:
            yield Continued(np.concatenate(run))

    def end(self) -> Ended:
        """End the utterance at once, whoever decided it."""
        self.speaking = False
        self._recent.clear()
        self._before.clear()
        return Ended(self._last_sound * FRAME_MS)

    def _judge(self, frame: Samples) -> bool:
        peak = float(np.abs(frame.astype(np.int32)).max())
        above = _ABOVE_NOISE / 2 if self.speaking else _ABOVE_NOISE
        loud = peak > max(_QUIETEST_SPEECH, self._noise * above) and self.is_speech(frame.tobytes())
        if not loud and not self.speaking:
            pace = _NOISE_FALL if peak < self._noise else _NOISE_RISE
            self._noise = min(_LOUDEST_NOISE, self._noise + (peak - self._noise) * pace)
        return loud

    def _listen(self, frame: Samples, loud: bool) -> Began | None:
        self._before = [*self._before, frame][-(self.padding_ms // FRAME_MS + _BEGIN_WINDOW) :]
        self._recent = [*self._recent, loud][-_BEGIN_WINDOW:]
        if sum(self._recent) < _FRAMES_TO_BEGIN:
            return None
        self.speaking = True
        self._last_sound = self._frames
        self._began = self._frames - len(self._recent) + self._recent.index(True)
        return Began(self._began * FRAME_MS, np.concatenate(self._before))
