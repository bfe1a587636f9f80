"""Recordings of bots written down after their end: by who was asked for, or again.

The new words are kept beside the old ones until there are all of them, and take their place then.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import openai
import structlog
from sqlmodel import col, delete, select, update

from control_plane.accounts.redacting import redactor_of
from control_plane.analysis.reading import build_client
from control_plane.analysis.writing_down import PIECE, cut
from control_plane.bots.asking import BotAsk
from control_plane.bots.life import WRITE_DOWN
from control_plane.bots.models import Bot, BotState
from control_plane.bots.reading import UNKNOWN
from control_plane.bots.recognisers import Gladia, HeardWord, NotWritten, NotYet, hear_words
from control_plane.bots.telling import BotTeller, secrets_of
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.jobs.queue import enqueue
from control_plane.recordings.models import Recording
from control_plane.recordings.storage import RecordingStore
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import lock_session, wish_analysis
from control_plane.sessions.models import OWN_EPOCH, Session, TranscriptLine

ASIDE: Final = -1
"""Epoch of words that are not all there yet."""
AT_ONCE: Final = 20.0
"""Seconds after which the rest is another job's."""
STEP_WITHIN: Final = 45.0
"""Seconds of one job, whatever a recogniser or the store does: less than a job may take."""
GIVEN_UP_AFTER: Final = timedelta(minutes=2)
"""How long a recogniser that does not answer is asked again, from the last time it did."""
LONGEST_TASK: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(seconds=2)
NUMBERS: Final = 10_000
"""Of passages for each second that a piece may begin at."""
PAUSE: Final = 1.0
"""Seconds of silence between two passages of one speaker."""
LONGEST: Final = 60
"""Words of a passage."""

log = structlog.get_logger()


