"""Sentences whose sound is there before they are needed: for when the voice itself may be what fails.

Each is spoken once for each voice and host, by the first call that has the voice, and kept beside the spool. Until
then, and where the voice never speaks, a sound that comes with the software stands in.
"""

import asyncio
import hashlib
import json
import os
import time
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
import structlog
from livekit import rtc
from livekit.agents import AgentSession, APIError
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import SpeechHandle

from agents.calling import PersonaJob
from agents.settings import WorkerSettings
from agents.voices import Voices
from agents.words import ENGLISH, Words, words_of

Name = Literal["patience", "more_patience", "unheard", "apology", "sorry", "bridge"]
FILLERS: Final[tuple[Name, Name]] = ("patience", "more_patience")
PACKAGED: Final = Path(__file__).parent / "sounds"
AFTER: Final = 3.0
"""Seconds into a call: the greeting is spoken first."""
WITHIN: Final = 20.0
"""Seconds for one sentence to be spoken."""
MAKING: Final = 120.0
"""Seconds that one call has to make them; after that another may."""
FRAME: Final = 0.02
RATE: Final = 24_000

log = structlog.get_logger()


def texts_of(words: Words) -> dict[Name, str]:
    """The sentences of a language, in the order in which they are made."""
    return {
        "apology": words.apology,
        "patience": words.patience[0],
        "unheard": words.unheard,
        "sorry": words.sorry,
        "more_patience": words.patience[1],
        "bridge": words.bridge,
    }


class Sounds:
    """The prepared sentences of one voice. They need no model to be played, and no loop to be read."""

    def __init__(self, folder: Path, voice: str, rate: int = RATE, words: Words = ENGLISH) -> None:
        self._folder, self._rate, self.words = folder / voice, rate, words
        self.texts = texts_of(words)
        self._frames: dict[Name, list[rtc.AudioFrame]] = {}

    @classmethod
    def of_job(cls, settings: WorkerSettings, job: PersonaJob, rate: int = RATE) -> "Sounds":
        """Those of the voice that a job asks for first."""
        voice = job.tts
        asked = [voice.provider, voice.model, voice.voice, job.language, settings.tts_model, settings.tts_voice]
        told = json.dumps([*asked, settings.models_url, "openai" in job.keys])
        name = hashlib.sha256(told.encode()).hexdigest()[:24]
        return cls(settings.spool_dir / "sounds", name, rate, words_of(job.language))

    def frames(self, name: Name) -> list[rtc.AudioFrame]:
        """The sound of a sentence in pieces of 20 ms: in the persona's voice, or the one that comes with us."""
        if name not in self._frames:
            try:
                own = _read(self._path(name), self._rate)
            except (OSError, EOFError, wave.Error):
                return list(_packaged(name, self._rate, self.words.language))
            self._frames[name] = own
        return self._frames[name]

    def filler(self, number: int) -> Sequence[rtc.AudioFrame]:
        """What asks for patience the first and the second time."""
        return self.frames(FILLERS[min(number, len(FILLERS) - 1)])

    def say(
        self, session: AgentSession[None], name: Name, *, allow_interruptions: bool = True, is_written: bool = True
    ) -> SpeechHandle:
        """Have it said. Raises `RuntimeError` where the session is closing."""
        audio = _played(self.frames(name)) if session.output.audio is not None else NOT_GIVEN
        return session.say(
            self.texts[name], audio=audio, allow_interruptions=allow_interruptions, add_to_chat_ctx=is_written
        )

    async def make(self, voice: Voices) -> None:
        """Have those spoken that lack. Where that fails, or another call is at it, nothing is different."""
        await asyncio.sleep(AFTER)
        lacking = await asyncio.to_thread(self._begin)
        for name in lacking:
            try:
                async with asyncio.timeout(WITHIN), voice.synthesize(self.texts[name]) as speech:
                    spoken = [each.frame async for each in speech]
            except (APIError, TimeoutError) as error:
                log.warning("sentence not prepared", name=name, reason=type(error).__name__)
                break
            if not voice.chain.is_first_serving:
                break  # it is another one's voice
            with suppress(OSError):  # a full disk: it is spoken again by the next call
                await asyncio.to_thread(self._write, name, spoken)
        if lacking:
            await asyncio.to_thread(self._end)

    def _path(self, name: Name) -> Path:
        words = hashlib.sha256(self.texts[name].encode()).hexdigest()[:8]
        return self._folder / f"{name}-{words}.wav"

    def _begin(self) -> list[Name]:
        """What lacks, where nobody else is making it."""
        lacking = [name for name in self.texts if not self._path(name).exists()]
        if not lacking:
            return []
        claim = self._folder / "making"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                if abs(time.time() - claim.stat().st_mtime) > MAKING:
                    claim.unlink(missing_ok=True)
            claim.touch(exist_ok=False)
        except OSError:  # another is at it, or the disk is full
            return []
        return lacking

    def _end(self) -> None:
        with suppress(OSError):
            (self._folder / "making").unlink(missing_ok=True)

    def _write(self, name: Name, spoken: Sequence[rtc.AudioFrame]) -> None:
        beside = self._path(name).with_suffix(f".{os.getpid()}")
        with wave.open(str(beside), "wb") as file:
            file.setnchannels(spoken[0].num_channels)
            file.setsampwidth(2)
            file.setframerate(spoken[0].sample_rate)
            file.writeframes(b"".join(bytes(frame.data) for frame in spoken))
        beside.replace(self._path(name))


async def _played(frames: Sequence[rtc.AudioFrame]) -> AsyncIterator[rtc.AudioFrame]:
    for frame in frames:
        yield frame


@cache
def _packaged(name: Name, rate: int, language: str) -> tuple[rtc.AudioFrame, ...]:
    own = PACKAGED / language / f"{name}.wav"
    return tuple(_read(own if own.exists() else PACKAGED / ENGLISH.language / f"{name}.wav", rate))


def _read(path: Path, rate: int) -> list[rtc.AudioFrame]:
    """A mono file of 16 bits at another rate, in pieces of 20 ms."""
    with wave.open(str(path), "rb") as file:
        given = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: file.getnchannels()]
    if given != rate:
        moments = np.arange(int(len(samples) * rate / given)) * given / rate
        samples = np.interp(moments, np.arange(len(samples)), samples).astype(np.int16)
    size = round(rate * FRAME)
    samples = np.pad(samples, (0, -len(samples) % size))
    return [
        rtc.AudioFrame(samples[begin : begin + size].tobytes(), rate, 1, size) for begin in range(0, len(samples), size)
    ]
