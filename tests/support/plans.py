"""How PostgreSQL would find what the repositories ask for, where every table is large.

Statements are collected as they are sent, and explained without their values on tables that claim a million rows: what
reads a whole table, or an index from end to end, costs the more the longer a project has been there.
"""

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from greenlet import getcurrent
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import SQLModel

from control_plane.tables import PLATFORM_TABLES
from tests.support.database import CHECKOUT, Clone, cloned
from tests.support.furnishing import furnish

SOME: Final[dict[type, Any]] = {
    sa.DateTime: datetime(2026, 1, 5, tzinfo=UTC),
    sa.LargeBinary: b"x",
    sa.Boolean: True,
    JSONB: "{}",
    ARRAY: ["x"],
}
"""Values for columns, by their types; 1 is one for all others."""
ALLOWED: Final = {
    "insert into event_cursor": "once, before there is anything that reads the log",
}
"""Statements that may read a table from end to end: what they have within them, and why."""
LARGE: Final = 1_000_000
"""Rows that every table claims to have."""
IN_ORDER: Final = ("LockRows", "Append", "Merge Append")
"""Nodes that read no more of what is below them than is taken of them."""
READS: Final = ("select", "with", "update", "delete", "insert")
"""How statements begin that can be explained."""
TYPES: Final[dict[type, str]] = {int: "bigint", str: "text", bool: "boolean", datetime: "timestamptz", UUID: "uuid"}
"""What PostgreSQL calls the types of values."""
Sent = dict[str, Any]
"""Statements, each with the values that it was sent with first."""
SMALL: Final = {
    "account": "customers",
    "alembic_version": "one row",
    "audit_check": "one row a project",
    "audit_head": "one row a project",
    "knowledge_upload": "documents that wait to be ingested",
    "process_pulse": "processes",
    "project": "customers",
    "sip_trunk": "numbers of customers; all of them are compared with the SIP service",
    "worker": "machines",
}
"""Tables that may be read from end to end, and what they grow with."""
_CLAIM: Final = """
    update pg_class set reltuples = case when relname = any(%s) then 1000 else %s end, relpages = 1
    where relkind in ('r', 'p') and relnamespace::regnamespace::text in ('public', 'partitions')
"""
_A_PROJECT: Final = (
    "insert into account (id, email, name, plan) overriding system value values (1, 'a@b.org', 'a', 'enterprise')",
    "insert into project (id, account_id, slug, name) overriding system value values (1, 1, 'alpha', 'alpha')",
)
_WALL: Final = re.compile(r"\(\(?project_id = \(InitPlan \d+\)\.col1\) OR \(InitPlan \d+\)\.col1\)")
"""What row-level security adds to every plan."""
_ASKING: Final = (
    "set parley.project = '1'",
    "set enable_seqscan = off",
    # Whether there is an index to look each row up by is what is asked, not how many rows are guessed to be joined.
    "set enable_hashjoin = off",
    "set enable_mergejoin = off",
)
_PARTIAL: Final = "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where indpred is not null"
_VALUE: Final = re.compile(r"%\((\w+)\)[sbt]|%[sbt]|%%")


