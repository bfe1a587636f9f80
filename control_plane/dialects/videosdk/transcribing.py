"""What was said in a recording, written down after its end, and summed up as the caller wants it.

Lines that agents' calls have kept are taken as they are; else the sound is written down, piece after piece.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import openai
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.accounts.redacting import redactor_of
from control_plane.analysis.reading import AWAY
from control_plane.analysis.writing_down import cut, sum_up, write_down
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.dialects.videosdk.configs import Transcription
from control_plane.dialects.videosdk.models import VideoTranscription
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.recordings.models import Recording, RecordingKind
from control_plane.recordings.pieces import list_pieces
from control_plane.recordings.storage import RecordingStore
from control_plane.sessions.models import Session, TranscriptLine

TRANSCRIBE: Final = "video.transcribe"
"""Job: write down a recording from a place on. Payload: recording_id, place (seconds)."""
AT_ONCE: Final = 20.0
"""Seconds after which the rest is another job's."""
NO_MODEL: Final = "nothing was kept of what was said, and this server has no model that writes recordings down"
NOT_KEPT: Final = "this project keeps no transcripts"
UNREADABLE: Final = "the recording cannot be read"

log = structlog.get_logger()


async def want_transcription(db: Db, clock: Clock, recording: Recording) -> None:
    """Have a recording that has ended written down, where that was asked for."""
    asked = Transcription.model_validate(recording.details.get("transcription") or {})
    if not asked.enabled:
        return
    row = insert(VideoTranscription).values(
        project_id=recording.project_id,
        recording_id=recording.id,
        room_name=recording.room_name,
        status="pending",
        created_at=clock.now(),
    )
    await db.execute(row.on_conflict_do_nothing())
    at = clock.now() + timedelta(seconds=1)  # workers may still be telling what was said last
    await enqueue(db, TRANSCRIBE, f"{recording.id} 0", run_at=at, recording_id=recording.id, place=0)


