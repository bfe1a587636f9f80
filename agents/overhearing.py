"""What somebody says by a microphone of their own, sentence by sentence, each recognised once it has ended."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import structlog
from livekit import rtc
from livekit.agents import APIError, inference, stt, vad
from livekit.agents.types import APIConnectOptions

from agents.contract import LineSpoken, timestamp_ms
from agents.timing import moment

RATE: Final = 16_000
PAUSE: Final = 0.5
"""Seconds of silence that end a sentence."""
LONGEST: Final = 30.0
"""Seconds of one sentence that are recognised."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Sentence:
    """One sentence; `began` is in Unix seconds, `seconds` how long it was spoken."""

    text: str
    began: float
    seconds: float


def line_of(
    sentence: Sentence,
    who: rtc.RemoteParticipant,
    *,
    speaker: Literal["user", "supervisor"],
    name: str,
    since: datetime,
) -> LineSpoken:
    """The report of a sentence of somebody's, in a conversation that began at `since`."""
    return LineSpoken(
        at=moment(),
        speaker=speaker,
        identity=who.identity,
        name=name,
        text=sentence.text,
        timestamp_ms=timestamp_ms(since, moment(sentence.began)),
        duration_ms=round(sentence.seconds * 1000),
    )


def find_voices() -> inference.VAD:
    """What finds the voices of all that is overheard."""
    return inference.VAD(min_silence_duration=PAUSE, max_buffered_speech=LONGEST)


async def overhear(
    track: rtc.Track,
    voices: inference.VAD,
    recognition: stt.STT[Any],
    *,
    language: str,
    tries: APIConnectOptions,
    began: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Sentence]:
    """The sentences of a microphone until it is gone; what cannot be recognised is left out.

    `began` is called as soon as somebody begins to speak. Close the iterator to listen no longer.
    """
    microphone = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
    voice = voices.stream()
    feeding = asyncio.create_task(_feed(microphone, voice))
    try:
        async for event in voice:
            if event.type == vad.VADEventType.START_OF_SPEECH:
                began()
            if event.type == vad.VADEventType.END_OF_SPEECH and event.frames:
                text = await _recognise(event.frames, recognition, language, tries)
                if text:
                    ended = time.time() - event.silence_duration
                    yield Sentence(text, ended - event.speech_duration, event.speech_duration)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await microphone.aclose()
        await voice.aclose()


async def _recognise(
    frames: list[rtc.AudioFrame], recognition: stt.STT[Any], language: str, tries: APIConnectOptions
) -> str:
    try:
        heard = await recognition.recognize(frames, language=language.split("-")[0], conn_options=tries)
    except APIError as error:
        log.warning("sentence not recognised", reason=type(error).__name__)
        return ""
    return heard.alternatives[0].text.strip() if heard.alternatives else ""


async def _feed(microphone: rtc.AudioStream, voice: vad.VADStream) -> None:
    async for event in microphone:
        voice.push_frame(event.frame)
    voice.end_input()
