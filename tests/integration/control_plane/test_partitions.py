"""Tables in parts: there is always a place to write to, nothing is lost or passed by, and no wall is walked around."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.db.leadership import connect
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.events.models import LATE, Event
from control_plane.events.sequencer import Sequencer
from control_plane.events.tail import BATCH, follow, last_seq, read_after
from control_plane.events.wake import STAMPED, WRITTEN, Listener, Notifier
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.recordings.models import Recording
from control_plane.supervisor.partitions import tend_partitions
from control_plane.supervisor.retaining import retain
from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.recordings import complete, start

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
BEGIN = 100_000_000
"""Where ids begin behind what the migration made; parts are as narrow as `WIDTH` there."""
WIDTH = 10
PARTED = ("event", "session_trace", "transcript_line", "turn", "usage_entry")
USED = """
    insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens, audio_seconds,
        characters, requests, cost_usd, unpriced, at)
    select id, gen_random_uuid()::text, 'llm', 'p', 'm', 0, 0, 0, 0, 0, 0, false,
        now() + make_interval(months => %(months)s)
    from project
"""
PARTS = """
    select parent.relname, part.relname from pg_inherits
    join pg_class parent on parent.oid = inhparent join pg_class part on part.oid = inhrelid
    where parent.relkind = 'p' order by 1, 2