class Transcriber:
    """Does the job `TRANSCRIBE`. Without models it finds only what agents' calls have kept."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        store: RecordingStore,
        client: openai.AsyncOpenAI,
        *,
        hearing: str | None,
        reading: str | None,
    ) -> None:
        self.database, self.clock, self.store, self.client = database, clock, store, client
        self.hearing, self.reading = hearing, reading

    async def handle(self, payload: dict[str, Any]) -> None:
        """One step. Raises `openai.OpenAIError` or `Unavailable` where it is to be tried again."""
        try:
            await self._do(payload)
        except AWAY as error:
            raise Unavailable("The model is away") from error

    async def _do(self, payload: dict[str, Any]) -> None:
        async with self.database.platform() as db:
            recording = await db.get(Recording, payload["recording_id"])
            done = await _find(db, payload["recording_id"])
            if recording is None or done is None or done.status != "pending":
                return
            keeps = select(Project.store_transcripts).where(Project.id == recording.project_id)
            if not (await db.exec(keeps)).one():
                await self._close(db, recording, done, [], None, NOT_KEPT)
                return
            kept = await _kept_lines(db, recording) if not payload["place"] else []
        problem, lines, place = None, [*done.lines, *kept], None
        if not kept:
            if self.hearing is None or recording.kind == RecordingKind.LIVESTREAM or not recording.size_bytes:
                problem = None if lines else NO_MODEL
            else:
                try:
                    heard, place = await self._write_down(recording, float(payload["place"]))
                    lines += heard
                except (OSError, ValueError):
                    log.warning("a recording cannot be written down", recording=recording.id)
                    problem = UNREADABLE
        if place is not None:
            await self._go_on(recording.id, lines, place)
            return
        async with self.database.platform() as db:
            lines, _ = await _cleared(db, recording.project_id, lines, None)
        asked = Transcription.model_validate(recording.details["transcription"])
        summary = None
        if lines and asked.summary.enabled and self.reading is not None:
            said = [f"[{line['start']:.0f} s] {line['speaker'] or '?'}: {line['text']}" for line in lines]
            summary = await sum_up(self.client, self.reading, asked.summary.prompt, said)
        await self._finish(recording, lines, summary, problem)

    async def _write_down(self, recording: Recording, begin: float) -> tuple[list[dict[str, Any]], float | None]:
        """The next lines, and where to go on; None: that was all. Raises `OSError`, `ValueError`."""
        assert self.hearing is not None
        lines: list[dict[str, Any]] = []
        until = time.monotonic() + AT_ONCE
        with tempfile.NamedTemporaryFile(prefix="parley-heard-") as file:
            for key, size in await self._files(recording):
                async for part in self.store.read(key, 0, size):
                    await asyncio.to_thread(file.write, part)
            file.flush()
            pieces = cut(Path(file.name), begin)
            while (piece := await asyncio.to_thread(_next, pieces)) is not None:
                place, wav = piece
                if time.monotonic() > until:
                    return lines, place
                heard = await write_down(self.client, self.hearing, wav, place)
                lines += [{"start": each.start, "end": each.end, "speaker": "", "text": each.text} for each in heard]
        return lines, None

    async def _files(self, recording: Recording) -> list[tuple[str, int]]:
        key = recording.storage_key or ""
        names = await list_pieces(self.store, key) if recording.kind == RecordingKind.HLS else [key]
        return [(name, await self.store.size(name) or 0) for name in names]

    async def _go_on(self, recording_id: int, lines: list[dict[str, Any]], place: float) -> None:
        async with self.database.platform() as db:
            done = await _find(db, recording_id, lock=True)
            if done is not None:
                done.lines, _ = await _cleared(db, done.project_id, lines, None)
                payload = {"recording_id": recording_id, "place": place}
                await enqueue(db, TRANSCRIBE, f"{recording_id} {place}", run_at=self.clock.now(), **payload)

    async def _finish(
        self, recording: Recording, lines: list[dict[str, Any]], summary: str | None, problem: str | None
    ) -> None:
        async with self.database.platform() as db:
            done = await _find(db, recording.id, lock=True)
            if done is not None and done.status == "pending":
                await self._close(db, recording, done, lines, summary, problem)

    async def _close(
        self,
        db: Db,
        recording: Recording,
        done: VideoTranscription,
        lines: list[dict[str, Any]],
        summary: str | None,
        problem: str | None,
    ) -> None:
        done.lines, done.summary = await _cleared(db, done.project_id, lines, summary)
        done.error, done.status = problem, "failed" if problem else "completed"
        done.finished_at = self.clock.now()
        EventLog(db, self.clock).append(
            Fact.TRANSCRIPTION_COMPLETED,
            project_id=done.project_id,
            room_name=done.room_name,
            recording_id=recording.id,
            transcription_id=done.id,
            status=done.status,
        )


async def _cleared(
    db: Db, project_id: int, lines: list[dict[str, Any]], summary: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Lines and a summary without personal data, where the project wants it so."""
    redactor = await redactor_of(db, project_id)
    if redactor is None:
        return lines, summary
    cleared: list[dict[str, Any]] = []
    for line in lines:
        before = next((each["text"] for each in reversed(cleared) if each["speaker"] == line["speaker"]), "")
        cleared.append(line | {"text": redactor.redact(line["text"], before=before)})
    return cleared, redactor.redact(summary) if summary else summary


def _next(pieces: Iterator[tuple[float, bytes]]) -> tuple[float, bytes] | None:
    return next(pieces, None)


async def _find(db: Db, recording_id: int, *, lock: bool = False) -> VideoTranscription | None:
    query = select(VideoTranscription).where(VideoTranscription.recording_id == recording_id)
    return (await db.exec(query.with_for_update() if lock else query)).one_or_none()


async def _kept_lines(db: Db, recording: Recording) -> list[dict[str, Any]]:
    """What conversations in the room have kept of this time."""
    ended = recording.ended_at or recording.started_at
    query = (
        select(TranscriptLine, Session.started_at)
        .join(Session, col(Session.id) == TranscriptLine.session_id)
        .where(
            Session.project_id == recording.project_id,
            Session.room_name == recording.room_name,
            col(Session.started_at) <= ended,
            col(Session.ended_at).is_(None) | (col(Session.ended_at) >= recording.started_at),
        )
        .order_by(col(Session.id), col(TranscriptLine.timestamp_ms), col(TranscriptLine.id))
    )
    lines = []
    for line, zero in (await db.exec(query)).all():
        at = (zero - recording.started_at).total_seconds() + line.timestamp_ms / 1000
        if 0 <= at <= (ended - recording.started_at).total_seconds() + 1:
            end = at + line.duration_ms / 1000
            lines.append({"start": at, "end": end, "speaker": line.speaker, "text": line.content})
    return lines
