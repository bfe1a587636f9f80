"""Questions about sessions. The owner is part of every question."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, cast, func, true
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, or_, select

from control_plane.accounts.models import Project
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt
from control_plane.metering.repository import usage_of_session
from control_plane.personas.models import Persona
from control_plane.sessions.models import (
    OWN_EPOCH,
    Session,
    SessionStatus,
    SessionTally,
    SessionTrace,
    TranscriptLine,
    Turn,
)
from control_plane.wire import MAX_ID, Excerpt


@dataclass(frozen=True)
class SessionFilter:
    """What a list of sessions is narrowed to; None does not narrow."""

    status: str | None = None
    persona_id: int | None = None
    session_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    outcome: str | None = None
    end_reason: str | None = None
    search: str | None = None
    """Text of the room's short name, the caller's identity or the agent's name; or a session's number."""


class SessionRepository:
    """Sessions of one project."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def begin(self, room_name: str, persona: Persona | None, *, at: datetime, **values: Any) -> Session | None:
        """Open the session of a room; None where one is active there.

        What is said in it is kept where both the project and the persona allow that.
        """
        of_project = select(Project.store_transcripts).where(Project.id == self.project_id).scalar_subquery()
        statement = insert(Session).values(
            project_id=self.project_id,
            room_name=room_name,
            persona_id=(persona.id or None) if persona else None,
            agent_name=persona.name if persona else None,
            llm_provider=persona.llm_provider if persona else None,
            llm_model=persona.llm_model if persona else None,
            status=SessionStatus.ACTIVE,
            store_transcripts=of_project if persona is None or persona.store_transcripts else False,
            message_count=0,
            epochs=0,
            started_at=at,
            **values,
        )
        return (await self.db.scalars(statement.on_conflict_do_nothing().returning(Session))).one_or_none()

    async def find(self, session_id: int) -> Session | None:
        """One session."""
        query = select(Session).where(Session.project_id == self.project_id, Session.id == session_id)
        return (await self.db.exec(query)).one_or_none()

    async def find_with_usage(self, session_id: int) -> list[Row[Any]]:
        """One session beside each service and model it used, the dearest first; nothing where it is not."""
        used = usage_of_session(self.project_id, session_id)
        query: Any = select(Session, *used.c).outerjoin(used, true())
        query = query.where(Session.project_id == self.project_id, Session.id == session_id)
        return list((await self.db.execute(query.order_by(used.c.cost_usd.desc()))).all())

    async def find_active(self, room_name: str) -> tuple[int, datetime] | None:
        """The active session of a room as it is now, not locked: its id and its start."""
        query = select(Session.id, Session.started_at).where(
            Session.project_id == self.project_id,
            Session.room_name == room_name,
            Session.status == SessionStatus.ACTIVE,
        )
        return (await self.db.exec(query)).one_or_none()

    async def lock_active(self, room_name: str) -> Session | None:
        """The active session of a room, locked until the commit."""
        query = (
            select(Session)
            .where(
                Session.project_id == self.project_id,
                Session.room_name == room_name,
                Session.status == SessionStatus.ACTIVE,
            )
            .with_for_update()
        )
        return (await self.db.exec(query)).one_or_none()

    async def page(self, narrow: SessionFilter, excerpt: Excerpt) -> tuple[list[Session], int]:
        """An excerpt of the sessions, newest first, and how many there are."""
        query: Any = select(Session).where(Session.project_id == self.project_id)
        wanted = {
            Session.status: narrow.status,
            Session.persona_id: narrow.persona_id,
            Session.session_type: narrow.session_type,
            Session.outcome: narrow.outcome,
            Session.end_reason: narrow.end_reason,
        }
        for column, value in wanted.items():
            if value is not None:
                query = query.where(col(column) == value)
        if narrow.since is not None:
            query = query.where(col(Session.started_at) >= narrow.since)
        if narrow.until is not None:
            query = query.where(col(Session.started_at) <= narrow.until)
        if narrow.search is not None:
            query = query.where(or_(*_matches(narrow.search)))
        rows, total = await read_excerpt(self.db, query, col(Session.id), excerpt, total=self.known_total(narrow))
        return [row[0] for row in rows], total

    def known_total(self, narrow: SessionFilter) -> Any:
        """A question for the number of all sessions, or of those that are completed, which counts none of them; None
        where they are narrowed to others."""
        if replace(narrow, status=None) != SessionFilter() or narrow.status == SessionStatus.ACTIVE:
            return None
        known = func.coalesce(func.sum(SessionTally.sessions), 0)
        every = select(cast(known, BigInteger)).where(SessionTally.project_id == self.project_id)
        if narrow.status is None:
            return every
        active = select(func.count(col(Session.id))).correlate(None)
        active = active.where(Session.project_id == self.project_id, Session.status == SessionStatus.ACTIVE)
        return select(every.scalar_subquery() - active.scalar_subquery())

    async def lines(self, session_id: int) -> list[TranscriptLine]:
        """What was said, in order."""
        query = (
            select(TranscriptLine)
            .where(
                TranscriptLine.project_id == self.project_id,
                TranscriptLine.session_id == session_id,
                TranscriptLine.epoch >= OWN_EPOCH,
            )
            .order_by(col(TranscriptLine.timestamp_ms), col(TranscriptLine.epoch), col(TranscriptLine.sequence))
        )
        return list((await self.db.exec(query)).all())

    async def last_sequence(self, session_id: int, epoch: int) -> int:
        """The highest sequence of an epoch, 0 if none."""
        query = select(func.max(TranscriptLine.sequence)).where(
            TranscriptLine.project_id == self.project_id,
            TranscriptLine.session_id == session_id,
            TranscriptLine.epoch == epoch,
        )
        return (await self.db.exec(query)).one() or 0

    async def turns(self, session_id: int) -> list[Turn]:
        """The measured answers, in order."""
        query = (
            select(Turn)
            .where(Turn.project_id == self.project_id, Turn.session_id == session_id)
            .order_by(col(Turn.epoch), col(Turn.sequence))
        )
        return list((await self.db.exec(query)).all())

    async def traces(self, session_id: int) -> list[SessionTrace]:
        """Tools, fallbacks and faults, in the order in which they began."""
        query = (
            select(SessionTrace)
            .where(SessionTrace.project_id == self.project_id, SessionTrace.session_id == session_id)
            .order_by(col(SessionTrace.began_at), col(SessionTrace.id))
        )
        return list((await self.db.exec(query)).all())


async def last_words(db: Db, session: Session, speaker: str, identity: str) -> str:
    """What somebody said last, as it is kept; empty where that is nothing."""
    mine = (
        TranscriptLine.project_id == session.project_id,
        TranscriptLine.session_id == session.id,
        TranscriptLine.speaker == speaker,
        TranscriptLine.identity == identity,
    )
    query = select(TranscriptLine.content).where(*mine).order_by(col(TranscriptLine.id).desc()).limit(1)
    return (await db.exec(query)).first() or ""


def _matches(search: str) -> Iterator[Any]:
    short_name = func.substr(Session.room_name, func.strpos(Session.room_name, "_") + 1)  # slugs have no underscore
    for shown in (short_name, col(Session.caller_identity), col(Session.agent_name)):
        yield shown.icontains(search, autoescape=True)
    number = search.removeprefix("#")
    if number.isascii() and number.isdecimal() and int(number) <= MAX_ID:
        yield col(Session.id) == int(number)
