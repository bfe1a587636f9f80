"""The number of a project's sessions is exact, and costs no more where they are many."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from control_plane.sessions.models import Session, SessionStatus
from control_plane.sessions.tally import draw_together
from tests.integration.control_plane.test_migrations import alembic
from tests.support.database import Clone
from tests.support.plans import collected
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

MANY = 3000
FILL = (
    "insert into session (project_id, room_name, status, session_type, started_at, store_transcripts, message_count,"
    " epochs) select %s, 'proj_' || n, 'completed', 'voice', now(), true, 0, 1 from generate_series(1, %s) n"
)


def session(tenant: Tenant, name: str, status: SessionStatus = SessionStatus.COMPLETED) -> Session:
    room = f"{tenant.project.slug}_{name}"
    return Session(project_id=tenant.project.id, room_name=room, status=status, started_at=datetime.now(UTC))


async def total(tenant: Tenant, **query: Any) -> int:
    answer = await tenant.http.get("/sessions", params={"per_page": 1, **query})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


async def totals(tenant: Tenant) -> list[int]:
    return [await total(tenant), await total(tenant, status="completed"), await total(tenant, status="active")]


async def test_the_number_is_exact_whatever_becomes_of_sessions(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    kept, gone = session(mine, "kept"), session(mine, "gone")
    await platform.add(kept, gone, session(mine, "on", SessionStatus.ACTIVE), session(theirs, "theirs"))
    for _ in range(2):
        assert (await totals(mine), await totals(theirs)) == ([3, 2, 1], [1, 1, 0])
        await draw_together(platform.database)
    async with platform.database.tenant(mine.project.id) as db:
        await db.execute(delete(Session).where(col(Session.id) == gone.id))
        await db.execute(update(Session).values(status="completed"))
    async with platform.database.tenant(mine.project.id) as db:
        db.add(session(mine, "undone"))
        await db.flush()
        await db.rollback()
    for _ in range(2):
        assert (await totals(mine), await totals(theirs)) == ([2, 2, 0], [1, 1, 0])
        await draw_together(platform.database)
    assert await total(mine, page=5) == 2, "past the end"
    assert await total(mine, before_id=kept.id) == 2
    assert await total(mine, session_type="bot") == 0


async def test_the_number_is_exact_while_sessions_begin_and_go_and_are_drawn_together(
    platform: Platform, tenant: Tenant
) -> None:
    dice, over = random.Random(13), asyncio.Event()

    async def draw() -> None:
        while not over.is_set():
            await draw_together(platform.database)

    async def come_and_go(caller: int) -> int:
        left = 0
        for number in range(12):
            row = session(tenant, f"{caller}-{number}")
            await platform.add(row)
            left += 1
            if dice.random() < 0.4:
                async with platform.database.tenant(tenant.project.id) as db:
                    await db.execute(delete(Session).where(col(Session.id) == row.id))
                left -= 1
        return left

    async with asyncio.TaskGroup() as tasks:
        drawing = [tasks.create_task(draw()) for _ in range(2)]
        left = sum(await asyncio.gather(*(come_and_go(caller) for caller in range(4))))
        over.set()
    assert all(task.done() for task in drawing)
    assert await total(tenant) == left


async def test_nobody_who_begins_a_session_waits_for_another(platform: Platform, tenant: Tenant) -> None:
    async with platform.database.tenant(tenant.project.id) as held:
        held.add(session(tenant, "held"))
        await held.flush()
        async with asyncio.timeout(5):
            await platform.add(session(tenant, "free"))
            await draw_together(platform.database)
        assert await total(tenant) == 1
        await held.commit()
    assert await total(tenant) == 2


@pytest.mark.parametrize("query", [{}, {"status": "completed"}])
async def test_a_page_of_many_sessions_reads_what_it_shows(
    clone: Clone, platform: Platform, tenant: Tenant, query: dict[str, str]
) -> None:
    with psycopg.connect(clone.superuser, autocommit=True) as connection:
        connection.execute(FILL, [tenant.project.id, MANY])
        connection.execute("vacuum analyze session")
        await draw_together(platform.database)
        with collected() as sent:
            assert await total(tenant, **query) == MANY
        [(asked, values)] = [each for each in sent.items() if "FROM session \n" in each[0]]
        [plan] = connection.execute(f"explain (analyze, format json) {asked}".encode(), values).fetchone() or []
    assert _rows_read(plan[0]["Plan"]) < 20


def _rows_read(node: dict[str, Any]) -> float:
    mine = node["Actual Rows"] * node["Actual Loops"] if "Relation Name" in node else 0
    return mine + sum(_rows_read(each) for each in node.get("Plans", []))


def test_sessions_of_before_are_counted_once(clone: Clone) -> None:
    alembic(clone.owner, "downgrade", "0045")
    with psycopg.connect(clone.owner, autocommit=True) as connection:
        connection.execute("insert into account (email, name, plan) values ('a@b.org', 'a', 'free')")
        connection.execute("insert into project (account_id, slug, name) select id, 'proj', 'a' from account")
        project = connection.execute("select id from project").fetchone()
        assert project is not None
        connection.execute(FILL, [project[0], 7])
        alembic(clone.owner, "upgrade", "head")
        connection.execute("delete from session where room_name = 'proj_1'")
        assert connection.execute("select sum(sessions) from session_tally").fetchone() == (6,)
