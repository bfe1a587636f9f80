"""What a person's own names tell: their conversations, calls, stays and meetings go whole; of those with others, what
they said goes, and what was made of it."""

from typing import Any, Final

from sqlalchemy import TextClause, text

from control_plane.db.database import Db
from control_plane.privacy.finding import Found
from control_plane.privacy.persons import Names

AT_ONCE: Final = 100
"""Sessions of one transaction."""
_CASCADED: Final = ("transcript_line", "turn", "session_trace", "session_job", "analysis", "replay_share")
_COUNTS: Final = {
    table: text(f"select count(*) from {table} where project_id = :project and session_id = any(:sessions)")  # noqa: S608
    for table in _CASCADED
}
_THEIRS: Final[dict[str, TextClause]] = {
    "knowledge_unanswered": text(
        "delete from knowledge_unanswered where project_id = :project and session_id = any(:sessions)"
    ),
    "slot": text("delete from slot where project_id = :project and session_id = any(:sessions)"),
    "session": text("delete from session where project_id = :project and id = any(:sessions)"),
}
_SHARED: Final[dict[str, TextClause]] = {
    "transcript_line": text("""
        delete from transcript_line
        where project_id = :project and session_id = any(:shared) and identity = any(:identities)
    """),
    # Made of all that was said: it can be made again, of what is left.
    "analysis": text("delete from analysis where project_id = :project and session_id = any(:shared)"),
    "knowledge_unanswered": text(
        "delete from knowledge_unanswered where project_id = :project and session_id = any(:shared)"
    ),
    "session": text(
        "update session set summary = null where project_id = :project and id = any(:shared) and summary is not null"
    ),
}
_PEOPLE: Final[dict[str, TextClause]] = {
    "transfer": text("delete from transfer where project_id = :project and call_id = any(:calls)"),
    "call": text("delete from call where project_id = :project and id = any(:calls)"),
    "attendee": text("""
        delete from attendee
        where project_id = :project and (identity = any(:identities) or meeting_id = any(:meetings))
    """),
    "meeting": text("delete from meeting where project_id = :project and id = any(:meetings)"),
    "participant": text("delete from participant where project_id = :project and identity = any(:identities)"),
    "slot": text("delete from slot where project_id = :project and caller_identity = any(:identities)"),
    "video_transcription": text(
        "delete from video_transcription where project_id = :project and recording_id = any(:recordings)"
    ),
    "membership": text("delete from membership where project_id = :project and end_user_id = any(:end_users)"),
    "end_user": text("delete from end_user where project_id = :project and id = any(:end_users)"),
    "bot": text("""
        update bot set chat = (
            select coalesce(jsonb_agg(line order by place), '[]')
            from jsonb_array_elements(chat) with ordinality as lines(line, place)
            where coalesce(line ->> 'identity', '') <> all(:identities))
        where project_id = :project and exists (
            select from jsonb_array_elements(chat) line where line ->> 'identity' = any(:identities))
    """),
}


async def erase_conversations(db: Db, project_id: int, found: Found, names: Names, *, after: int) -> dict[str, int]:
    """Erase the next of their conversations, and their words of the next of those with others: rows by table."""
    values: dict[str, Any] = {
        "project": project_id,
        "sessions": found.sessions[after : after + AT_ONCE],
        "shared": found.shared[after : after + AT_ONCE],
        "identities": list(names.identities),
    }
    counts = {table: await db.scalar(query, values) or 0 for table, query in _COUNTS.items()}
    for queries in (_THEIRS, _SHARED):
        for table, query in queries.items():
            done: Any = await db.execute(query, values)
            counts[table] = counts.get(table, 0) + done.rowcount
    return counts


async def erase_people(db: Db, project_id: int, found: Found) -> dict[str, int]:
    """Erase who they were: calls, stays, meetings, places, themselves; rows by table."""
    values = {
        "project": project_id,
        "calls": found.calls,
        "meetings": found.meetings,
        "recordings": found.recordings,
        "end_users": found.end_users,
        "identities": found.identities,
    }
    counts: dict[str, int] = {}
    for table, query in _PEOPLE.items():
        done: Any = await db.execute(query, values)
        counts[table] = done.rowcount
    return counts
