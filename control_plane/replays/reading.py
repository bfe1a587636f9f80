"""Reading all that is known of one session: seven statements at most, then the store for what a player draws."""

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlmodel import col, select

from agents.contract import timestamp_ms
from control_plane.analysis.repository import find_analysis
from control_plane.analysis.schemas import show_analysis
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import PlatformError
from control_plane.metering.schemas import show_costs
from control_plane.recordings.links import LinkSigner
from control_plane.recordings.models import FILES, Recording
from control_plane.recordings.peaks import names_of, peaks_key, read_peaks
from control_plane.recordings.schemas import show as show_recording
from control_plane.recordings.storage import RecordingStore
from control_plane.replays.spreading import following_of, length_of, spread
from control_plane.replays.waterfall import waterfall
from control_plane.sessions.models import Session, SessionTrace, TranscriptLine, Turn
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.schemas import show_session
from control_plane.wire import SURFACE
from knowledge.tables import knowledge_chunk

LINK_FOR: Final = timedelta(minutes=15)
"""How long a link to the sound plays; pages ask again."""
POINTS: Final = 1600
"""Of each channel that is drawn."""
MOST_SOUNDS: Final = 8
"""Recordings of one session that are shown, the newest first."""

log = structlog.get_logger()


class ReplayReader:
    """What one project's sessions were like. Reading ends the transaction before the store is asked."""

    def __init__(
        self, db: Db, project_id: int, clock: Clock, store: RecordingStore, links: LinkSigner, public_url: str
    ) -> None:
        self.db, self.project_id, self.clock = db, project_id, clock
        self.store, self.links, self.public_url = store, links, public_url
        self.sessions = SessionRepository(db, project_id)

    async def read(self, session_id: int, *, plays: bool, until: datetime | None = None) -> dict[str, Any]:
        """Everything, as `schemas.Replay`; `NotFound` or `Forbidden`. Links to the sound only where it `plays`, and
        not beyond `until`."""
        rows = await self.sessions.find_with_usage(session_id)
        if not rows:
            await refuse_missing(self.db, "session", session_id, "session")
        session: Session = rows[0][0]
        lines = _lines(await self.sessions.lines(session_id))
        turns = await self.sessions.turns(session_id)
        traces = await self.sessions.traces(session_id)
        recordings = await self._recordings(session_id)
        analysis = await find_analysis(self.db, self.project_id, session_id)
        passages = await self._passages(turns)
        await self.db.commit()
        happened = _happened(session, traces)
        shown = [_turn(session, turn, passages) for turn in turns]
        session_shown = show_session(session)
        used = [row for row in rows if row.service is not None]
        answered = next((row.model for row in used if row.service == "llm"), None)
        session_shown.llm_model = session_shown.llm_model or answered
        return {
            "session": session_shown.model_dump(),
            "costs": show_costs(used),
            "transcript_kept": session.store_transcripts,
            "duration_ms": _duration(session, lines, shown),
            "words_measured": bool(lines) and all(line["words_measured"] for line in lines),
            "lines": lines,
            "turns": shown,
            **happened,
            "recordings": [await self._sound(each, plays=plays, until=until) for each in recordings],
            "analysis": show_analysis(session_id, analysis) if analysis else None,
        }

    async def _recordings(self, session_id: int) -> list[Recording]:
        query = select(Recording).where(
            Recording.project_id == self.project_id,
            Recording.session_id == session_id,
            col(Recording.kind).in_(FILES),
            col(Recording.deleted_at).is_(None),
        )
        return list((await self.db.exec(query.order_by(col(Recording.id).desc()).limit(MOST_SOUNDS))).all())

    async def _passages(self, turns: list[Turn]) -> dict[int, tuple[str, str]]:
        """Heading and text of the chunks that were used, as they stand today."""
        wanted = {chunk["chunk_id"] for turn in turns for chunk in turn.chunks}
        if not wanted:
            return {}
        chunk = knowledge_chunk.c
        query: Any = select(chunk.id, chunk.heading, chunk.content)
        query = query.where(chunk.project_id == self.project_id, chunk.id.in_(wanted))
        return {row.id: (row.heading, row.content) for row in (await self.db.execute(query)).all()}

    async def _sound(self, recording: Recording, *, plays: bool, until: datetime | None) -> dict[str, Any]:
        shown = show_recording(recording).model_dump()
        has_file = recording.status != "recording" and bool(recording.size_bytes)
        link, expires_at = None, None
        if has_file and plays:
            expires_at = min(filter(None, (self.clock.now() + LINK_FOR, until)))
            signature = self.links.sign(self.project_id, recording.id, expires_at=expires_at)
            link = f"{self.public_url}{SURFACE}/recordings/{recording.id}/file?signature={signature}"
        return shown | {
            "url": link,
            "url_expires_at": expires_at,
            "peaks_url": f"{self.public_url}{SURFACE}/recordings/{recording.id}/peaks" if has_file else None,
            "peaks": await self._peaks(recording) if has_file and plays else None,
        }

    async def _peaks(self, recording: Recording) -> dict[str, Any] | None:
        key = peaks_key(recording.storage_key or "")
        try:
            size = await self.store.size(key)
            if not size:
                return None
            kept = b"".join([piece async for piece in self.store.read(key, 0, size)])
        except PlatformError as error:
            log.warning("peaks cannot be read", recording=recording.id, reason=error.message)
            return None
        peaks = read_peaks(kept, POINTS)
        return {"names": names_of(recording.channels, len(peaks)), "peaks": peaks}


