"""The voices of a persona, as one: where the first fails the next goes on, with what is not said yet."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, tts, utils

from agents.attempts import ONCE, Limits, WorthlessError, bounded
from agents.chains import Chain, Chained, Member, Tell

Model = tts.TTS[Any]
FASTEST: Final = 40.0
"""Letters a second that no voice reaches: what is shorter was cut off, or is no speech."""
SHORT: Final = 8
"""Letters of a text of which that cannot be told."""
PACE: Final = 15.0
"""Letters a second of a voice that has not spoken yet."""


class Voices(Chained[Model], tts.TTS[Any]):
    """A chain of voices. Each is given sentence by sentence: what was cut off then has an end and a beginning."""

    def __init__(self, members: Sequence[Member[Model]], limits: Limits, tell: Tell) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=max(member.model.sample_rate for member in members),
            num_channels=1,
        )
        self.link(Chain("tts", members, tell))
        self.limits = limits

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = ONCE) -> tts.ChunkedStream:
        """Speak a sentence. Raises an `APIError` once all have failed."""
        return _Sentence(self, text)


class _Sentence(tts.ChunkedStream):
    def __init__(self, voices: Voices, text: str) -> None:
        super().__init__(tts=voices, input_text=text, conn_options=ONCE)
        self._event_aiter = self._event_ch  # has one reader: see `_metrics_monitor_task`
        self._voices = voices

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voices = self._voices
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=voices.sample_rate,
            num_channels=voices.num_channels,
            mime_type="audio/pcm",
        )
        failure: Exception = APIError("no voice speaks")
        left = self._input_text
        for member, is_last in voices.chain.to_ask():
            spoken = 0.0
            try:
                with voices.chain.asking(member, is_last=is_last):
                    first = voices.limits.to_first(is_last=is_last)
                    async with aclosing(_spoken_by(member.model, left, first, voices.limits.between)) as frames:
                        async for frame in _at_rate(frames, voices.sample_rate):
                            output_emitter.push_frame(frame)
                            spoken += frame.duration
                    check_length(left, spoken)
                return
            except Exception as error:
                failure = error
                left = rest_of(left, spoken) if spoken else left
                if not left:
                    return
        raise failure if isinstance(failure, APIError) else APIError(type(failure).__name__) from failure

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[tts.SynthesizedAudio]) -> None:
        """Nothing is counted here: each member counts what it was asked for."""


async def _spoken_by(model: Model, text: str, first: float, between: float) -> AsyncGenerator[rtc.AudioFrame, None]:
    options = replace(ONCE, timeout=first)
    if model.capabilities.streaming:
        speech: Any = model.stream(conn_options=options)
        speech.push_text(text)
        speech.end_input()
    else:
        speech = model.synthesize(text, conn_options=options)
    async with speech, aclosing(bounded(speech, first=first, between=between)) as pieces:
        async for spoken in pieces:
            yield spoken.frame


async def _at_rate(frames: AsyncIterable[rtc.AudioFrame], rate: int) -> AsyncGenerator[rtc.AudioFrame, None]:
    resampler: rtc.AudioResampler | None = None
    async for frame in frames:
        if frame.sample_rate == rate:
            yield frame
            continue
        resampler = resampler or rtc.AudioResampler(frame.sample_rate, rate)
        for each in resampler.push(frame):
            yield each
    for each in resampler.flush() if resampler else ():
        yield each


def check_length(text: str, seconds: float) -> None:
    """Raises a `WorthlessError` where so much cannot be said in so little time: it is an error page, or was cut off."""
    said = sum(map(str.isalnum, text))
    if said >= SHORT and seconds < said / FASTEST:
        raise WorthlessError("it gave less speech than the text has")


def rest_of(text: str, seconds: float) -> str:
    """What is still to be said of a text after so many seconds of it, from the beginning of a word on.

    Where a voice stopped nobody tells; rather a word twice than one that lacks.
    """
    said = int(seconds * PACE)
    if said >= len(text):
        return ""
    begin = text.rfind(" ", 0, said + 1)
    return text[begin + 1 :].strip() if begin > 0 else text
