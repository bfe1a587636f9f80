"""Text to speech: phrases spoken one after the other, the first as early as possible."""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter

from parley.offline.audio import Samples, resampled, trimmed
from parley.offline.flite import RATE, Flite

_CACHED_SAMPLES: Final = 60 * 24_000 * 10  # ten minutes, 29 MB
_SENTENCE_PAUSE_S: Final = 0.25
_CLAUSE_PAUSE_S: Final = 0.12
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])|\n+")
_CLAUSE_END: Final = re.compile(r"(?<=[,;:])\s+")
_SHORTEST_CLAUSE: Final = 24
_ABBREVIATION: Final = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|vs|etc|e\.g|i\.e|[A-Z])\.$")

Key = tuple[str, str, float, int]


def phrases(text: str) -> list[tuple[str, float]]:
    """The text in pieces that can be spoken alone, each with the pause after it in seconds.

    Only the opening is cut at a clause: the listener waits for the first sound, not for the rest.
    """
    sentences: list[str] = []
    for part in _SENTENCE_END.split(text.strip()):
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] += " " + part
        elif part.strip():
            sentences.append(part.strip())
    pieces = [(sentence, _SENTENCE_PAUSE_S) for sentence in sentences]
    if sentences:
        for cut in _CLAUSE_END.finditer(sentences[0]):
            opening, rest = sentences[0][: cut.start()], sentences[0][cut.end() :]
            if len(opening) >= _SHORTEST_CLAUSE and len(rest) >= _SHORTEST_CLAUSE:
                pieces[:1] = [(opening, _CLAUSE_PAUSE_S), (rest, _SENTENCE_PAUSE_S)]
                break
    if pieces:
        pieces[-1] = (pieces[-1][0], 0.0)
    return pieces


class Speaker:
    """Speaks phrases and remembers what it said lately."""

    def __init__(self, flite: Flite) -> None:
        self._flite = flite
        self._cache: OrderedDict[Key, Samples] = OrderedDict()
        self._cached = 0
        self._thread = CapacityLimiter(1)  # flite speaks one phrase at a time anyway

    async def speak(self, text: str, *, voice: str, speed: float, rate: int) -> AsyncIterator[Samples]:
        """The spoken text piece by piece, without silence in front of it."""
        for phrase, pause in phrases(text):
            key = (phrase, voice, speed, rate)
            samples = self._cache.get(key)
            if samples is None:
                samples = await anyio.to_thread.run_sync(partial(self._synthesise, *key), limiter=self._thread)
                self._remember(key, samples)
            else:
                self._cache.move_to_end(key)
            yield np.concatenate([samples, np.zeros(int(pause * rate), np.int16)])

    def _synthesise(self, phrase: str, voice: str, speed: float, rate: int) -> Samples:
        return resampled(trimmed(self._flite.speak(phrase, voice=voice, speed=speed), RATE), RATE, rate)

    def _remember(self, key: Key, samples: Samples) -> None:
        if key in self._cache:
            return
        self._cache[key] = samples
        self._cached += len(samples)
        while self._cached > _CACHED_SAMPLES:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped)
