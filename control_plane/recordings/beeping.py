"""Recordings of projects that redact: what is taken out of the words is taken out of the sound, before anybody is told
that the file is there. The file as it was goes before that, too."""

import asyncio
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import structlog
from sqlmodel import col, select

from control_plane.accounts.redacting import redaction_of
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, PlatformError
from control_plane.recordings.models import FILES, Recording
from control_plane.recordings.settling import fail, lock_recording
from control_plane.recordings.storage import SEALED, RecordingStore
from control_plane.recordings.tones import joined, overwrite
from control_plane.sessions.ending import is_writing
from control_plane.sessions.models import Session, SessionJob, SessionStatus, TranscriptLine

BEEPED, RAW = "beeped", "raw"
"""Members of a recording's details: that it is as it may be heard, and the file that is still to be removed."""
LISTENED: Final = "listened"
"""Another, of a bot: whether all that was said while it was there was written down as it was said."""
AROUND_WORD, AROUND_LINE = 0.1, 0.2
"""Seconds on both sides of what is overwritten: of words whose times were measured, and of whole lines."""
UNKNOWN: Final = 60.0
"""Seconds that a line takes at most whose length nobody has measured."""
UNHEARD: Final = 1.0
"""Seconds before and after a conversation that may stay, though no agent listened."""
LINES_WITHIN: Final = timedelta(minutes=1)
"""How long the lines of a conversation are waited for that goes on after its recording."""
NO_LIVE: Final = "This project redacts what is said: what is streamed live cannot be taken back"
NO_LISTENER: Final = (
    "This project redacts what is said: a room is recorded only while an agent or a bot with transcripts listens "
    "there, whose lines say what is to be taken out"
)
UNREADABLE: Final = "its sound could not be redacted"
_MASK: Final = re.compile(r"\[(phone|card|iban|email|name|number|redacted)\]")

log = structlog.get_logger()


async def demand_redactable(db: Db, recording: Recording) -> None:
    """Raise `Conflict` where a recording could not be redacted though its project wants it."""
    if await redaction_of(db, recording.project_id) is None:
        return
    if recording.kind not in FILES:
        raise Conflict(NO_LIVE)
    session = await db.get(Session, recording.session_id) if recording.session_id is not None else None
    if session is None or not session.store_transcripts:
        raise Conflict(NO_LISTENER)


async def problem_of(db: Db, recording: Recording) -> str | None:
    """Why a recording could not be redacted though its project wants it; None where it can, or need not be."""
    try:
        await demand_redactable(db, recording)
    except Conflict as error:
        return error.message
    return None


def private(
    lines: Sequence[TranscriptLine],
    *,
    zero: datetime,
    begins: datetime,
    heard: tuple[datetime, datetime],
    length: float,
) -> list[tuple[float, float]]:
    """What of a recording of `length` seconds is to be overwritten: where lines were redacted, and what nobody heard.

    Lines count from `zero`, the sound from `begins`; an agent listened from and to the moments `heard`.
    """
    offset = (zero - begins).total_seconds()
    spans: list[tuple[float, float]] = []
    starts = sorted(line.timestamp_ms for line in lines)
    for line in lines:
        if not _MASK.search(line.content):
            continue
        masked = [word for word in line.words or [] if _MASK.search(str(word.get("text", "")))]
        around = AROUND_WORD if masked else AROUND_LINE
        spans += [
            (word["start_ms"] / 1000 + offset - around, word["end_ms"] / 1000 + offset + around)
            for word in masked or [_whole(line, starts)]
        ]
    first, last = ((moment - begins).total_seconds() for moment in heard)
    if first > UNHEARD:
        spans.append((0, first))
    if length - last > UNHEARD:
        spans.append((last, length))
    return joined(spans, length=length)


def _whole(line: TranscriptLine, starts: Sequence[int]) -> dict[str, Any]:
    follows = next((start for start in starts if start > line.timestamp_ms), line.timestamp_ms + round(UNKNOWN * 1000))
    end = line.timestamp_ms + line.duration_ms if line.duration_ms else follows
    return {"start_ms": line.timestamp_ms, "end_ms": min(end, line.timestamp_ms + round(UNKNOWN * 1000))}


def deaf(
    jobs: Sequence[SessionJob], lines: Sequence[TranscriptLine], *, is_lost: bool
) -> Iterator[tuple[float, float]]:
    """From and to when, in the seconds of lines, nobody may have listened because whoever did was lost: from the last
    words that one of them told to the first of who came in its place. `is_lost`: nobody came for the last.

    `jobs` are in their order.
    """
    for identity in {job.identity for job in jobs}:
        epochs = [job.epoch for job in jobs if job.identity == identity]
        own = [line for line in lines if line.epoch in epochs]
        for epoch, following in pairwise([*epochs, *([epochs[-1] + 1] if is_lost else [])]):
            before = [line.timestamp_ms + line.duration_ms for line in own if line.epoch <= epoch]
            after = [line.timestamp_ms for line in own if line.epoch >= following]
            yield max(before, default=0) / 1000, min(after) / 1000 if after else math.inf


