"""Tables in parts: no wall is walked around, who asks is answered from few of them, and work is counted once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.events.tail import last_seq, read_after
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.recordings.models import Recording
from control_plane.supervisor.partitions import tend_partitions
from tests.support.database import Clone
from tests.support.partitions import PARTED, PARTS, a_session, held, narrow
from tests.support.platform import Platform, Tenant
from tests.support.recordings import complete, start

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


async def test_no_wall_is_walked_around_by_way_of_the_parts(
    platform: Platform, clone: Clone, owner: psycopg.Connection[Any]
) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    narrow(owner)
    await tend_partitions(platform.database)
    for tenant in (mine, theirs):
        a_session(owner, tenant.project.id, NOW)
    parts = [part for _, part in owner.execute(PARTS).fetchall()]
    assert len(parts) > 4 * len(PARTED)
    walls = """
        select bool_and(relrowsecurity) from pg_class
        where relnamespace = 'partitions'::regnamespace and relkind = 'r' and relname <> 'plan'
    """
    rights = """
        select count(*) from information_schema.role_table_grants
        where table_schema = 'partitions' and grantee in ('PUBLIC', 'parley_app', 'parley_knowledge')
    """
    assert owner.execute(walls).fetchone() == (True,)
    assert owner.execute(rights).fetchone() == (0,)
    for url in (clone.app, clone.knowledge):
        with psycopg.connect(url, autocommit=True, options="-c parley.project=all") as connection:
            for part in [*parts, "plan"]:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"select from partitions.{part}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select partitions.make_for(null, 1)")
    with psycopg.connect(clone.knowledge, autocommit=True) as connection:
        for function in ("tend_partitions()", "drop_unkept_partition(now())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {function}".encode())
    async with platform.database.tenant(mine.project.id) as db:
        for table in ("event", "transcript_line", "turn", "session_trace"):
            owners = await db.scalars(text(f"select distinct project_id from {table}"))
            assert owners.all() == [mine.project.id], table


def read_parts(connection: psycopg.Connection[Any], statement: str, values: dict[str, Any]) -> set[str]:
    """The parts that a statement reads."""
    row = connection.execute(f"explain (format json) {statement}".encode(), values).fetchone()
    assert row is not None

    def named(node: dict[str, Any]) -> Iterator[str]:
        if "Relation Name" in node:
            yield node["Relation Name"]
        for each in node.get("Plans", ()):
            yield from named(each)

    return set(named(row[0][0]["Plan"]))


async def test_readers_look_into_young_parts_and_those_of_a_session_into_one(
    platform: Platform, tenant: Tenant, owner: psycopg.Connection[Any], clone: Clone
) -> None:
    owner.execute("select setval('event_id_seq', 95000000)")
    owner.execute("select setval('session_id_seq', 1900000)")
    await tend_partitions(platform.database)
    session = a_session(owner, tenant.project.id, NOW)
    sent: list[tuple[str, Any]] = []
    execute = psycopg.AsyncCursor.execute

    async def noted(self: Any, query: Any, values: Any = None, **options: Any) -> Any:
        sent.append((str(query), values))
        return await execute(self, query, values, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", noted)
        async with platform.database.platform() as db:
            await read_after(db, 94_000_000)
            await last_seq(db, known=94_000_000)
        assert (await tenant.http.get("/events", params={"after": 94_000_000})).status_code == 200
        for part in ("transcript", "turns"):
            assert (await tenant.http.get(f"/sessions/{session}/{part}")).status_code == 200
    young, of_session = {"event_80000000", "event_100000000", "event_120000000", "event_default"}, 0
    with psycopg.connect(clone.app, autocommit=True, options="-c parley.project=all") as connection:
        for statement, values in sent:
            if not any(table in statement.lower() for table in ("from event", "from transcript_line", "from turn")):
                continue
            read = read_parts(connection, statement, values)
            if "from event" in statement.lower():
                assert read <= young, statement
            else:
                of_session += 1
                assert {part for part in read if part.startswith(("transcript_line", "turn"))} <= {
                    "transcript_line_1750000",
                    "turn_1750000",
                }, statement
    assert of_session > 1


async def test_work_is_counted_once_though_it_is_told_again_in_another_month(
    platform: Platform, tenant: Tenant, owner: psycopg.Connection[Any]
) -> None:
    """The former control plane dated some entries by the moment of each try: they fall into the first part."""
    entry: dict[str, Any] = {"project_id": tenant.project.id, "source": "recording:1", "service": "recording"}
    counted = []
    for at in (NOW - timedelta(days=40), NOW):
        async with platform.database.platform() as db:
            counted.append(await record(db, UsageEntry(**entry, provider="local", model="ogg", at=at), clock=Clock()))
    assert counted == [True, False]
    assert held(owner, "usage_entry") == {"usage_entry_first": 1}


async def test_a_recording_is_counted_at_its_end_whenever_its_file_is_found(platform: Platform, tenant: Tenant) -> None:
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    await start(tenant)
    await complete(platform, "EG_1")
    async with platform.database.platform() as db:
        ended = (await db.exec(select(Recording.ended_at))).one()
        assert (await db.exec(select(UsageEntry.at))).all() == [ended]
