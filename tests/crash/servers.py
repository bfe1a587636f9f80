"""PostgreSQL and Redis of a sweep: a migrated database to copy, as often as there are kills."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from parley.stack.database import database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import FAST, migrate

CLONE_WITHIN = 10.0


@dataclass(frozen=True)
class Urls:
    """Of one database: as the application reaches it, and as who may see everything."""

    app: str
    superuser: str


@dataclass(frozen=True)
class Servers:
    """Where they are."""

    app_url: str
    superuser_url: str
    """Of the database `postgres`."""
    redis_url: str

    def urls(self, database: str) -> Urls:
        """The addresses of a database."""
        return Urls(*(url.rsplit("/", 1)[0] + f"/{database}" for url in (self.app_url, self.superuser_url)))

    def clone(self, database: str, template: str = "parley") -> None:
        """Copy a database; who was killed in it may be about to leave it."""
        end = time.monotonic() + CLONE_WITHIN
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            while True:
                try:
                    connection.execute(f"create database {database} template {template} owner parley_owner")
                    return
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.02)

    def drop(self, database: str) -> None:
        """Remove a database."""
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {database} with (force)")

    def age(self, database: str, seconds: float) -> None:
        """Let time pass for what the database itself dates: leases of jobs."""
        with psycopg.connect(self.urls(database).superuser, autocommit=True) as connection:
            connection.execute("update job set lease_until = lease_until - make_interval(secs => %s)", (seconds,))

    def flush(self) -> None:
        """Empty Redis."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()


@contextmanager
def running_servers() -> Iterator[tuple[str, str]]:
    """A PostgreSQL server with a migrated database `parley`: the addresses of the application and of the superuser."""
    with tempfile.TemporaryDirectory(prefix="parley-crash-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", settings=FAST)
        secrets = Secrets.generate()
        with server:
            asyncio.run(prepare_database(server.url(), secrets))
            urls = database_urls(server.known_port, secrets)
            migrate(urls.owner, within=300)
            yield urls.app, server.url()


@contextmanager
def running_redis() -> Iterator[str]:
    """A Redis server at a socket of its own."""
    with tempfile.TemporaryDirectory(prefix="parley-crash-") as folder:
        path = f"{folder}/redis"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            while not Path(path).exists():
                assert process.poll() is None, "Redis does not start"
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(10)
