"""Tables in parts: there is always a place to write to, nothing is lost or passed by, what nobody keeps is dropped."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.db.leadership import connect
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.events.models import LATE, Event
from control_plane.events.sequencer import Sequencer
from control_plane.events.tail import BATCH, follow, last_seq, read_after
from control_plane.events.wake import STAMPED, Listener
from control_plane.supervisor.partitions import tend_partitions
from control_plane.supervisor.retaining import retain
from tests.support.database import Clone
from tests.support.partitions import BEGIN, WIDTH, a_session, held, narrow, parts_of
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
USED = """
    insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens, audio_seconds,
        characters, requests, cost_usd, unpriced, at)
    select id, gen_random_uuid()::text, 'llm', 'p', 'm', 0, 0, 0, 0, 0, 0, false,
        now() + make_interval(months => %(months)s)
    from project
"""


async def write(database: Database, count: int, *, project_id: int = 1) -> None:
    for number in range(count):
        async with database.platform() as db:
            EventLog(db, Clock()).append(Fact.ROOM_STARTED, project_id=project_id, room_name=f"proj_{number}")


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
    sessions = [a_session(owner, tenant.project.id, NOW) for _ in range(3 * WIDTH)]
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
        a_session(owner, whose.project.id, old if place < 3 * WIDTH else NOW)
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
    a_session(owner, mine.project.id, old, status="active", ended=None)
    for _ in range(2 * WIDTH - 1):
        a_session(owner, mine.project.id, old)
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
        a_session(owner, tenant.project.id, NOW - timedelta(days=31))
    stamp_all(owner)
    await keep_for(tenant, 30)
    with psycopg.connect(clone.owner) as reader:
        reader.execute("select count(*) from transcript_line")
        await retain(platform.database, Clock())
        assert f"transcript_line_{BEGIN}" in parts_of(owner, "transcript_line")
    assert held(owner, "transcript_line") == {}, "rows go all the same"
    await retain(platform.database, Clock())
    assert f"transcript_line_{BEGIN}" not in parts_of(owner, "transcript_line")
