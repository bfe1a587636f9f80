"""Writes down what everybody in a meeting says, each word with its time."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from livekit import rtc
from livekit.local_inference import VAD

from agents.attendance import BotJob, Word
from agents.bots.hearing import Ears, Hearing, Pcm
from agents.bots.recognition import Heard, Recogniser, RecognitionError, within
from agents.bots.sentences import RATE, Cutter, Sentence
from agents.contract import PERSONA_PREFIX, LineSpoken, Report, UsageCounted, timestamp_ms
from agents.timing import moment

FRAME_MS: Final = 20
MOST_WAITING: Final = 300.0
"""Seconds of speech of one meeting that may wait to be recognised; what comes beyond is lost."""
ON_THE_WAY: Final = 0.04
"""Seconds from a mouth to here: encoding, the network, the buffer that evens it out."""
LINE_NAME: Final = "Meeting"
"""Everybody behind a telephone is one speaker."""
UNHEARD: Final = "[redacted]"
"""The line of a sentence that nobody recognised, where what is said is redacted."""

log = structlog.get_logger()


@dataclass
class _Voice:
    """One microphone."""

    identity: str
    name: str
    cutter: Cutter
    lock: threading.Lock
    sentences: asyncio.Queue[Sentence | None]
    hearing: Hearing | None = None

    def take(self, pcm: Pcm, arrived: float) -> None:
        """On the library's thread."""
        with self.lock:
            self.cutter.push(pcm, arrived)

    def finish(self) -> None:
        """It is over; what is being said counts."""
        if self.hearing is not None:
            self.hearing.close()
        with self.lock:
            self.cutter.finish()


class Writing:
    """Follows the microphones of one meeting, and reports lines."""

    def __init__(self, job: BotJob, ears: Ears, recogniser: Recogniser, report: Callable[[Report], None]) -> None:
        self._job, self._ears, self._recogniser, self._report = job, ears, recogniser, report
        self._loop = asyncio.get_running_loop()
        self._model = recogniser.model(job.stt.model)
        self._voices: dict[str, _Voice] = {}
        self._writers: set[asyncio.Task[None]] = set()
        self._unwritten: dict[int, tuple[_Voice, Sentence]] = {}
        self._waiting = 0.0
        self._lost = 0

    def heard(self, sid: str, track: rtc.Track, speaker: rtc.RemoteParticipant) -> None:
        """Follow a microphone."""
        name = LINE_NAME if speaker.identity == self._job.line else speaker.name or speaker.identity
        sentences: asyncio.Queue[Sentence | None] = asyncio.Queue()  # bounded by `MOST_WAITING`

        def cut(sentence: Sentence) -> None:
            self._loop.call_soon_threadsafe(self._add, voice, sentence)

        voice = _Voice(speaker.identity, name, Cutter(VAD().predict, cut), threading.Lock(), sentences)
        voice.hearing = self._ears.hear(track, RATE, FRAME_MS, voice.take)
        self._voices[sid] = voice
        writer = asyncio.create_task(self._write(voice))
        self._writers.add(writer)
        writer.add_done_callback(self._writers.discard)

    def gone(self, sid: str) -> None:
        """A microphone is there no more; what it said is still written."""
        voice = self._voices.pop(sid, None)
        if voice is not None:
            voice.finish()
            self._loop.call_soon(voice.sentences.put_nowait, None)  # after the sentence that this has ended

    async def finish(self, within: float) -> None:
        """Write what is not written yet, for so many seconds; hear nothing more."""
        for sid in list(self._voices):
            self.gone(sid)
        if self._writers:
            _, late = await asyncio.wait(self._writers, timeout=within)
            if late:
                log.warning("sentences not recognised in time", session=self._job.session_id, seconds=self._waiting)
            for voice, sentence in self._unwritten.values():
                self._leave_out(voice, sentence)

    async def close(self) -> None:
        """Drop whatever is left."""
        for voice in self._voices.values():
            voice.finish()
        self._voices.clear()
        writers = list(self._writers)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        if self._lost:
            log.warning("sentences lost: recognition is too slow", session=self._job.session_id, count=self._lost)

    def _add(self, voice: _Voice, sentence: Sentence) -> None:
        if self._waiting + sentence.seconds > MOST_WAITING:
            self._lost += 1
            self._leave_out(voice, sentence)
            return
        self._unwritten[id(sentence)] = voice, sentence
        self._waiting += sentence.seconds
        voice.sentences.put_nowait(sentence)

    async def _write(self, voice: _Voice) -> None:
        while (sentence := await voice.sentences.get()) is not None:
            try:
                heard = await self._recogniser.recognise(
                    sentence.samples, RATE, language=self._job.language, model=self._model
                )
            except RecognitionError as error:
                log.warning("sentence not recognised", session=self._job.session_id, reason=str(error))
                self._leave_out(voice, sentence)
            else:
                self._write_down(voice, sentence, heard)
            finally:
                self._waiting -= sentence.seconds
                self._unwritten.pop(id(sentence), None)

    def _leave_out(self, voice: _Voice, sentence: Sentence) -> None:
        """Nobody knows what was said: where that matters, it is taken for private."""
        if self._job.redaction is not None:
            began = self._began(sentence)
            self._report_line(voice, UNHEARD, began, began + _ms(sentence.seconds), [])

    def _began(self, sentence: Sentence) -> int:
        return timestamp_ms(self._job.started_at, moment(sentence.began - ON_THE_WAY))

    def _write_down(self, voice: _Voice, sentence: Sentence, heard: Heard) -> None:
        text = heard.text.strip()
        if text:
            began = self._began(sentence)
            words = [
                Word(text=each.word, start_ms=began + round(each.start * 1000), end_ms=began + round(each.end * 1000))
                for each in within(heard.words, sentence.seconds)
            ]
            first, last = (words[0].start_ms, words[-1].end_ms) if words else (began, began + _ms(sentence.seconds))
            self._report_line(voice, text, first, last, words)
        self._report(
            UsageCounted(
                at=moment(),
                service="stt",
                provider=self._recogniser.provider,
                model=self._model,
                audio_seconds=sentence.seconds,
                requests=1,
            )
        )

    def _report_line(self, voice: _Voice, text: str, first: int, last: int, words: list[Word]) -> None:
        self._report(
            LineSpoken(
                at=moment(),
                speaker="agent" if voice.identity.startswith(PERSONA_PREFIX) else "user",
                identity=voice.identity,
                name=voice.name,
                text=text,
                timestamp_ms=first,
                duration_ms=last - first,
                words=words,
            )
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
