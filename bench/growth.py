"""`python -m bench growth`: what a page costs where a thousand conversations are behind it, and a million.

Each conversation has its line, its turn, its event and its entry of usage. Parts are of fifty thousand, so that a
million are twenty of each table. The control plane and its stores share this machine's cores: ratios count. At the end
the oldest parts are dropped, and as many rows deleted as is done row by row.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final
from urllib.request import Request, urlopen

import psycopg
from rich.console import Console
from rich.table import Table

from bench.platform import ALL_CORES, KEY, RESULTS, our_settings, start, stores, wait_for
from tests.support.ports import free_port

FEW: Final = 1_000
MANY: Final = 1_000_000
PART: Final = 50_000
"""Conversations of a part."""
SESSIONS_FROM: Final = 1_000_000
EVENTS_FROM: Final = 100_000_000
"""Numbers behind the parts that the migration makes."""
AGO: Final = "now() - (%(wanted)s - n) * interval '60 days' / %(wanted)s"
_N: Final = "generate_series(%(first)s::bigint, %(last)s::bigint) n"
_FILL: Final = (
    "insert into session (id, project_id, room_name, status, outcome, session_type, message_count, store_transcripts,"
    " epochs, started_at, ended_at, duration, agent_name) overriding system value"
    f" select %(session)s + n, 1, 'proj_z' || n, 'completed', 'ok', 'voice', 1, true, 1, {AGO}, {AGO}, 60, 'Robin'"
    f" from {_N}",
    "insert into transcript_line (project_id, session_id, epoch, sequence, speaker, identity, content, timestamp_ms,"
    " interrupted, created_at) select 1, %(session)s + n, 1, 1, 'user', 'caller', 'What was said, ' || n, 1, false,"
    f" {AGO} from {_N}",
    "insert into turn (project_id, session_id, epoch, sequence, speech_ended_at, audio_started_at, created_at)"
    f" select 1, %(session)s + n, 1, 2, {AGO}, {AGO}, {AGO} from {_N}",
    "insert into event (id, seq, project_id, type, room_name, data, created_at) overriding system value"
    " select %(event)s + n, %(event)s + n, 1, 'session.ended', 'proj_z' || n,"
    f" jsonb_build_object('session_id', %(session)s + n), {AGO} from {_N}",
    "insert into usage_entry (project_id, source, session_id, service, provider, model, input_tokens, output_tokens,"
    " audio_seconds, characters, requests, cost_usd, unpriced, at) select 1, 'report:' || %(session)s + n || ':1:3',"
    f" %(session)s + n, 'llm', 'openai', 'gpt-4o', 100, 10, 0, 0, 1, 0.001, false, {AGO}"
    f" from {_N}",
)
DELETE: Final = (
    "delete from session where id in (select id from session where project_id = 1 order by started_at limit 500)",
    "delete from event where id = any(array("
    "select id from event where project_id = 1 and seq is not null order by seq limit 500))",
)
"""A batch of what `retaining` does of each table."""


def fill(connection: psycopg.Connection[Any], there: int, wanted: int) -> None:
    """Bring the project to so many conversations, part by part as they would come."""
    for first in range(there + 1, wanted + 1, PART):
        last = min(first + PART - 1, wanted)
        for table, begin in (("session", SESSIONS_FROM), ("event", EVENTS_FROM)):
            connection.execute("select setval(%s::regclass, %s)", (f"{table}_id_seq", begin + first))
        connection.execute("select tend_partitions()")
        values = {"first": first, "last": last, "wanted": wanted}
        for statement in _FILL:
            connection.execute(statement.encode(), values | {"session": SESSIONS_FROM, "event": EVENTS_FROM})
        for table, begin in (("session", SESSIONS_FROM), ("event", EVENTS_FROM)):
            connection.execute("select setval(%s::regclass, %s)", (f"{table}_id_seq", begin + last))
    connection.execute("select tend_partitions()")
    connection.execute("vacuum analyze")


def pages(newest: int) -> dict[str, str]:
    """What is asked where so many conversations are."""
    session = SESSIONS_FROM + newest // 2
    return {
        "the newest sessions, with their number": "/sessions",
        "a session": f"/sessions/{session}/detail",
        "its transcript": f"/sessions/{session}/transcript",
        "the last hundred events": f"/events?limit=100&after={EVENTS_FROM + newest - 100}",
        "usage of this month": "/usage?period=month",
    }


def ask(url: str, path: str, rounds: int) -> float:
    """The median of a page, in milliseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        with urlopen(Request(f"{url}/api/v1{path}", headers={"X-API-Key": KEY}), timeout=60) as answer:
            answer.read()
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def forget(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """What it costs to forget a part one row after the other (a tenth of them is deleted), and at once."""
    deleted = []
    for each in DELETE:
        began = time.perf_counter()
        for _ in range(PART // 500 // 10):
            connection.execute(each.encode())
        deleted.append(10 * (time.perf_counter() - began))
    connection.execute("update project set retention_days = 30")
    dropped: dict[str, float] = {}
    while True:
        began = time.perf_counter()
        row = connection.execute("select drop_unkept_partition(now())").fetchone()
        if row is None or row[0] is None:
            break
        dropped[row[0]] = time.perf_counter() - began
    events = [took for name, took in dropped.items() if name.startswith("event_1")]
    lines = [took for name, took in dropped.items() if name.startswith("transcript_line_1")]
    return {
        "parts_dropped": len(dropped),
        "drop_events_s": statistics.median(events),
        "drop_lines_s": statistics.median(lines),
        "delete_sessions_s": deleted[0],
        "delete_events_s": deleted[1],
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="how often each page is asked for")
    parser.add_argument("--many", type=int, default=MANY, help="conversations at the end")
    chosen = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        port = free_port()
        start(cleanup, [sys.executable, "-m", "control_plane", "serve"], our_settings(urls, redis_url, port), ALL_CORES)
        wait_for(port)
        connection = cleanup.enter_context(psycopg.connect(urls.owner, autocommit=True))
        connection.execute("update partitions.plan set width = %s where width is not null", (PART,))
        connection.execute("delete from session")
        there, url = 0, f"http://127.0.0.1:{port}"
        for rows in (FEW, chosen.many):
            fill(connection, there, rows)
            there, asked = rows, pages(rows)
            for path in asked.values():
                ask(url, path, 10)
            found[rows] = {what: ask(url, path, chosen.rounds) for what, path in asked.items()}
        parts = connection.execute("select parent, count(*) from partitions.ranges() group by 1 order by 1").fetchall()
        forgotten = forget(connection)
    shown = Table(title="milliseconds of a page, by conversations", title_justify="left")
    for heading in ("page", f"{FEW:,}", f"{chosen.many:,}", "times"):
        shown.add_column(heading, justify="left" if heading == "page" else "right")
    few, many = found[FEW], found[chosen.many]
    for what in few:
        shown.add_row(what, f"{few[what]:.1f}", f"{many[what]:.1f}", f"{many[what] / few[what]:.2f}")
    Console().print(shown)
    Console().print(forgotten)
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "conversations": [FEW, chosen.many],
        "parts": dict(parts),
        "pages_ms": {what: [round(few[what], 2), round(many[what], 2)] for what in few},
        "forgetting": {name: round(value, 3) for name, value in forgotten.items()},
    }
    (RESULTS / "growth.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
