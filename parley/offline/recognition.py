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

from parley.offline.audio import RECOGNITION_RATE, Samples, resampled
from parley.offline.bandwidth import Bandwidth
from parley.offline.errors import Busy
from parley.offline.listening import Began, Continued, Ended, Listener
from parley.offline.pocketsphinx import Decoder, VoiceActivity, Word

Result = TypeVar("Result")
_SENTENCE_GAP_MS: Final = 400
_RECORDING_PADDING_MS: Final = 250
_TELEPHONE_RATE: Final = 8_000
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


@dataclass(frozen=True)
class Channels:
    """How speech sounds before anything of it was heard (cepstral means of a decoder), by the bandwidth of its way.

    With the means of wide band a decoder knows one in five words of a telephone, until it has heard seconds of it.
    """

    wide: bytes = b""
    narrow: bytes = b""


class SpeechStream:
    """Decodes while speech arrives, so that a final text is ready a few milliseconds after the silence was found.

    Every method decodes and therefore blocks: call them from one worker thread at a time.
    """

    def __init__(self, decoder: Decoder, listener: Listener, channels: Channels) -> None:
        self._decoder, self.listener, self._channels = decoder, listener, channels
        self._bandwidth, self._narrow = Bandwidth(), False
        self._held: list[Samples] | None = None
        """Speech that is not decoded before the bandwidth is known: the first tenths of a second."""
        self._hypotheses: list[list[str]] = []
        self._sent: list[str] = []

    def push(self, samples: Samples) -> list[Recognised]:
        """Decode, and say what became known."""
        results: list[Recognised] = []
        for heard in self.listener.push(samples):
            match heard:
                case Began(at_ms=at_ms, samples=speech):
                    results.append(Started(at_ms))
                    self._hypotheses, self._sent, self._held = [], [], []
                    self._take(speech)
                case Continued(samples=speech):
                    self._take(speech)
                case Ended(at_ms=at_ms):
                    results += self._finish(at_ms)
        if self.listener.speaking and self._held is None:
            results += self._interim()
        return results

    def finish(self) -> list[Recognised]:
        """End the utterance now; nothing happens when nobody is speaking."""
        return self._finish(self.listener.end().at_ms) if self.listener.speaking else []

    def _take(self, speech: Samples) -> None:
        self._bandwidth.hear(speech)
        if self._held is None:
            self._decoder.feed(speech.tobytes())
            return
        self._held.append(speech)
        if self._bandwidth.sure:
            self._decode(self._held)

    def _decode(self, held: list[Samples]) -> None:
        if self._bandwidth.narrow != self._narrow:
            self._narrow = self._bandwidth.narrow
            self._decoder.channel = self._channels.narrow if self._narrow else self._channels.wide
        self._held = None
        self._decoder.start()
        self._decoder.feed(np.concatenate(held).tobytes())

    def _finish(self, at_ms: int) -> list[Recognised]:
        if self._held is not None:
            self._decode(self._held)
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
        self._channels = Channels()  # `warm` learns them

    async def warm(self, count: int, samples: Sequence[Samples]) -> None:
        """Load `count` decoders; the first decodes `samples`, at 16 kHz, to learn how the voice sounds.

        It hears them as they are and as over a telephone; the others inherit what it learnt.
        """
        for index in range(min(count, self._most)):
            decoder = await self.run(Decoder)
            if index == 0:
                unlearnt = decoder.channel
                narrow = await self.run(partial(_learn, decoder, [_as_by_telephone(sample) for sample in samples]))
                decoder.channel = unlearnt
                self._channels = Channels(await self.run(partial(_learn, decoder, samples)), narrow)
            else:
                await self.run(partial(_learn, decoder, samples[-1:]))
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
            async with asyncio.timeout(timeout):
                await self._places.acquire()
        except TimeoutError as error:
            raise Busy(
                f"All {self._most} recognisers are in use. Try again later, or start the server with more --streams."
            ) from error
        try:
            decoder = self._idle.pop() if self._idle else await self.run(Decoder)
            decoder.channel = self._channels.wide
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
            stream = SpeechStream(decoder, Listener(activity), self._channels)
            try:
                yield stream
            finally:
                await self.run(stream.finish)
                activity.close()

    async def transcribe(self, samples: Samples, *, timeout: float) -> list[Utterance]:
        """A whole recording at 16 kHz."""
        async with self.decoder(timeout=timeout) as decoder:
            stretches = await self.run(partial(_stretches, samples))
            if await self.run(partial(_is_narrow, stretches)):
                decoder.channel = self._channels.narrow
            return [await self.run(partial(_recognise, decoder, *stretch)) for stretch in stretches]


def _decode(decoder: Decoder, samples: Samples) -> None:
    decoder.start()
    decoder.feed(samples.tobytes())
    decoder.end()


def _learn(decoder: Decoder, samples: Sequence[Samples]) -> bytes:
    for sample in samples:
        _decode(decoder, sample)
    return decoder.channel


def _as_by_telephone(samples: Samples) -> Samples:
    narrow = resampled(samples, RECOGNITION_RATE, _TELEPHONE_RATE)
    return resampled(narrow, _TELEPHONE_RATE, RECOGNITION_RATE)


def _is_narrow(stretches: Sequence[tuple[int, Samples]]) -> bool:
    bandwidth = Bandwidth()
    for _, samples in stretches:
        bandwidth.hear(samples)
    return bandwidth.narrow


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
