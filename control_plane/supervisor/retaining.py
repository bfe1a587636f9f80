"""`retention_days` of a project: conversations that ended so long ago go, with all that belongs to them.

What runs, or may still be told of, stays. So does what it cost (`usage_entry`: numbers) and the audit trail. Recordings
have a way of their own, the file first: `recordings.removing`. Whole partitions go first, by the same rules, which the
database has as well: `drop_unkept_partition`.
"""

from typing import Any, Final

import structlog
from sqlalchemy import TextClause, text
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.supervisor.partitions import drop_partitions

AT_ONCE: Final = 500
"""Rows of one table in one transaction."""
BATCHES: Final = 200
"""Of one table in one pass: the next pass goes on."""

_OLD: Final[dict[str, TextClause]] = {
    # Questions have no key of their session: they go with it, or when they were asked last.
    "knowledge_unanswered": text("""
        delete from knowledge_unanswered where id in (
            select id from knowledge_unanswered
            where project_id = :project and last_asked_at < :before limit :most)
    """),
    # Lines, turns, traces, jobs, analyses and links to replays go by their keys.
    "session": text("""
        delete from session where id in (
            select id from session
            where project_id = :project and started_at < :before and status = 'completed' and ended_at < :before
            order by started_at limit :most)
    """),
    "call": text("""
        delete from call where id in (
            select id from call where project_id = :project and ended_at < :before order by id limit :most)
    """),
    # Consents stay: who does not want to be called is not called however long ago that was said.
    "dial_decision": text("""
        delete from dial_decision where id in (
            select id from dial_decision where project_id = :project and at < :before order by id limit :most)
    """),
    "participant": text("""
        delete from participant where id in (
            select id from participant where project_id = :project and left_at < :before limit :most)
    """),
    "supervision": text("""
        delete from supervision where id in (
            select id from supervision where project_id = :project and ended_at < :before limit :most)
    """),
    "bot": text("""
        delete from bot where id in (
            select id from bot
            where project_id = :project and state in ('completed', 'failed', 'cancelled') and writing_since is null
                and coalesce(ended_at, created_at) < :before
            order by id limit :most)
    """),
    "meeting": text("""
        delete from meeting where id in (
            select id from meeting
            where project_id = :project and status in ('completed', 'failed') and ended_at < :before
            order by id limit :most)
    """),
    "video_transcription": text("""
        delete from video_transcription where id in (
            select id from video_transcription where project_id = :project and finished_at < :before limit :most)
    """),
    "webhook_delivery": text("""
        delete from webhook_delivery where id in (
            select oldest.id from webhook_endpoint endpoint, lateral (
                select id, finished_at from webhook_delivery
                where endpoint_id = endpoint.id order by id limit :most) oldest
            where endpoint.project_id = :project and oldest.finished_at < :before limit :most)
    """),
    # The newest event of all stays: the next one's number is counted from it. As an array the ids are looked up in each
    # part by its index; joined, the parts would be read from end to end.
    "event": text("""
        delete from event where id = any(array(
            select id from (
                select id, seq, created_at, room_name from event
                where project_id = :project and seq is not null order by seq limit :most) oldest
            where created_at < :before and seq < (select max(seq) from event)
                and not exists (
                    select from session
                    where session.room_name = oldest.room_name and session.status = 'active')))
    """),
}
"""What of a project is older than a moment, a batch of each table."""

log = structlog.get_logger()


async def retain(database: Database, clock: Clock) -> None:
    """Delete what projects keep no longer, whole partitions first. An interrupted pass has deleted what it has, and the
    next goes on."""
    await drop_partitions(database, clock)
    async with database.platform() as db:
        keepers = select(Project.id, Project.retention_days).where(col(Project.retention_days).is_not(None))
        wanted = (await db.exec(keepers.order_by(col(Project.id)))).all()
    for project_id, days in wanted:
        async with database.platform() as db:
            before = await db.scalar(
                text("select cast(:now as timestamptz) - make_interval(days => :days)"),
                {"now": clock.now(), "days": days},
            )
        for table in _OLD:
            if gone := await _remove(database, table, {"project": project_id, "before": before}):
                log.info("kept long enough", project=project_id, table=table, rows=gone)


async def _remove(database: Database, table: str, values: dict[str, Any]) -> int:
    gone = 0
    for _ in range(BATCHES):
        async with database.platform() as db:
            result: Any = await db.execute(_OLD[table], values | {"most": AT_ONCE})
        gone += result.rowcount
        if result.rowcount < AT_ONCE:
            break
    return gone