class BotWriter:
    """Does the job `WRITE_DOWN`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        store: RecordingStore,
        box: SecretBox,
        client: openai.AsyncOpenAI,
        gladia: Gladia,
        *,
        model: str | None,
        runpod_url: str | None,
    ) -> None:
        self.database, self.clock, self.store, self.box = database, clock, store, box
        self.client, self.gladia, self.model, self.runpod_url = client, gladia, model, runpod_url

    async def handle(self, payload: dict[str, Any]) -> None:
        """One step. Raises `NotYet` or `Unavailable` where it is to be tried again."""
        async with self.database.platform() as db:
            bot = await db.get(Bot, payload["bot_id"])
            if bot is None or bot.writing_since is None:
                return
            recording = await db.get(Recording, bot.recording_id) if bot.recording_id is not None else None
            session = await db.get(Session, bot.session_id)
        try:
            if recording is None or not recording.size_bytes or recording.deleted_at is not None:
                raise NotWritten("there is no recording to write down")
            if session is None or not session.store_transcripts:
                raise NotWritten("this project keeps no transcripts")
            more = await self._step(bot, recording, payload)
        except NotWritten as error:
            await self._finish(bot.id, str(error))
        except (OSError, ValueError):
            log.warning("a bot's recording cannot be read", bot=str(bot.uuid))
            await self._finish(bot.id, "the recording cannot be read")
        except NotYet as error:
            if self.clock.now() - bot.writing_since < GIVEN_UP_AFTER:
                raise
            await self._finish(bot.id, str(error))
        else:
            if more is None:
                await self._finish(bot.id, None)
            else:
                await self._go_on(bot.id, more)

    async def _step(self, bot: Bot, recording: Recording, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Write the next words; how to go on, or None where that was all. Raises `NotYet`, `NotWritten`."""
        try:
            async with asyncio.timeout(STEP_WITHIN):
                return await self._write_next(bot, recording, payload)
        except TimeoutError as error:
            raise NotYet("the recogniser takes too long") from error

    async def _write_next(self, bot: Bot, recording: Recording, payload: dict[str, Any]) -> dict[str, Any] | None:
        recogniser, key = BotAsk.of(bot).recogniser, secrets_of(self.box, bot).get("recogniser", "")
        if recogniser == "Gladia":
            if "task" not in payload:
                options = BotAsk.of(bot).transcription_custom_parameters
                with tempfile.NamedTemporaryFile(prefix="parley-bot-", suffix=f".{recording.format}") as file:
                    await self._fetch(recording, file)
                    given = options if isinstance(options, dict) else {}
                    return {"task": await self.gladia.begin(key, Path(file.name), given)}
            words = await self.gladia.find(key, payload["task"])
            if words is None and self.clock.now() - (bot.writing_since or self.clock.now()) > LONGEST_TASK:
                raise NotWritten("Gladia does not come to an end")
            if words is None:
                return {"task": payload["task"]}
            await self._keep(bot, recording, 0.0, words)
            return None
        if recogniser == "Runpod":
            async with build_client(self.runpod_url, key) as client:
                return await self._write_pieces(bot, recording, float(payload["place"]), client)
        return await self._write_pieces(bot, recording, float(payload["place"]), self.client)

    async def _write_pieces(
        self, bot: Bot, recording: Recording, begin: float, client: openai.AsyncOpenAI
    ) -> dict[str, Any] | None:
        if self.model is None:
            raise NotWritten("this server has no model that writes recordings down")
        until = time.monotonic() + AT_ONCE
        with tempfile.NamedTemporaryFile(prefix="parley-bot-") as file:
            await self._fetch(recording, file)
            pieces = cut(Path(file.name), begin)
            while (piece := await asyncio.to_thread(_next, pieces)) is not None:
                place, wav = piece
                try:
                    words = await hear_words(client, self.model, wav, place)
                except NotYet:
                    if place == begin:
                        raise
                    return {"place": place}  # what is written already was
                await self._keep(bot, recording, place, words)
                if time.monotonic() > until:
                    return {"place": place + PIECE}
        return None

    async def _fetch(self, recording: Recording, file: Any) -> None:
        key = recording.storage_key or ""
        async for part in self.store.read(key, 0, await self.store.size(key) or 0):
            await asyncio.to_thread(file.write, part)
        file.flush()

    async def _keep(self, bot: Bot, recording: Recording, place: float, words: list[HeardWord]) -> None:
        """Keep the words from a place on aside, with who the microphones say spoke then; those that an earlier try
        kept of them are no more."""
        async with self.database.platform() as db:
            locked = await _lock(db, bot.id)
            session = await db.get(Session, bot.session_id)
            if session is None or locked is None or locked.writing_since is None:
                raise NotWritten("nobody wants it any more")
            redactor = await redactor_of(db, bot.project_id)
            before: dict[str, str] = {}
            zero = max(0.0, (recording.started_at - session.started_at).total_seconds())
            mine = col(TranscriptLine.session_id) == session.id
            known = (await db.exec(select(TranscriptLine).where(mine, TranscriptLine.epoch != ASIDE))).all()
            first_number = round(place) * NUMBERS
            aside = col(TranscriptLine.epoch) == ASIDE
            await db.exec(delete(TranscriptLine).where(mine, aside, col(TranscriptLine.sequence) >= first_number))
            for number, passage in enumerate(passages_of(words, zero, known), first_number):
                first, final = passage[0][1], passage[-1][1]
                texts = [word.text for _, word in passage]
                content = " ".join(texts)
                if redactor is not None:
                    told = before.get(passage[0][0], "")
                    texts = redactor.redact_words(texts, before=told)
                    content = redactor.redact(content, before=told)
                    before[passage[0][0]] = content
                line = TranscriptLine(
                    project_id=session.project_id,
                    session_id=session.id,
                    epoch=ASIDE,
                    sequence=number,
                    speaker="user",
                    name=passage[0][0],
                    content=content,
                    timestamp_ms=_ms(first.start + zero),
                    duration_ms=max(0, _ms(final.end - first.start)),
                    words=[
                        {"text": text, "start_ms": _ms(word.start + zero), "end_ms": _ms(word.end + zero)}
                        for text, (_, word) in zip(texts, passage, strict=True)
                        if text
                    ],
                    created_at=self.clock.now(),
                )
                db.add(line)

    async def _go_on(self, bot_id: int, more: dict[str, Any]) -> None:
        async with self.database.platform() as db:
            bot = await _lock(db, bot_id)
            if bot is None or bot.writing_since is None:
                return
            now, waits = self.clock.now(), "task" in more
            if not waits:
                bot.writing_since = now
            key = f"{bot_id} {more.get('place', now.isoformat())}"
            further = {"bot_id": bot_id, "place": 0} | more
            await enqueue(db, WRITE_DOWN, key, run_at=now + LOOK_EVERY if waits else now, **further)

    async def _finish(self, bot_id: int, problem: str | None) -> None:
        async with self.database.platform() as db:
            bot = await _lock(db, bot_id)
            if bot is None or bot.writing_since is None:
                return
            await end_writing(db, self.clock, self.box, bot, problem)


