"""Speech to text: a bounded pool of decoders, live streams and whole recordings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import Final, TypeVar

import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter

from parley.offline.audio import RECOGNITION_RATE, Samples
from parley.offline.errors import Busy
from parley.offline.listening import Began, Continued, Ended, Listener
from parley.offline.pocketsphinx import Decoder, VoiceActivity, Word

Result = TypeVar("Result")
_SENTENCE_GAP_MS: Final = 400
_RECORDING_PADDING_MS: Final = 250
_AGREEING: Final = 3  # hypotheses, one for each piece of audio that arrives


@dataclass(frozen=True)
class Started:
    """The speaker began."""

    at_ms: int


@dataclass(frozen=True)
class Interim:
    """Words that the hypotheses agree on; the final text may still differ."""

    added: str


@dataclass(frozen=True)
class Stopped:
    """The speaker fell silent; the final text follows."""

    at_ms: int


@dataclass(frozen=True)
class Finished:
    """All of an utterance."""

    text: str


Recognised = Started | Interim | Stopped | Finished


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech in a recording; times in seconds from its start."""

    text: str
    start: float
    end: float
    words: list[Word]


class SpeechStream:
    """Decodes while speech arrives, so that a final text is ready a few milliseconds after the silence was found.

    Every method decodes and therefore blocks: call them from one worker thread at a time.
    """

    def __init__(self, decoder: Decoder, listener: Listener) -> None:
        self._decoder, self.listener = decoder, listener
        self._hypotheses: list[list[str]] = []
        self._sent: list[str] = []

    def push(self, samples: Samples) -> list[Recognised]:
        """Decode, and say what became known."""
        results: list[Recognised] = []
        for heard in self.listener.push(samples):
            match heard:
                case Began(at_ms=at_ms, samples=speech):
                    results.append(Started(at_ms))
                    self._hypotheses, self._sent = [], []
                    self._decoder.start()
                    self._decoder.feed(speech.tobytes())
                case Continued(samples=speech):
                    self._decoder.feed(speech.tobytes())
                case Ended(at_ms=at_ms):
                    results += self._finish(at_ms)
        if self.listener.speaking:
            results += self._interim()
        return results

    def finish(self) -> list[Recognised]:
        """End the utterance now; nothing happens when nobody is speaking."""
        return self._finish(self.listener.end().at_ms) if self.listener.speaking else []

    def _finish(self, at_ms: int) -> list[Recognised]:
        self._decoder.end()
        return [Stopped(at_ms), Finished(self._decoder.text)]

    def _interim(self) -> list[Recognised]:
        """A delta cannot be taken back, so only what several hypotheses in a row agree on is told."""
        self._hypotheses = [*self._hypotheses, self._decoder.text.split()[:-1]][-_AGREEING:]
        if len(self._hypotheses) < _AGREEING:
            return []
        columns = takewhile(lambda column: len(set(column)) == 1, zip(*self._hypotheses, strict=False))
        agreed = [column[0] for column in columns]
        if len(agreed) <= len(self._sent) or agreed[: len(self._sent)] != self._sent:
            return []
        added = (" " if self._sent else "") + " ".join(agreed[len(self._sent) :])
        self._sent = agreed
        return [Interim(added)]


class Recognisers:
    """At most `most` decoders; each is lent to one stream or recording at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places = asyncio.Semaphore(most)
        self._idle: list[Decoder] = []
        self._threads = CapacityLimiter(most)
        self._channel = b""  # `warm` learns it

    async def warm(self, count: int, samples: Sequence[Samples]) -> None:
        """Load `count` decoders; the first decodes `samples` to learn the sound of the voice, the others inherit it."""
        for index in range(min(count, self._most)):
            decoder = await self.run(Decoder)
            for sample in samples if index == 0 else samples[-1:]:
                await self.run(partial(_decode, decoder, sample))
            if index == 0:
                self._channel = decoder.channel
            self._idle.append(decoder)

    def close(self) -> None:
        """Frees the idle decoders."""
        for decoder in self._idle:
            decoder.close()
        self._idle.clear()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run decoding work in a thread; cancellation waits until the thread is done with the decoder."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    @asynccontextmanager
    async def decoder(self, *, timeout: float) -> AsyncIterator[Decoder]:
        """A decoder that nobody else uses and that remembers nothing of earlier speakers."""
        try:
            await asyncio.wait_for(self._places.acquire(), timeout)
        except TimeoutError as error:
            raise Busy(
                f"All {self._most} recognisers are in use. Try again later, or start the server with more --streams."
            ) from error
        try:
            decoder = self._idle.pop() if self._idle else await self.run(Decoder)
            decoder.channel = self._channel
            try:
                yield decoder
            finally:
                self._idle.append(decoder)
        finally:
            self._places.release()

    @asynccontextmanager
    async def stream(self, *, timeout: float) -> AsyncIterator[SpeechStream]:
        """A live stream at 16 kHz."""
        async with self.decoder(timeout=timeout) as decoder:
            activity = VoiceActivity()
            stream = SpeechStream(decoder, Listener(activity))
            try:
                yield stream
            finally:
                await self.run(stream.finish)
                activity.close()

    async def transcribe(self, samples: Samples, *, timeout: float) -> list[Utterance]:
        """A whole recording at 16 kHz."""
        async with self.decoder(timeout=timeout) as decoder:
            stretches = await self.run(partial(_stretches, samples))
            return [await self.run(partial(_recognise, decoder, *stretch)) for stretch in stretches]


def _decode(decoder: Decoder, samples: Samples) -> None:
    decoder.start()
    decoder.feed(samples.tobytes())
    decoder.end()


def _stretches(samples: Samples) -> list[tuple[int, Samples]]:
    """The spoken stretches of a recording with the position of their first sample."""
    activity = VoiceActivity()
    padding = _RECORDING_PADDING_MS * RECOGNITION_RATE // 1000
    found: list[tuple[int, Samples]] = []
    begin = 0
    try:
        listener = Listener(activity, silence_ms=_SENTENCE_GAP_MS, padding_ms=_RECORDING_PADDING_MS)
        quiet = np.zeros(_SENTENCE_GAP_MS * RECOGNITION_RATE // 1000 * 2, np.int16)
        for heard in listener.push(np.concatenate([samples, quiet])):
            if isinstance(heard, Began):
                begin = max(0, heard.at_ms * RECOGNITION_RATE // 1000 - padding)
            elif isinstance(heard, Ended):
                end = heard.at_ms * RECOGNITION_RATE // 1000 + padding
                found.append((begin, samples[begin:end]))
    finally:
        activity.close()
    return found


def _recognise(decoder: Decoder, begin: int, samples: Samples) -> Utterance:
    _decode(decoder, samples)
    offset = begin / RECOGNITION_RATE
    words = [replace(word, start=word.start + offset, end=word.end + offset) for word in decoder.words]
    return Utterance(decoder.text, offset, offset + len(samples) / RECOGNITION_RATE, words)
