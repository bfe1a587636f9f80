"""A database of the version before becomes one in parts, with all that is in it, while that version goes on."""

from typing import Any

import psycopg

from tests.integration.control_plane.test_migrations import alembic
from tests.support.database import Clone
from tests.support.partitions import PARTED

FILL = """
    insert into account (id, email, name, plan) overriding system value values (1, 'a@b.org', 'a', 'enterprise');
    insert into project (id, account_id, slug, name) overriding system value values (1, 1, 'alpha', 'alpha');
    insert into session (project_id, room_name, status, session_type, started_at, store_transcripts, message_count,
        epochs)
        select 1, 'alpha_' || n, 'completed', 'voice', now(), true, 0, 1 from generate_series(1, 50) n;
    insert into event (project_id, type, created_at, data)
        select 1, 'room.started', now(), jsonb_build_object('n', n) from generate_series(1, 2000) n;
    update event set seq = id where id < 1990;
    insert into transcript_line (project_id, session_id, epoch, sequence, speaker, identity, content, timestamp_ms,
        interrupted, created_at)
        select 1, n % 50 + 1, 1, n, 'user', '', 'line ' || n, n, false, now() from generate_series(1, 2000) n;
    insert into turn (project_id, session_id, epoch, sequence, created_at)
        select 1, n % 50 + 1, 1, n, now() from generate_series(1, 500) n;
    insert into session_trace (project_id, session_id, epoch, sequence, kind, began_at, created_at)
        select 1, n % 50 + 1, 1, n, 'fault', now(), now() from generate_series(1, 500) n;
    insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens, audio_seconds,
        characters, requests, cost_usd, unpriced, at)
        select 1, 'report:1:1:' || n, 'llm', 'p', 'm', 0, 0, 0, 0, 0, 0, false, now() - make_interval(days => n)
        from generate_series(1, 500) n;
"""
ODD = (
    "insert into event (id, seq, project_id, type, created_at) values (0, 2500000, 1, 'x', now())",
    "insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens, audio_seconds,"
    " characters, requests, cost_usd, unpriced, at) values (1, 'late', 'llm', 'p', 'm', 0, 0, 0, 0, 0, 0, false,"
    " now() + interval '200 days')",
)
"""An event that was overtaken by far before there was a bound, and work of a clock that is months ahead."""
STAMP_OF_BEFORE = """
    with batch as (
        select id, row_number() over (order by id) as place from event where seq is null order by id limit 1000
    ), last as (select coalesce(max(seq), 0) as seq from event)
    update event set seq = last.seq + batch.place from batch, last where event.id = batch.id
"""


def content(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    return {
        table: connection.execute(
            f"select count(*), md5(string_agg(t::text, '|' order by id)) from {table} t".encode()
        ).fetchone()
        for table in PARTED
    }


def test_all_rows_are_there_afterwards_and_numbers_go_on(clone: Clone) -> None:
    alembic(clone.owner, "downgrade", "0041")
    with psycopg.connect(clone.owner, autocommit=True) as connection:
        connection.execute(FILL.encode())
        before = content(connection)
        for each in ODD:
            connection.execute(each.encode())
        alembic(clone.owner, "upgrade", "head")
        assert connection.execute("select count(*) from event where seq > id + 1000000").fetchone() == (0,)
        assert connection.execute("delete from event where seq = 2500000").rowcount == 1
        assert connection.execute("delete from usage_entry where source = 'late'").rowcount == 1
        assert content(connection) == before
        last = connection.execute("select pg_sequence_last_value('event_id_seq')").fetchone()
        made = connection.execute(
            "insert into event (project_id, type, created_at) values (1, 'room.started', now()) returning id"
        ).fetchone()
        assert made is not None
        assert last is not None
        assert made[0] == last[0] + 1
        alembic(clone.owner, "check")
        alembic(clone.owner, "downgrade", "0041")
        assert content(connection)["turn"] == before["turn"]
        assert content(connection)["event"][0] == before["event"][0] + 1
        alembic(clone.owner, "upgrade", "head")
        assert content(connection)["usage_entry"] == before["usage_entry"]


def test_the_version_before_writes_numbers_and_reads_on(clone: Clone) -> None:
    with psycopg.connect(clone.app, autocommit=True, options="-c parley.project=all") as connection:
        for _ in range(3):
            connection.execute("insert into event (project_id, type, created_at) values (1, 'room.started', now())")
        assert connection.execute(STAMP_OF_BEFORE).rowcount == 3
        connection.execute("insert into event (project_id, type, created_at) values (1, 'room.started', now())")
        assert connection.execute(STAMP_OF_BEFORE).rowcount == 1
        told = connection.execute("select seq from event where seq > 1 order by seq limit 500").fetchall()
        assert told == [(2,), (3,), (4,)]
        entry = "insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens,"
        entry += " audio_seconds, characters, requests, cost_usd, unpriced, at) values (%s, 'call:1', 'x', 'x', 'x', 0,"
        entry += " 0, 0, 0, 0, 0, false, now()) on conflict do nothing"
        connection.execute(
            "insert into account (id, email, name, plan) overriding system value values (1, 'a@b', 'a', 'free')"
        )
        connection.execute(
            "insert into project (id, account_id, slug, name) overriding system value values (1, 1, 'alpha', 'a')"
        )
        assert [connection.execute(entry.encode(), [1]).rowcount for _ in range(2)] == [1, 0]
