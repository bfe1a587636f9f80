"""Speech recognition that tells when each word was said, at the operator's OpenAI-compatible server."""

import asyncio
import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2
import structlog
from pydantic import BaseModel, Field, ValidationError

from agents.bots.hearing import Pcm
from agents.settings import BotHostSettings

OPENAI: Final = "https://api.openai.com/v1"
AT_ONCE: Final = 8
"""Requests of all bots together."""
RETRIES: Final = (0.5, 2.0, 5.0)
"""Seconds between attempts, where the server is away or busy."""
TIMEOUT: Final = 30.0
REFUSED: Final = (400, 422)
"""A model that does not tell the times of words refuses to be asked for them."""

log = structlog.get_logger()


class RecognitionError(Exception):
    """A sentence that could not be recognised."""


class TimedWord(BaseModel):
    """A word; seconds from the start of the sentence's sound."""

    word: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)


class Heard(BaseModel):
    """What was said."""

    text: str
    words: list[TimedWord] = Field(default_factory=list)


@dataclass
class Recogniser:
    """Recognises sentences of all bots. Use as an asynchronous context."""

    settings: BotHostSettings
    _without_times: set[str] = field(default_factory=set)
    """Models that tell none."""

    def __post_init__(self) -> None:
        self._url = (self.settings.models_url or OPENAI).rstrip("/")
        key = self.settings.models_api_key.get_secret_value()
        limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._http = httpx2.AsyncClient(
            timeout=TIMEOUT, limits=limits, headers={"Authorization": f"Bearer {key}"}, trust_env=False
        )
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        await self._http.aclose()

    @property
    def provider(self) -> str:
        """Who is billed: the server's host."""
        return urlsplit(self._url).netloc

    def model(self, chosen: str | None) -> str:
        """The model that is used where this was chosen."""
        return chosen or self.settings.words_model or self.settings.stt_model

    async def recognise(self, samples: Pcm, rate: int, *, language: str, model: str) -> Heard:
        """What is said in some sound. Raises `RecognitionError`, after several attempts where they make sense."""
        sound = _wav(samples, rate)
        async with self._places:
            for pause in (*RETRIES, None):
                try:
                    answer = await self._ask(sound, language, model)
                    if answer.status_code in REFUSED and model not in self._without_times:
                        log.warning("recognition tells no times of words", model=model)
                        self._without_times.add(model)
                        answer = await self._ask(sound, language, model)
                    if answer.status_code == 200:
                        return Heard.model_validate_json(answer.content)
                    reason = str(answer.status_code)
                    worth_repeating = answer.status_code in (408, 409, 429) or answer.status_code >= 500
                except httpx2.TransportError as error:
                    reason, worth_repeating = type(error).__name__, True
                except ValidationError as error:
                    raise RecognitionError("the answer makes no sense") from error
                if pause is None or not worth_repeating:
                    break
                await asyncio.sleep(pause)
        raise RecognitionError(reason)

    async def _ask(self, sound: bytes, language: str, model: str) -> httpx2.Response:
        asked: dict[str, Any] = {"model": model, "language": language.split("-")[0], "response_format": "json"}
        if model not in self._without_times:
            asked |= {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]}
        files = {"file": ("sentence.wav", sound, "audio/wav")}
        return await self._http.post(f"{self._url}/audio/transcriptions", data=asked, files=files)


def _wav(samples: Pcm, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def within(words: Sequence[TimedWord], longest: float) -> list[TimedWord]:
    """The words as far as their times make sense: in order, within the sound."""
    kept: list[TimedWord] = []
    after = 0.0
    for each in words:
        start = min(max(each.start, after), longest)
        end = min(max(each.end, start), longest)
        kept.append(TimedWord(word=each.word.strip(), start=start, end=end))
        after = start
    return [each for each in kept if each.word]
