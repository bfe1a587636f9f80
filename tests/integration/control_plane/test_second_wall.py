"""Row-level security: a query that forgets its owner still shows nothing of another project."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, select

from control_plane.db.database import Database
from control_plane.personas.models import Persona
from control_plane.tables import PLATFORM_TABLES, TENANT_TABLES
from knowledge.tables import metadata as knowledge_metadata
from tests.support.database import Clone
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

WALLED = sorted({str(table.__tablename__) for table in TENANT_TABLES} | set(knowledge_metadata.tables))


def test_every_table_is_behind_the_wall_or_the_platforms() -> None:
    assert {table.__tablename__ for table in (*TENANT_TABLES, *PLATFORM_TABLES)} == set(SQLModel.metadata.tables)


@pytest.fixture
def owner(clone: Clone) -> Iterator[psycopg.Connection]:
    with psycopg.connect(clone.owner, autocommit=True) as connection:
        yield connection


NOBODY = 0
"""A project that does not exist."""


@pytest.mark.parametrize("table", WALLED)
def test_every_tenant_table_stands_behind_the_wall(owner: psycopg.Connection, table: str) -> None:
    row = owner.execute("select relrowsecurity from pg_class where relname = %s", (table,)).fetchone()
    assert row == (True,)


def test_every_table_with_an_owner_is_a_tenant_table(owner: psycopg.Connection) -> None:
    rows = owner.execute(
        "select table_name from information_schema.columns where column_name = 'project_id' and table_schema = 'public'"
    ).fetchall()
    # Keys and tickets are read before a project is known; jobs belong to the platform.
    assert sorted(name for (name,) in rows) == sorted([*WALLED, "api_key", "job", "monitor_ticket"])


async def test_a_query_without_an_owner_sees_only_the_named_project(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    await platform.add(
        Persona(project_id=mine.project.id, name="mine"), Persona(project_id=theirs.project.id, name="theirs")
    )
    database: Database = platform.database
    async with database.tenant(mine.project.id) as db:
        assert (await db.exec(select(Persona.name))).all() == ["mine"]
        await db.commit()
        assert (await db.exec(select(Persona.name))).all() == ["mine"]  # each transaction names the project
    async with database.tenant(NOBODY) as db:
        assert (await db.exec(select(Persona.name))).all() == []
    async with database.platform() as db:
        assert sorted((await db.exec(select(Persona.name))).all()) == ["mine", "theirs"]


async def test_a_row_cannot_be_written_for_another_project(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    async with platform.database.tenant(mine.project.id) as db:
        db.add(Persona(project_id=theirs.project.id, name="smuggled"))
        with pytest.raises(DBAPIError, match="row-level security"):
            await db.flush()
        await db.rollback()
    async with platform.database.platform() as db:
        assert await db.scalar(text("select count(*) from persona")) == 0


async def test_what_a_request_named_is_forgotten_with_its_transaction(platform: Platform) -> None:
    mine = await platform.tenant("mine")
    await platform.add(Persona(project_id=mine.project.id, name="mine"))
    await asyncio.gather(*(mine.http.get("/agents") for _ in range(40)))  # every pooled connection has named a project
    for _ in range(20):
        async with platform.database.tenant(NOBODY) as db:
            assert (await db.exec(select(Persona.name))).all() == []