@contextmanager
def collected() -> Iterator[Sent]:
    """The distinct statements that are sent within the block, by whichever of our doors."""
    sent: Sent = {}
    execute, many = psycopg.AsyncCursor.execute, psycopg.AsyncCursor.executemany

    def note(query: Any, values: Any) -> None:
        if isinstance(query, str) and query not in sent and _is_ours():
            sent[query] = values

    async def noted(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        note(query, params)
        return await execute(self, query, params, **options)

    async def noted_many(self: Any, query: Any, params_seq: Any, **options: Any) -> Any:
        rows = list(params_seq)
        note(query, rows[0] if rows else None)
        return await many(self, query, rows, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", noted)
        patch.setattr(psycopg.AsyncCursor, "executemany", noted_many)
        yield sent


def _is_ours() -> bool:
    """Whether what is sent just now is what our code asks, and not a test."""
    here: Any = getcurrent()
    frame: Any = sys._getframe(2)
    while here is not None:
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(CHECKOUT) and ".venv" not in file.parts:
                within = file.relative_to(CHECKOUT).parts
                if within[:2] != ("control_plane", "db") and frame.f_code.co_filename != __file__:
                    return within[0] != "tests"
            frame = frame.f_back
        here = here.parent
        frame = here.gr_frame if here is not None else None
    return True


@pytest.fixture(scope="session", autouse=True)
def plans_of_the_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where `PARLEY_PLANS` names a file, the statements of all tests of this run are explained there at its end."""
    if not (file := os.environ.get("PARLEY_PLANS")):
        yield
        return
    server = request.getfixturevalue("postgres")
    with collected() as sent:
        yield
    with cloned(*server) as clone:
        with psycopg.connect(clone.superuser, autocommit=True) as connection:
            for made in _A_PROJECT:
                connection.execute(made)
        nobody: Any = SimpleNamespace(project=SimpleNamespace(id=1, slug="alpha", account_id=1))
        furnish(clone.superuser, nobody, 1)
        readings = explain(clone, sent)
    told = f"{len(sent)} statements, {len(readings)} read a whole table\n{told_of(readings)}\n"
    with Path(file).open("a") as report:
        report.write(told)
    assert not readings, told


@dataclass(frozen=True, order=True)
class Reading:
    """A table that a statement reads from end to end."""

    table: str
    how: str
    statement: str


def numbered(statement: str, types: Mapping[str, str] = MappingProxyType({})) -> str:
    """A statement with PostgreSQL's own marks where psycopg's stood, as values of these types."""
    places: dict[str, int] = {}

    def mark(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1] or str(len(places))
        cast_to = f"::{types[name]}" if name in types and not statement.startswith("::", found.end()) else ""
        return f"${places.setdefault(name, len(places) + 1)}{cast_to}"

    return _VALUE.sub(mark, statement)


def explain(clone: Clone, sent: Sent) -> list[Reading]:
    """What is read from end to end by any of these statements, as the role of the control plane asks for it.

    PostgreSQL plans without the values where that costs no more; what would read a whole table without them is planned
    with them, as it is each time.
    """
    with psycopg.connect(clone.superuser, autocommit=True) as connection:
        # A table without a row counts as empty, whatever it claims.
        connection.execute("set session_replication_role = replica")
        for model in PLATFORM_TABLES:
            _fill(connection, SQLModel.metadata.tables[str(model.__tablename__)])
        connection.execute("delete from pg_statistic")  # what was learnt meanwhile from a handful of rows
        connection.execute(_CLAIM, [[*SMALL], LARGE])
        partial = {name for (name,) in connection.execute(_PARTIAL)}
    found: set[Reading] = set()
    with psycopg.connect(clone.app, autocommit=True) as connection:
        for setting in _ASKING:
            connection.execute(setting)
        for statement, values in sent.items():
            if statement.split(None, 1)[0].lower() not in READS:
                continue
            whole = [*_whole(_generic(connection, statement, values), partial)]
            if whole and values:
                row = connection.execute(f"explain (format json, costs off) {statement}", values).fetchone()  # type: ignore[call-overload]
                whole = [*_whole(row[0][0]["Plan"], partial)]
            asked = " ".join(numbered(statement).split())
            if not any(each in asked for each in ALLOWED):
                found |= {Reading(table, how, asked) for table, how in whole}
    return sorted(found)


def _fill(connection: psycopg.Connection[Any], table: sa.Table) -> None:
    """Put some row into a table that has none."""
    values: dict[str, Any] = {
        column.name: SOME.get(type(column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type), 1)
        for column in table.columns
        if not column.nullable and column.server_default is None and not column.identity
    }
    if connection.execute(f"select from {table.name} limit 1").fetchone() is None:  # type: ignore[call-overload]
        marks = ", ".join(["%s"] * len(values))
        connection.execute(f"insert into {table.name} ({', '.join(values)}) values ({marks})", [*values.values()])  # type: ignore[call-overload]


def _generic(connection: psycopg.Connection[Any], statement: str, values: Any) -> dict[str, Any]:
    named = values.items() if isinstance(values, Mapping) else enumerate(values or ())
    types = {str(name): TYPES[type(value)] for name, value in named if type(value) in TYPES}
    # What SQLAlchemy writes names its types. Text of ours leaves them to PostgreSQL, or to the values.
    for asked in (numbered(statement), typed := numbered(statement, types)):
        try:
            row = connection.execute(f"explain (generic_plan, format json, costs off) {asked}").fetchone()  # type: ignore[call-overload]
        except psycopg.Error as error:
            if asked == typed:
                raise AssertionError(f"cannot be explained: {error}\n{asked}") from error
        else:
            plan: dict[str, Any] = row[0][0]["Plan"]
            return plan
    raise AssertionError


def _whole(node: dict[str, Any], partial: Collection[str], *, first: bool = False) -> Iterator[tuple[str, str]]:
    """Tables that a plan reads from end to end, and how; an index of what goes on just now may be."""
    kind, table = node["Node Type"], node.get("Relation Name", "")
    if kind == "Seq Scan" and table not in SMALL:
        yield table, kind
    if kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and table not in SMALL:
        only_first = first and not _WALL.sub("", node.get("Filter", "")).strip("()")
        if node["Index Name"] not in partial and not only_first:
            yield table, f"{kind} {node['Index Name']} {node.get('Filter', '')}"
    for each in node.get("Plans", ()):
        yield from _whole(each, partial, first=kind == "Limit" or (first and kind in IN_ORDER))


def told_of(readings: Iterable[Reading]) -> str:
    """Readings as lines for whoever has to mend them."""
    return "\n".join(f"{each.table}: {each.how}\n    {each.statement}" for each in readings)
