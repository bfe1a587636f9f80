"""Text to speech: phrases spoken one after the other, the first as early as possible."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter

from parley.offline.audio import Resampler, Samples, Trimmer
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
        """The spoken text in pieces of about 100 ms, without silence in front of it."""
        for phrase, pause in phrases(text):
            key = (phrase, voice, speed, rate)
            known = self._cache.get(key)
            if known is not None:
                self._cache.move_to_end(key)
                yield known
            else:
                made: list[Samples] = []
                async with aclosing(self._synthesise(key)) as pieces:
                    async for piece in pieces:
                        made.append(piece)
                        yield piece
                self._remember(key, np.concatenate([np.zeros(0, np.int16), *made]))
            if pause:
                yield np.zeros(int(pause * rate), np.int16)

    async def _synthesise(self, key: Key) -> AsyncGenerator[Samples]:
        """Pieces of one phrase while a thread makes them; leaving early stops the thread."""
        phrase, voice, speed, rate = key
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Samples | None] = asyncio.Queue()  # bounded by the longest input the wire allows
        wanted = True
        trimmer, resampler = Trimmer(RATE), Resampler(RATE, rate)

        def hand_over(samples: Samples | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, samples)

        def sink(samples: Samples) -> bool:
            hand_over(resampler.push(trimmer.push(samples)))
            return wanted

        def make() -> None:
            try:
                self._flite.stream(phrase, sink, voice=voice, speed=speed)
                hand_over(resampler.push(trimmer.flush()))
                hand_over(resampler.flush())
            finally:
                hand_over(None)

        making = asyncio.ensure_future(anyio.to_thread.run_sync(make, limiter=self._thread))
        try:
            while (piece := await pieces.get()) is not None:
                if len(piece):
                    yield piece
        finally:
            wanted = False
            await making

    def _remember(self, key: Key, samples: Samples) -> None:
        if key in self._cache:
            return
        self._cache[key] = samples
        self._cached += len(samples)
        while self._cached > _CACHED_SAMPLES:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped)