def _lines(rows: list[TranscriptLine]) -> list[dict[str, Any]]:
    shown = []
    for row, following in zip(rows, following_of([row.timestamp_ms for row in rows]), strict=True):
        duration = length_of(row.content, row.timestamp_ms, row.duration_ms, following)
        shown.append(
            row.model_dump(include={"id", "speaker", "name", "content", "timestamp_ms", "interrupted"})
            | {
                "duration_ms": duration,
                "words_measured": bool(row.words),
                "words": row.words or spread(row.content, row.timestamp_ms, duration),
            }
        )
    return shown


def _turn(session: Session, turn: Turn, passages: dict[int, tuple[str, str]]) -> dict[str, Any]:
    ended, started = turn.speech_ended_at, turn.audio_started_at
    gap = None
    if ended is not None and started is not None:
        gap = round(max(0.0, (started - ended).total_seconds() * 1000), 1)
    return {
        "sequence": turn.sequence,
        "speech_ended_ms": timestamp_ms(session.started_at, ended) if ended else None,
        "audio_started_ms": timestamp_ms(session.started_at, started) if started else None,
        "gap_ms": gap,
        "waterfall": waterfall(turn.parts, gap) if gap is not None else [],
        "passages": [_passage(chunk, passages.get(chunk["chunk_id"])) for chunk in turn.chunks],
    }


def _passage(chunk: dict[str, Any], found: tuple[str, str] | None) -> dict[str, Any]:
    heading, content = found or (None, None)
    version = chunk.get("version", "")
    same = content is not None and version in ("", hashlib.sha256(content.encode()).hexdigest()[: len(version)])
    return {
        "chunk_id": chunk["chunk_id"],
        "source": chunk.get("source", ""),
        "score": chunk["score"],
        "heading": heading or None,
        "content": content,
        "changed": not same,
    }


def _happened(session: Session, traces: list[SessionTrace]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"tool": [], "fallback": [], "fault": []}
    for trace in traces:
        found[trace.kind].append(trace.content | {"at_ms": timestamp_ms(session.started_at, trace.began_at)})
    tools = [{"arguments": None, "result": None} | tool for tool in found["tool"]]
    return {"tools": tools, "fallbacks": found["fallback"], "faults": found["fault"]}


def _duration(session: Session, lines: list[dict[str, Any]], turns: list[dict[str, Any]]) -> int:
    if session.ended_at is not None:
        return timestamp_ms(session.started_at, session.ended_at)
    heard: list[int] = [line["timestamp_ms"] + line["duration_ms"] for line in lines]
    heard += [turn["audio_started_ms"] or 0 for turn in turns]
    return max(heard, default=0)
