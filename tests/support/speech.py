"""Speech whose words are known, and when each is said."""

from dataclasses import dataclass

import numpy as np

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.support import studio

LOUD = 300


@dataclass(frozen=True)
class Spoken:
    """A word; seconds from the start of the sound."""

    word: str
    start: float
    end: float


def one_by_one(*words: str, gap: float = 0.12, voice: str = "rms") -> tuple[np.ndarray, list[Spoken]]:
    """Words with short silences between them, at 16 kHz, and when each begins and ends."""
    pieces: list[np.ndarray] = []
    spoken: list[Spoken] = []
    position = 0
    for word in words:
        samples = load_flite().speak(word, voice=voice)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
        sound = samples[loud[0] : loud[-1] + 1]
        spoken.append(Spoken(word, position / RATE, (position + len(sound)) / RATE))
        pieces += [sound, np.zeros(round(gap * RATE), np.int16)]
        position += len(sound) + round(gap * RATE)
    return np.concatenate(pieces), spoken


def said_at(samples: np.ndarray, begins: float) -> studio.Sound:
    """These samples (16 kHz) from a moment of the monotonic clock on, and else silence."""
    wide = resampled(samples, RATE, studio.RATE).astype(np.float64) / 32768

    def sound(moments: np.ndarray) -> np.ndarray:
        index = np.round((moments - begins) * studio.RATE).astype(int)
        heard = (index >= 0) & (index < len(wide))
        return np.where(heard, wide[np.clip(index, 0, len(wide) - 1)], 0.0)

    return sound
