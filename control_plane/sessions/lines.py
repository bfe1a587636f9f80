"""Lines of a transcript, as workers tell them: a row and a fact each, once."""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, inspect, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col

from agents.contract import LineSpoken
from control_plane.clock import iso_ms
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.sessions.models import Session, SessionJob, TranscriptLine

CUT_OFF: Final = 2**31 - 1
"""Sequence of the line that a job's persona was saying as its worker was lost: after all that it told itself."""
NEVER: Final = 2**63 - 1
"""No moment of a session comes after it."""


async def write_line(db: Db, log: EventLog, session: Session, epoch: int, sequence: int, report: LineSpoken) -> None:
    """Write a line into a locked session; a repeat changes nothing, nor does the whole of a line that was cut off.

    What a persona tells that was replaced is from before the next one came: one whose process stood still takes what
    waited for it for new.
    """
    content = clean(report.text)
    values = {
        "speaker": report.speaker,
        "identity": clean(report.identity),
        "name": clean(report.name),
        "content": content,
        "timestamp_ms": min(report.timestamp_ms, await _replaced_at(db, session, epoch)),
        "interrupted": report.interrupted,
    }
    words = [each.model_dump() | {"text": clean(each.text)} for each in report.words] or None
    row = values | {"duration_ms": report.duration_ms, "words": words, "created_at": report.at}
    unless = _was_cut_off(session, epoch, content) if report.speaker == "agent" and sequence != CUT_OFF else None
    if await keep_once(db, TranscriptLine, session, epoch, sequence, row, unless=unless):
        session.message_count += 1
        log.append(
            Fact.TRANSCRIPT_LINE,
            project_id=session.project_id,
            room_name=session.room_name,
            session_id=session.id,
            is_final=True,
            final_at=iso_ms(report.at),
            in_chat=report.in_chat,
            **values,
        )


async def write_begun(db: Db, log: EventLog, session: Session, job: SessionJob) -> None:
    """A job of a locked session is lost: what its persona was heard saying is a line that was cut off, if anything."""
    if job.begun is not None and session.store_transcripts:
        await write_line(db, log, session, job.epoch, CUT_OFF, LineSpoken.model_validate(job.begun))
    job.begun = None


async def _replaced_at(db: Db, session: Session, epoch: int) -> int:
    """When the next job of a job's persona was taken, in milliseconds of the session; where there is none, never."""
    if epoch >= session.epochs:
        return NEVER
    mine, later = aliased(SessionJob), aliased(SessionJob)
    same = and_(col(mine.session_id) == col(later.session_id), col(mine.persona_id) == col(later.persona_id))
    query = (
        select(func.min(later.accepted_at))
        .join(mine, same)
        .where(col(later.session_id) == session.id, col(later.epoch) > epoch, col(mine.epoch) == epoch)
    )
    taken_at = await db.scalar(query)
    return NEVER if taken_at is None else max(0, round((taken_at - session.started_at).total_seconds() * 1000))


def _was_cut_off(session: Session, epoch: int, content: str) -> ColumnElement[bool]:
    """Whether a line is on record as far as it was heard when its job was lost, whose worker has come back since. It is
    asked with the line's own statement: the session's lock may have waited for who wrote that."""
    begun = aliased(TranscriptLine)
    mine = (col(begun.session_id) == session.id, col(begun.epoch) == epoch, col(begun.sequence) == CUT_OFF)
    return exists().where(*mine, func.starts_with(content, begun.content))


async def keep_once(
    db: Db,
    table: type[SQLModel],
    session: Session,
    epoch: int,
    sequence: int,
    values: dict[str, Any],
    *,
    unless: ColumnElement[bool] | None = None,
) -> bool:
    """Write a row under the key of its report, `unless` something is so; False where it was there, or that is so."""
    row = {"project_id": session.project_id, "session_id": session.id, "epoch": epoch, "sequence": sequence} | values
    statement = insert(table)
    if unless is None:
        statement = statement.values(**row)
    else:
        types = inspect(table).columns
        given = select(*(literal(value, types[name].type) for name, value in row.items())).where(~unless)
        statement = statement.from_select(list(row), given)
    with db.no_autoflush:  # rows and facts of reports that come together are written together
        return await db.scalar(statement.on_conflict_do_nothing().returning(text("id"))) is not None


def clean(text: str) -> str:
    """Text without what PostgreSQL cannot store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
