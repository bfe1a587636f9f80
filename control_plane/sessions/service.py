"""Sessions as a customer handles them: opening, reading, adding lines, ending."""

from functools import partial
from typing import Any

from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.accounts.redacting import redactor_of
from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import Conflict
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.names import RoomName
from control_plane.personas.repository import PersonaRepository
from control_plane.sessions.ending import announce, end_session
from control_plane.sessions.models import OWN_EPOCH, Session, TranscriptLine
from control_plane.sessions.reports import LIVE_LINES
from control_plane.sessions.repository import SessionRepository, last_words
from control_plane.sessions.schemas import LineCreate, SessionCreate, SessionEnd

END_CALLS = "end_calls"
"""Live channel: LiveKit job ids that must end."""


class SessionService:
    """The sessions of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, sessions: SessionRepository, live: LiveBus) -> None:
        self.db, self.caller, self.clock, self.sessions, self.live = db, caller, clock, sessions, live
        self.log = EventLog(db, clock)

    async def create(self, body: SessionCreate) -> Session:
        """Open a session in a room; `Conflict` while one is active there."""
        name = await resolve(self.db, self.caller.slug, body.room_name, field="room_name", fresh=True)
        personas = PersonaRepository(self.db, project_id=self.caller.project_id)
        persona = (await personas.serving(body.agent_config_id)).persona if body.agent_config_id else None
        now = self.clock.now()
        redactor = await redactor_of(self.db, self.caller.project_id)
        session = await self.sessions.begin(
            name.full,
            persona,
            at=now,
            session_type=body.session_type,
            caller_identity=body.caller_identity,
            details=redactor.redact_all(body.metadata) if redactor else body.metadata,
        )
        if session is None:
            raise Conflict(f"A session is active in the room {name.short!r}")
        announce(self.log, session, at=now)
        return session

    async def get(self, session_id: int) -> Session:
        """One session; `NotFound` or `Forbidden`."""
        found = await self.sessions.find(session_id)
        return found or await refuse_missing(self.db, "session", session_id, "session")

    async def get_with_usage(self, session_id: int) -> tuple[Session, list[Row[Any]]]:
        """One session and what it consumed by service and model, the dearest first; `NotFound` or `Forbidden`."""
        rows = await self.sessions.find_with_usage(session_id)
        if not rows:
            await refuse_missing(self.db, "session", session_id, "session")
        return rows[0][0], [row for row in rows if row.service is not None]

    async def add_line(self, room: str, body: LineCreate) -> TranscriptLine:
        """Add a line to the room's active session.

        One that is not final is shown and not kept; so is every line where the session keeps no transcript.
        """
        name = await resolve(self.db, self.caller.slug, room, field="roomName")
        session = await self._active(name)
        now = self.clock.now()
        content, redactor = body.content, await redactor_of(self.db, session.project_id)
        if redactor is not None:
            before = await last_words(self.db, session, body.speaker, "")
            content = redactor.redact(content, before=before, interim=not body.is_final)
        since_start = round((now - session.started_at).total_seconds() * 1000)
        line = TranscriptLine(
            project_id=session.project_id,
            session_id=session.id,
            epoch=OWN_EPOCH,
            sequence=body.sequence or await self.sessions.last_sequence(session.id, OWN_EPOCH) + 1,
            speaker=body.speaker,
            content=content,
            timestamp_ms=since_start if body.timestamp_ms is None else body.timestamp_ms,
            created_at=now,
        )
        shown = line.model_dump(include={"speaker", "content", "timestamp_ms"}) | {"session_id": session.id}
        if not (body.is_final and session.store_transcripts):
            message = {"project_id": session.project_id, "room_name": name.full, "is_final": body.is_final, **shown}
            await self.db.commit()
            await self.live.publish(LIVE_LINES, message)
            return line
        row = line.model_dump(exclude={"id"})
        statement = insert(TranscriptLine).values(**row).on_conflict_do_nothing()
        line_id = await self.db.scalar(statement.returning(col(TranscriptLine.id)))
        if line_id:
            line.id = line_id
            session.message_count += 1
            self.log.append(
                Fact.TRANSCRIPT_LINE, project_id=session.project_id, room_name=name.full, is_final=True, **shown
            )
        return line

    async def end(self, room: str, body: SessionEnd) -> Session:
        """End the room's active session; a persona of ours says no more."""
        name = await resolve(self.db, self.caller.slug, room, field="roomName")
        session = await self._active(name)
        if body.summary and session.store_transcripts:
            redactor = await redactor_of(self.db, session.project_id)
            session.summary = redactor.redact(body.summary) if redactor else body.summary
        await end_session(
            self.db,
            self.log,
            session,
            outcome="ok",
            reason="api",
            at=self.clock.now(),
            duration=body.duration,
        )
        self.db.afterwards(partial(self.live.publish, END_CALLS, {"session_id": session.id}))
        return session

    async def _active(self, name: RoomName) -> Session:
        session = await self.sessions.lock_active(name.full)
        if session is None:
            raise Conflict(f"No session is active in the room {name.short!r}")
        return session