class Beeper:
    """Overwrites what is private in files that are in the store; one try of a recording at a time in this process."""

    def __init__(self, database: Database, clock: Clock, store: RecordingStore) -> None:
        self.database, self.clock, self.store = database, clock, store
        self._at_work: dict[int, asyncio.Task[None]] = {}

    def begin(self, recording_id: int, key: str, size: int) -> None:
        """Have it done beside everything else: hours of sound take minutes. Who asks again while it goes on starts
        nothing; what was interrupted is done anew."""
        if recording_id not in self._at_work:
            self._at_work[recording_id] = asyncio.create_task(self._attempt(recording_id, key, size))

    async def wait(self) -> None:
        """Wait for all that goes on."""
        await asyncio.gather(*self._at_work.values())

    async def _attempt(self, recording_id: int, key: str, size: int) -> None:
        try:
            await self.beep(recording_id, key, size)
        except PlatformError as error:
            log.warning("a recording is redacted later", recording=recording_id, reason=error.message)
        except Exception:  # the next look tries again; nobody is given the file meanwhile
            log.exception("a recording is not redacted")
        finally:
            del self._at_work[recording_id]

    async def beep(self, recording_id: int, key: str, size: int) -> None:
        """Have a recording's file be as it may be heard, and the file as it was removed. Raises `Unavailable`."""
        async with self.database.platform() as db:
            recording = await db.get(Recording, recording_id)
        if recording is None:
            return
        if not recording.details.get(BEEPED):
            spans = await self._spans(recording)
            if spans is None:
                return
            await self._settle(recording, key, await self._make(recording, key, size, spans))
        await self._remove_raw(recording_id)

    async def _spans(self, recording: Recording) -> list[tuple[float, float]] | None:
        """What is to be overwritten; None while more may be said of it."""
        length, begins = recording.duration or 0.0, recording.started_at
        if recording.session_id is None or not recording.details.get(LISTENED, True):
            return [(0.0, length + UNKNOWN)]
        async with self.database.platform() as db:
            session = await db.get(Session, recording.session_id)
            query = select(TranscriptLine).where(TranscriptLine.session_id == recording.session_id)
            lines = (await db.exec(query)).all()
            of_session = select(SessionJob).where(SessionJob.session_id == recording.session_id)
            jobs = (await db.exec(of_session.order_by(col(SessionJob.epoch)))).all()
            more = await is_writing(db, recording.session_id, at=self.clock.now())
        if session is None or not session.store_transcripts:
            return [(0.0, length + UNKNOWN)]
        ended = recording.ended_at or self.clock.now()
        if more or (session.status != SessionStatus.COMPLETED and self.clock.now() - ended < LINES_WITHIN):
            return None
        heard = session.started_at, session.ended_at or ended
        zero = recording.zero_at or session.started_at
        known = private(lines, zero=zero, begins=begins, heard=heard, length=length + UNHEARD)
        is_lost = session.end_reason == "worker_lost"
        offset = (zero - begins).total_seconds()
        unheard = [(begin + offset, end + offset) for begin, end in deaf(jobs, lines, is_lost=is_lost)]
        return joined([*known, *unheard], length=length + UNHEARD)

    async def _make(self, recording: Recording, key: str, size: int, spans: list[tuple[float, float]]) -> str | None:
        """The key of the file as it may be heard; None where it cannot be made."""
        if not spans:
            return key
        with tempfile.TemporaryDirectory(prefix="parley-beep-") as folder:
            source, target = (Path(folder) / f"{name}.{recording.format}" for name in ("raw", "beeped"))
            with source.open("wb") as file:
                async for piece in self.store.read(key, 0, size):
                    await asyncio.to_thread(file.write, piece)
            try:
                await asyncio.to_thread(overwrite, source, target, spans, format=recording.format)
            except (av.FFmpegError, IndexError) as error:  # IndexError: there is no sound in it
                log.warning("a recording cannot be redacted", recording=recording.id, reason=type(error).__name__)
                return None
            made = beeped_key(key, recording.format)
            await self.store.write_file(made, target)
        return made

    async def _settle(self, recording: Recording, key: str, made: str | None) -> None:
        async with self.database.platform() as db:
            locked = await lock_recording(db, recording.id)
            if locked is not None and locked.deleted_at is None:
                locked.details = locked.details | {BEEPED: True} | ({RAW: key} if made != key else {})
                locked.storage_key = made
                if made is None:
                    locked.duration = None  # nothing is to come of it
                    fail(db, self.clock, locked, UNREADABLE)
                return
        if made is not None and made != key:  # it was deleted meanwhile
            await self.store.remove(made)

    async def _remove_raw(self, recording_id: int) -> None:
        async with self.database.platform() as db:
            recording = await db.get(Recording, recording_id)
        if recording is None or not (raw := recording.details.get(RAW)):
            return
        await self.store.remove(raw)
        async with self.database.platform() as db:
            locked = await lock_recording(db, recording_id)
            if locked is not None:
                locked.details = {name: value for name, value in locked.details.items() if name != RAW}


def beeped_key(key: str, format: str) -> str:
    """What the store calls a file as it may be heard: beside the file as it was."""
    return f"{key.removesuffix(SEALED).removesuffix('.' + format)}-b.{format}"


async def wants_beeps(db: Db, recording: Recording) -> bool:
    """Whether a file is not to be given to anybody yet."""
    if recording.kind not in FILES:
        return False
    if recording.details.get(BEEPED):
        return RAW in recording.details
    return await redaction_of(db, recording.project_id) is not None