async def end_writing(db: Db, clock: Clock, box: SecretBox, bot: Bot, problem: str | None) -> None:
    """A locked bot's recording is written down, or why it is not; then all is as it was before."""
    mine, aside = col(TranscriptLine.session_id) == bot.session_id, col(TranscriptLine.epoch) == ASIDE
    if problem is None:
        await db.exec(delete(TranscriptLine).where(mine, ~aside))
        kept = await db.exec(update(TranscriptLine).where(mine, aside).values(epoch=OWN_EPOCH))
        session = await lock_session(db, bot.session_id or 0, project_id=bot.project_id)
        if session is not None:
            session.message_count = kept.rowcount
            # By a key of its own: the analysis of before may still be under way.
            await wish_analysis(db, session.id, run_at=clock.now(), key=" written")
    else:
        await db.exec(delete(TranscriptLine).where(mine, aside))
    bot.writing_since, bot.writing_error = None, problem
    teller = BotTeller(db, clock, box)
    if bot.state == BotState.ENDING:
        await teller.completed(bot)
    else:
        await teller.transcribed(bot)


def passages_of(
    words: Sequence[HeardWord], zero: float, known: Sequence[TranscriptLine]
) -> Iterator[list[tuple[str, HeardWord]]]:
    """Words with their speakers, in passages: of one speaker, without a pause. `zero` is the file's in the session."""
    passage: list[tuple[str, HeardWord]] = []
    for word in words:
        speaker = _speaker(word, zero, known)
        if passage and (
            passage[-1][0] != speaker or word.start - passage[-1][1].end > PAUSE or len(passage) >= LONGEST
        ):
            yield passage
            passage = []
        passage.append((speaker, word))
    if passage:
        yield passage


def _speaker(word: HeardWord, zero: float, known: Sequence[TranscriptLine]) -> str:
    """Who spoke a word: whose line is nearest to its middle, within a second; else who the recogniser says."""
    middle = (word.start + word.end) * 500 + zero * 1000
    near = [(_distance(line, middle), line.name or line.identity) for line in known if line.name or line.identity]
    distance, name = min(near, default=(PAUSE * 1000 + 1, ""))
    return name if distance <= PAUSE * 1000 else word.speaker or UNKNOWN


def _distance(line: TranscriptLine, at: float) -> float:
    return max(0.0, line.timestamp_ms - at, at - line.timestamp_ms - line.duration_ms)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _next(pieces: Iterator[tuple[float, bytes]]) -> tuple[float, bytes] | None:
    return next(pieces, None)


async def _lock(db: Db, bot_id: int) -> Bot | None:
    query = select(Bot).where(Bot.id == bot_id).with_for_update()
    return (await db.exec(query.execution_options(populate_existing=True))).one_or_none()
