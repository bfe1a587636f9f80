"""Models that do as they are told, a room that plays by the loop's clock, and a person who speaks to it.

Sound: a frame of the person is speech where its samples are not zero; their value says which line it belongs to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectionError, APIStatusError, llm, stt, tts, vad
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import io

Fault = Literal["error", "limited", "hang", "drip", "cut", "garbage", "empty"]
FAULTS: Final[tuple[Fault, ...]] = ("error", "limited", "hang", "drip", "cut", "garbage", "empty")
RATE: Final = 24_000
HEARD_AT: Final = 16_000
FRAME: Final = 0.05
LETTER: Final = 1 / 15
"""Seconds that a letter is spoken for."""


async def fail(fault: Fault | None) -> None:
    """What goes wrong before anything comes."""
    match fault:
        case "error":
            raise APIStatusError("away", status_code=503)
        case "limited":
            raise APIStatusError("too many", status_code=429)
        case "garbage":  # what the plugins make of an answer they cannot read
            raise APIConnectionError
        case "hang":
            await asyncio.get_running_loop().create_future()


class ScriptedLLM(llm.LLM[Any]):
    """Says its answer, word by word, the first after `first` seconds and each further one after `each`."""

    def __init__(
        self,
        name: str = "llm",
        answer: str | Sequence[str] = "Yes.",
        *,
        first: float = 0.3,
        each: float = 0.0,
        fault: Fault | None = None,
        cut: int = 10,
    ) -> None:
        super().__init__()
        self.name, self.answer, self.first, self.each, self.fault, self.cut = name, answer, first, each, fault, cut
        self.asked: list[llm.ChatContext] = []

    @property
    def model(self) -> str:
        return self.name

    def chat(self, *, chat_ctx: llm.ChatContext, tools: Any = None, conn_options: Any, **_: Any) -> llm.LLMStream:
        self.asked.append(chat_ctx.copy())
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        model: Any = self._llm
        await asyncio.sleep(model.first)
        await fail(model.fault)
        if model.fault == "empty":
            return
        answer = (
            model.answer if isinstance(model.answer, str) else model.answer[(len(model.asked) - 1) % len(model.answer)]
        )
        text = answer[: model.cut] if model.fault in ("cut", "drip") else answer
        words = text.split(" ")
        for place, word in enumerate(words):
            if place and model.each:
                await asyncio.sleep(model.each)
            content = word if place == len(words) - 1 else f"{word} "
            delta = llm.ChoiceDelta(role="assistant", content=content)
            self._event_ch.send_nowait(llm.ChatChunk(id="c", delta=delta))
        if model.fault == "cut":
            raise APIConnectionError
        while model.fault == "drip":  # something comes all the time, and says nothing
            await asyncio.sleep(0.9)
            self._event_ch.send_nowait(llm.ChatChunk(id="c", delta=llm.ChoiceDelta(role="assistant", content="")))


class ScriptedTTS(tts.TTS[Any]):
    """Speaks at `LETTER`; all of a sentence is there `first` seconds after it was given."""

    def __init__(
        self, name: str = "tts", *, first: float = 0.1, fault: Fault | None = None, cut: float = 0.5, rate: int = RATE
    ) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=rate, num_channels=1)
        self.name, self.first, self.fault, self.cut = name, first, fault, cut
        self.asked: list[str] = []

    @property
    def model(self) -> str:
        return self.name

    def synthesize(self, text: str, *, conn_options: Any) -> tts.ChunkedStream:
        self.asked.append(text)
        return _Spoken(tts=self, input_text=text, conn_options=conn_options)


class _Spoken(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice: Any = self._tts
        await asyncio.sleep(voice.first)
        if voice.fault != "garbage":
            await fail(voice.fault)
        output_emitter.initialize(request_id="s", sample_rate=voice.sample_rate, num_channels=1, mime_type="audio/pcm")
        if voice.fault == "empty":
            return
        seconds = len(self.input_text) * LETTER
        if voice.fault in ("cut", "drip"):
            seconds = min(seconds, voice.cut)
        if voice.fault == "garbage":  # a page of text, read as sound
            seconds = 0.05
        output_emitter.push(np.full(int(seconds * voice.sample_rate), 1000, np.int16).tobytes())
        output_emitter.flush()
        if voice.fault == "cut":
            await asyncio.sleep(0.05)
            raise APIConnectionError
        if voice.fault == "drip":
            await asyncio.get_running_loop().create_future()


class ScriptedSTT(stt.STT[Any]):
    """Knows what each line says; the words are there `after` seconds after the line, or as it ends where it `guesses`:
    `after` seconds later it is sure of them."""

    def __init__(
        self,
        name: str = "stt",
        lines: Sequence[str] = (),
        *,
        after: float = 0.2,
        fault: Fault | None = None,
        guesses: bool = False,
    ) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.name, self.lines, self.after, self.fault, self.guesses = name, lines, after, fault, guesses
        self.opened = 0

    @property
    def model(self) -> str:
        return self.name

    async def _recognize_impl(self, buffer: Any, *, language: Any, conn_options: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, language: Any = NOT_GIVEN, conn_options: Any) -> stt.RecognizeStream:
        self.opened += 1
        return _Heard(stt=self, conn_options=conn_options)


class _Heard(stt.RecognizeStream):
    async def _run(self) -> None:
        model: Any = self._stt
        if model.fault in ("error", "limited", "garbage"):
            await asyncio.sleep(0.01)
            await fail(model.fault)
        line = 0
        async for piece in self._input_ch:
            if not isinstance(piece, rtc.AudioFrame):
                continue
            value = int(np.frombuffer(piece.data, np.int16)[0])
            if value and not line and model.fault is None:
                words = " ".join(model.lines[value - 1].split()[:3])
                self._event_ch.send_nowait(_event(stt.SpeechEventType.INTERIM_TRANSCRIPT, words))
            if line and not value:
                if model.fault == "cut":
                    raise APIConnectionError
                if model.fault == "empty":
                    self._event_ch.send_nowait(_event(stt.SpeechEventType.FINAL_TRANSCRIPT, ""))
                elif model.fault is None:
                    if model.guesses:
                        self._event_ch.send_nowait(
                            _event(stt.SpeechEventType.INTERIM_TRANSCRIPT, model.lines[line - 1])
                        )
                    await asyncio.sleep(model.after)
                    self._event_ch.send_nowait(_event(stt.SpeechEventType.FINAL_TRANSCRIPT, model.lines[line - 1]))
            line = value


def _event(kind: stt.SpeechEventType, text: str) -> stt.SpeechEvent:
    return stt.SpeechEvent(type=kind, alternatives=[stt.SpeechData(language="en", text=text)])


class ScriptedVAD(vad.VAD):
    """Finds speech without a mistake, and its end after `silence` seconds."""

    def __init__(self, silence: float = 0.1) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME))
        self.silence = silence

    def stream(self) -> vad.VADStream:
        return _Voice(self)


class _Voice(vad.VADStream):
    async def _main_task(self) -> None:
        finder: Any = self._vad
        speaking, quiet, spoken, at, number = False, 0.0, 0.0, 0.0, 0
        async for piece in self._input_ch:
            if not isinstance(piece, rtc.AudioFrame):
                continue
            loud = bool(np.frombuffer(piece.data, np.int16)[0])
            at, number = at + piece.duration, number + piece.samples_per_channel
            quiet = 0.0 if loud else quiet + piece.duration
            spoken = spoken + piece.duration if speaking or loud else 0.0
            kinds = []
            if loud and not speaking:
                speaking, spoken = True, piece.duration
                kinds.append(vad.VADEventType.START_OF_SPEECH)
            kinds.append(vad.VADEventType.INFERENCE_DONE)
            if speaking and quiet >= finder.silence - 1e-9:
                speaking = False
                kinds.append(vad.VADEventType.END_OF_SPEECH)
            for kind in kinds:
                self._event_ch.send_nowait(
                    vad.VADEvent(
                        type=kind,
                        samples_index=number,
                        timestamp=at,
                        speech_duration=spoken,
                        silence_duration=quiet,
                        speaking=speaking,
                        probability=float(loud),
                        frames=[piece],
                        raw_accumulated_silence=quiet,
                        raw_accumulated_speech=spoken if loud else 0.0,
                    )
                )


class Person(io.AudioInput):
    """Speaks lines at given moments of the loop's clock: (begin, seconds, number of the line)."""

    def __init__(self, lines: Sequence[tuple[float, float, int]], until: float) -> None:
        super().__init__(label="person")
        self._lines, self._until, self._frame = lines, until, 0

    async def __anext__(self) -> rtc.AudioFrame:
        self._frame += 1
        at = self._frame * FRAME
        if at > self._until:
            raise StopAsyncIteration
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, at - loop.time()))
        begin = at - FRAME
        value = next((n for start, long, n in self._lines if start - 1e-9 <= begin < start + long - 1e-9), 0)
        size = int(HEARD_AT * FRAME)
        return rtc.AudioFrame(np.full(size, value, np.int16).tobytes(), HEARD_AT, 1, size)