"""


@pytest.fixture
def owner(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    """Whose the tables are."""
    with psycopg.connect(clone.owner, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def database(clone: Clone) -> AsyncIterator[Database]:
    database = Database(clone.app.replace("postgresql://", "postgresql+psycopg://"), pool=8)
    notifier = Notifier(clone.app, WRITTEN)
    database.on_announcement(notifier.poke)
    task = asyncio.create_task(notifier.run())
    yield database
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


def narrow(owner: psycopg.Connection[Any]) -> None:
    """Parts of ten events, and of ten sessions, from here on."""
    owner.execute("update partitions.plan set width = %s where width is not null", [WIDTH])
    for table in ("event", "session"):
        owner.execute("select setval(%s, %s)", [f"{table}_id_seq", BEGIN - 1])


def parts_of(owner: psycopg.Connection[Any], table: str) -> set[str]:
    return {part for parent, part in owner.execute(PARTS).fetchall() if parent == table}


def held(owner: psycopg.Connection[Any], table: str) -> dict[str, int]:
    """How many rows each part of a table has, of those that have any."""
    counted = f"select tableoid::regclass::text, count(*) from {table} group by 1"
    rows = owner.execute(counted.encode()).fetchall()
    return {part.removeprefix("partitions."): count for part, count in rows}


async def write(database: Database, count: int, *, project_id: int = 1) -> None:
    for number in range(count):
        async with database.platform() as db:
            EventLog(db, Clock()).append(Fact.ROOM_STARTED, project_id=project_id, room_name=f"proj_{number}")


async def a_session(owner: psycopg.Connection[Any], project_id: int, then: datetime, **values: Any) -> int:
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
    for table, more in (
        ("transcript_line", {"speaker": "user", "identity": "", "content": "Hi.", "timestamp_ms": 0}),
        ("turn", {}),
        ("session_trace", {"kind": "fault", "began_at": then}),
    ):
        columns = {"project_id": project_id, "session_id": row[0], "epoch": 1, "sequence": 1, "created_at": then} | more
        if table == "transcript_line":
            columns["interrupted"] = False
        marks = ", ".join(["%s"] * len(columns))
        insert = f"insert into {table} ({', '.join(columns)}) values ({marks})"
        owner.execute(insert.encode(), [*columns.values()])
    owner.execute(
        "insert into event (project_id, type, room_name, created_at) values (%s, 'session.ended', 'r', %s)",
        [project_id, then],
    )
    return int(row[0])


def stamp_all(owner: psycopg.Connection[Any]) -> None:
    owner.execute(
        "update event set seq = numbered.place from (select id, row_number() over (order by id) as place from event)"
        " numbered where event.id = numbered.id"
    )


async def keep_for(tenant: Tenant, days: int | None) -> None:
    changed = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"retention_days": days})
    assert changed.status_code == 200, changed.text


async def test_parts_are_made_before_they_are_written_to(
    platform: Platform, tenant: Tenant, owner: psycopg.Connection[Any]
) -> None:
    narrow(owner)
    for _ in range(5):
        await tend_partitions(platform.database)
        await write(platform.database, 2 * WIDTH, project_id=tenant.project.id)
        assert "event_default" not in held(owner, "event")
    assert held(owner, "event") == {f"event_{BEGIN + place}": WIDTH for place in range(0, 100, WIDTH)}
    for months in range(3):
        owner.execute(USED, {"months": months})
    assert sum(held(owner, "usage_entry").values()) == 3
    assert "usage_entry_default" not in held(owner, "usage_entry")


async def test_what_finds_no_part_is_told_of_and_mended_and_nothing_is_lost(
    platform: Platform, tenant: Tenant, owner: psycopg.Connection[Any]
) -> None:
    narrow(owner)
    sessions = [await a_session(owner, tenant.project.id, NOW) for _ in range(3 * WIDTH)]
    assert held(owner, "event") == {"event_default": 3 * WIDTH}
    sequencer = Sequencer("")
    url = platform.settings.database_url.get_secret_value()
    async with await connect(url, options="-c parley.project=all") as connection:
        await sequencer.stamp(connection)
        await mended(platform, owner)
        owner.execute("insert into event (project_id, type, created_at) values (1, 'room.started', now())")
        assert await sequencer.stamp(connection) == 1
    async with platform.database.platform() as db:
        assert [event.seq for event in await read_after(db, 0)] == list(range(1, 3 * WIDTH + 2))
    shown = (await tenant.http.get(f"/sessions/{sessions[-1]}/transcript")).json()["transcripts"]
    assert [line["content"] for line in shown] == ["Hi."]


async def mended(platform: Platform, owner: psycopg.Connection[Any]) -> None:
    """Have a reader keep the pass from one table at first."""
    owner.execute("begin; lock table partitions.event_default in access share mode")
    await tend_partitions(platform.database)
    assert strays("event") == 3 * WIDTH, "somebody reads there: the next look mends it"
    assert strays("turn") == 0
    owner.execute("commit")

    await tend_partitions(platform.database)

    assert strays("event") == 0
    for table in ("event", "transcript_line", "turn", "session_trace"):
        assert held(owner, table) == {f"{table}_{BEGIN + place}": WIDTH for place in (0, WIDTH, 2 * WIDTH)}


def strays(table: str) -> float | None:
    return REGISTRY.get_sample_value("parley_partition_strays", {"kind": table})


async def test_readers_follow_across_parts_that_come_and_go(
    database: Database, clone: Clone, owner: psycopg.Connection[Any]
) -> None:
    narrow(owner)
    await tend_partitions(database)
    stamping = asyncio.create_task(Sequencer(clone.app).run())
    seen: list[Event] = []

    async def write_on() -> None:
        for _ in range(8):
            await write(database, WIDTH)
            await tend_partitions(database)

    async with asyncio.timeout(90), Listener(clone.app, STAMPED).listening() as listener:
        writing = asyncio.create_task(write_on())
        async for batch in follow(database, listener, after=0):
            seen += batch
            if len(seen) >= 8 * WIDTH:
                break
        await writing
    stamping.cancel()
    await asyncio.gather(stamping, return_exceptions=True)
    assert [event.seq for event in seen] == list(range(1, 8 * WIDTH + 1))
    assert len(held(owner, "event")) == 8
    async with database.platform() as db:
        assert await last_seq(db) == await last_seq(db, known=8 * WIDTH) == 8 * WIDTH


async def test_an_event_that_many_others_have_overtaken_is_found_by_its_readers(
    clone: Clone, database: Database, owner: psycopg.Connection[Any]
) -> None:
    """Its transaction was open all the while: its number is far above its id, and young parts alone are looked at."""
    far = 3 * LATE
    insert = "insert into event (id, seq, project_id, type, created_at) values (%s, %s, 1, 'room.started', now())"
    owner.execute(insert, [far, far])
    owner.execute("select setval('event_id_seq', %s)", [far])
    async with await connect(clone.app, options="-c parley.project=all") as connection:
        sequencer = Sequencer("")
        assert await sequencer.stamp(connection) == 0
        owner.execute(insert, [5, None])
        owner.execute(insert, [far - LATE + BATCH, None])
        assert await sequencer.stamp(connection) == 2
    async with database.platform() as db:
        assert [event.seq for event in await read_after(db, far)] == [far + 1, far + 2]
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(insert, [7, 8 + LATE])


async def test_a_part_that_nobody_keeps_is_dropped_and_one_with_a_row_that_somebody_keeps_is_not(
    platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    narrow(owner)
    await tend_partitions(platform.database)
    old = NOW - timedelta(days=31)
    for place in range(4 * WIDTH):
        whose = theirs if place == 2 * WIDTH - 1 else mine
        await a_session(owner, whose.project.id, old if place < 3 * WIDTH else NOW)
        await tend_partitions(platform.database)
    stamp_all(owner)
    gone, kept, youngest = BEGIN, BEGIN + WIDTH, BEGIN + 3 * WIDTH
    await retain(platform.database, Clock())
    assert f"event_{gone}" in parts_of(owner, "event"), "both keep everything"
    await keep_for(mine, 30)

    async with platform.database.platform() as db:
        dropped = [await db.scalar(text("select drop_unkept_partition(now())")) for _ in range(20)]
    assert {part for part in dropped if part} == {
        f"{table}_{BEGIN + place}"
        for table in ("event", "transcript_line", "turn", "session_trace")
        for place in (0, 2 * WIDTH)
    }
    await retain(platform.database, Clock())

    for table in ("event", "transcript_line", "turn", "session_trace"):
        assert held(owner, table) == {f"{table}_{kept}": 1, f"{table}_{youngest}": WIDTH}, table
    left = owner.execute("select project_id, count(*) from session group by 1 order by 1").fetchall()
    assert left == [(mine.project.id, WIDTH), (theirs.project.id, 1)]


async def test_the_part_of_a_conversation_that_goes_on_and_the_one_of_the_newest_event_stay(
    platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    mine = await platform.tenant("mine")
    narrow(owner)
    await tend_partitions(platform.database)
    old = NOW - timedelta(days=31)
    await a_session(owner, mine.project.id, old, status="active", ended=None)
    for _ in range(2 * WIDTH - 1):
        await a_session(owner, mine.project.id, old)
        await tend_partitions(platform.database)
    stamp_all(owner)
    owner.execute("select setval('event_id_seq', %s)", [BEGIN + 5 * WIDTH])
    await keep_for(mine, 30)

    await retain(platform.database, Clock())

    assert held(owner, "transcript_line") == {f"transcript_line_{BEGIN}": 1}
    assert held(owner, "event") == {f"event_{BEGIN + WIDTH}": 1}
    assert owner.execute("select max(seq) from event").fetchone() == (2 * WIDTH,)


async def test_nobody_is_made_to_wait_by_a_part_that_is_read(
    platform: Platform, tenant: Tenant, clone: Clone, owner: psycopg.Connection[Any]
) -> None:
    narrow(owner)
    await tend_partitions(platform.database)
    for _ in range(2 * WIDTH):
        await a_session(owner, tenant.project.id, NOW - timedelta(days=31))
    stamp_all(owner)
    await keep_for(tenant, 30)
    with psycopg.connect(clone.owner) as reader:
        reader.execute("select count(*) from transcript_line")
        await retain(platform.database, Clock())
        assert f"transcript_line_{BEGIN}" in parts_of(owner, "transcript_line")
    assert held(owner, "transcript_line") == {}, "rows go all the same"
    await retain(platform.database, Clock())
    assert f"transcript_line_{BEGIN}" not in parts_of(owner, "transcript_line")


async def test_no_wall_is_walked_around_by_way_of_the_parts(
    platform: Platform, clone: Clone, owner: psycopg.Connection[Any]
) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    narrow(owner)
    await tend_partitions(platform.database)
    for tenant in (mine, theirs):
        await a_session(owner, tenant.project.id, NOW)
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
    session = await a_session(owner, tenant.project.id, NOW)
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
