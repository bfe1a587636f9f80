"""Tables in narrow parts, looked at by whose they are."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import psycopg
import pytest

from tests.support.database import Clone

PARTED: Final = ("event", "session_trace", "transcript_line", "turn", "usage_entry")
BEGIN: Final = 100_000_000
"""Where ids begin behind what the migration made; parts are as narrow as `WIDTH` there."""
WIDTH: Final = 10
PARTS: Final = """
    select parent.relname, part.relname from pg_inherits
    join pg_class parent on parent.oid = inhparent join pg_class part on part.oid = inhrelid
    where parent.relkind = 'p' order by 1, 2
"""


@pytest.fixture
def owner(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    """Whose the tables are."""
    with psycopg.connect(clone.owner, autocommit=True) as connection:
        yield connection


def narrow(owner: psycopg.Connection[Any]) -> None:
    """Parts of ten events, and of ten sessions, from here on."""
    owner.execute("update partitions.plan set width = %s where width is not null", [WIDTH])
    for table in ("event", "session"):
        owner.execute("select setval(%s, %s)", [f"{table}_id_seq", BEGIN - 1])


def parts_of(owner: psycopg.Connection[Any], table: str) -> set[str]:
    """The parts of a table."""
    return {part for parent, part in owner.execute(PARTS).fetchall() if parent == table}


def held(owner: psycopg.Connection[Any], table: str) -> dict[str, int]:
    """How many rows each part of a table has, of those that have any."""
    counted = f"select tableoid::regclass::text, count(*) from {table} group by 1"
    rows = owner.execute(counted.encode()).fetchall()
    return {part.removeprefix("partitions."): count for part, count in rows}


def a_session(owner: psycopg.Connection[Any], project_id: int, then: datetime, **values: Any) -> int:
    """A session with a line, a turn and a trace, and its event."""
    given = {"project": project_id, "then": then, "status": "completed", "ended": then} | values
    row = owner.execute(
        """
        insert into session (project_id, room_name, status, session_type, started_at, ended_at, store_transcripts,
            message_count, epochs)
        values (%(project)s, 'proj_' || nextval('job_id_seq'), %(status)s, 'voice', %(then)s, %(ended)s, true, 1, 1)
        returning id
        """,
        given,
    ).fetchone()
    assert row is not None
    line = {"speaker": "user", "identity": "", "content": "Hi.", "timestamp_ms": 0, "interrupted": False}
    for table, more in (
        ("transcript_line", line),
        ("turn", {}),
        ("session_trace", {"kind": "fault", "began_at": then}),
    ):
        columns = {"project_id": project_id, "session_id": row[0], "epoch": 1, "sequence": 1, "created_at": then} | more
        marks = ", ".join(["%s"] * len(columns))
        insert = f"insert into {table} ({', '.join(columns)}) values ({marks})"
        owner.execute(insert.encode(), [*columns.values()])
    owner.execute(
        "insert into event (project_id, type, room_name, created_at) values (%s, 'session.ended', 'r', %s)",
        [project_id, then],
    )
    return int(row[0])
