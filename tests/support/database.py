"""Real PostgreSQL for tests: one server a session, one migrated template, one clone a test."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from control_plane.db.database import Database, Db
from control_plane.events.wake import WRITTEN, Notifier
from parley.stack.database import database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets

CHECKOUT = Path(__file__).parents[2]
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
_WAITS = text("select count(*) from pg_locks where pg_backend_pid() = any(pg_blocking_pids(pid))")
_numbers = count(1)


@dataclass
class Clone:
    """A database of one test: addresses for each role."""

    name: str
    owner: str
    app: str
    knowledge: str
    superuser: str = field(repr=False)


@contextmanager
def serving() -> Iterator[tuple[EmbeddedPostgres, Secrets]]:
    """A server with a migrated database to clone."""
    with tempfile.TemporaryDirectory(prefix="parley-test-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", settings=FAST)
        secrets = Secrets.generate()
        with server:
            asyncio.run(prepare_database(server.url(), secrets))
            owner = database_urls(int(server.url().rsplit(":", 1)[1].split("/")[0]), secrets).owner
            migrate(owner)
            yield server, secrets


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[EmbeddedPostgres, Secrets]]:
    """The server of this test session."""
    with serving() as running:
        yield running


def migrate(owner_url: str, *, within: float = 300) -> None:
    """Bring a database to the newest revision, as an operator would, in so many seconds."""
    subprocess.run(
        [sys.executable, "-m", "control_plane", "migrate"],
        check=True,
        cwd=CHECKOUT,
        env={"PARLEY_DATABASE_URL": owner_url, "PATH": "/usr/bin:/bin"},
        timeout=within,
    )


@contextmanager
def cloned(server: EmbeddedPostgres, secrets: Secrets) -> Iterator[Clone]:
    """A migrated, empty database for the time of the block."""
    port = int(server.url().rsplit(":", 1)[1].split("/")[0])
    urls = database_urls(port, secrets)
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template parley owner parley_owner")

    def named(url: str) -> str:
        return url.rsplit("/", 1)[0] + f"/{name}"

    yield Clone(name, named(urls.owner), named(urls.app), named(urls.knowledge), server.url(database=name))
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def clone(postgres: tuple[EmbeddedPostgres, Secrets]) -> Iterator[Clone]:
    """A migrated, empty database of this test alone."""
    with cloned(*postgres) as made:
        yield made


@pytest.fixture
async def database(clone: Clone) -> AsyncIterator[Database]:
    """Both doors to this test's database, and wake-ups for what is written."""
    database = Database(clone.app.replace("postgresql://", "postgresql+psycopg://"), pool=12)
    notifier = Notifier(clone.app, WRITTEN)
    database.on_announcement(notifier.poke)
    task = asyncio.create_task(notifier.run())
    yield database
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


@pytest.fixture
def database_url(clone: Clone) -> str:
    """The owner's address of this test's database."""
    return clone.owner


async def somebody_waits(db: Db) -> None:
    """Until another transaction waits for a lock that this one holds."""
    async with asyncio.timeout(60):
        while not await db.scalar(_WAITS):
            await asyncio.sleep(0.02)