@dataclass
class Heard:
    """Something was played from `begin` to `end`, in seconds of the loop."""

    begin: float
    end: float


class Room(io.AudioOutput):
    """Plays what it is given, and remembers when something was to be heard."""

    def __init__(self) -> None:
        super().__init__(
            label="room", capabilities=io.AudioOutputCapabilities(pause=False), next_in_chain=None, sample_rate=RATE
        )
        self.heard: list[Heard] = []
        self._segment: list[Heard] = []
        self._ends = 0.0
        self._ending: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        assert frame.sample_rate == RATE
        now = asyncio.get_running_loop().time()
        if not self._segment:
            self.on_playback_started(created_at=time.time())
        begin = max(now, self._ends)
        piece = Heard(begin, begin + frame.duration)
        self._ends = piece.end
        self._segment.append(piece)
        self.heard.append(piece)

    def flush(self) -> None:
        super().flush()
        if self._segment and self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_at(max(loop.time(), self._ends), self._over, False)

    def clear_buffer(self) -> None:
        if not self._segment:
            return
        now = asyncio.get_running_loop().time()
        for piece in self._segment:
            piece.end = max(min(piece.end, now), piece.begin if piece.begin <= now else now)
            piece.begin = min(piece.begin, piece.end)
        self._ends = now
        if self._ending is not None:
            self._ending.cancel()
        self._over(True)

    def _over(self, interrupted: bool) -> None:
        position = sum(piece.end - piece.begin for piece in self._segment)
        self._segment, self._ending = [], None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    def first_after(self, moment: float) -> float:
        """When something was first heard after a moment."""
        return min(piece.begin for piece in self.heard if piece.begin >= moment - 1e-9 and piece.end > piece.begin)

    def silences(self, begin: float, end: float) -> list[tuple[float, float]]:
        """Where nothing was heard between two moments: from when on, and for how long."""
        at, found = begin, []
        for piece in sorted(self.heard, key=lambda each: each.begin):
            if piece.end <= at or piece.begin >= end or piece.end <= piece.begin:
                continue
            if piece.begin > at + 1e-6:
                found.append((at, piece.begin - at))
            at = max(at, piece.end)
        if at < end:
            found.append((at, end - at))
        return found


@dataclass
class Told:
    """What a call reports."""

    reports: list[Any] = field(default_factory=list)

    def report(self, report: Any) -> None:
        self.reports.append(report)

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.reports if isinstance(each, kind)]


async def collect(pieces: AsyncIterator[Any]) -> list[Any]:
    """All of them."""
    return [each async for each in pieces]
