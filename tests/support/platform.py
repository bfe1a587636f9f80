"""A control plane in the test's own event loop: real HTTP, real sockets, real PostgreSQL and Redis, a media double."""

import asyncio
import base64
import gc
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlmodel import SQLModel

from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Account, Member, Project
from control_plane.app import create_app
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.ids import random_secret
from control_plane.secrets.box import SecretBox
from control_plane.sessions.models import Worker
from control_plane.settings import Settings
from control_plane.supervisor import loops
from tests.support.database import CHECKOUT, Clone
from tests.support.dialer import FakeDialer
from tests.support.media import FakeMedia, FakeRecorder
from tests.support.ports import free_port

SECRET_KEY = base64.b64encode(bytes(32)).decode()
WORKER_TOKEN = "a worker's token of the tests"
ADMIN_KEY = "ak_the-operators-key-of-the-tests-0123456789"


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this test session."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="parley-test-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        _wait_for_redis(port)
        yield f"redis://127.0.0.1:{port}"
        process.terminate()
        process.wait(60)


def _wait_for_redis(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, "the Redis server did not answer within 60 s"
            time.sleep(0.02)
        else:
            return


@dataclass
class Tenant:
    """A project with a key, and a client that calls with it."""

    project: Project
    key: str
    secret: str
    http: httpx2.AsyncClient

    async def make_agent(self, **fields: object) -> int:
        """A new agent's id."""
        made = await self.http.post("/agents", json={"name": "Support Agent", **fields})
        assert made.status_code == 201, made.text
        return int(made.json()["agent"]["id"])


@dataclass
class Platform:
    """The running control plane of a test."""

    app: FastAPI
    url: str
    settings: Settings
    database: Database
    media: FakeMedia
    dialer: FakeDialer
    recorder: FakeRecorder
    clients: list[httpx2.AsyncClient] = field(default_factory=list)
    second: asyncio.subprocess.Process = field(init=False, repr=False)
    """The last `second_process`."""

    async def add(self, *rows: SQLModel) -> None:
        """Write rows directly."""
        async with self.database.platform() as db:
            for row in rows:
                db.add(row)
                await db.flush()

    async def tenant(self, slug: str = "proj", *, plan: str = "professional", rate: int | None = 100_000) -> Tenant:
        """A new account with one project and one key; `rate` is its requests per minute, None the plan's own."""
        account = Account(email=f"{slug}@example.org", name=slug, plan=plan, requests_per_minute=rate)
        await self.add(account)
        project = Project(account_id=account.id, slug=slug, name=slug)
        await self.add(Member(account_id=account.id, email=account.email, name=slug, role="owner"), project)
        key, secret = random_secret("pk_"), random_secret("sk_")
        box = SecretBox(SECRET_KEY)
        await self.add(seal_key(box, project_id=project.id, label="test", key=key, secret=secret, scopes=["*"]))
        client = httpx2.AsyncClient(base_url=f"{self.url}/api/v1", headers={"X-API-Key": key}, timeout=30)
        self.clients.append(client)
        return Tenant(project, key, secret, client)

    async def add_worker(self, capacity: int = 100) -> None:
        """Pretend that a worker with so many places lives."""
        async with self.database.platform() as db:
            await db.merge(Worker(id="test", capacity=capacity, seen_at=Clock().now() + timedelta(minutes=10)))

    @asynccontextmanager
    async def second_process(self, *, killed: bool = False, notice: float = 0) -> AsyncIterator[str]:
        """A second control plane, in a process of its own, on the same database and Redis; its address. `killed`: it
        dies at the end of the block without a last word; else it gives `notice`, in seconds."""
        port = free_port()
        given = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in ((name, getattr(self.settings, name)) for name in self.settings.model_fields_set)
        }
        environment = {f"PARLEY_{name.upper()}": str(value) for name, value in given.items()}
        environment |= {"PARLEY_PORT": str(port), "PARLEY_STOP_NOTICE": str(notice)}
        process = self.second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "control_plane",
            "serve",
            cwd=CHECKOUT,
            env={"PATH": "/usr/bin:/bin", **environment},
        )
        url = f"http://127.0.0.1:{port}"
        try:
            async with asyncio.timeout(120), httpx2.AsyncClient() as client:
                while not await _answers(client, f"{url}/health/live"):
                    await asyncio.sleep(0.05)
            yield url
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
            async with asyncio.timeout(60):
                await process.wait()

    @asynccontextmanager
    async def jobs(self) -> AsyncIterator[None]:
        """Run the jobs process's loops for the time of the block."""
        ready = asyncio.Event()
        work = asyncio.create_task(
            loops.run(
                self.database,
                self.settings,
                self.media,
                self.dialer,
                self.recorder,
                self.app.state.clock,
                ready=ready.set,
            )
        )
        await ready.wait()
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            gc.collect()  # psycopg leaves a cancelled connect to it; PostgreSQL would wait a minute for its password


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx2.TransportError:
        return False


@pytest.fixture
async def platform(clone: Clone, redis_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    """A control plane that serves HTTP and sockets, with a media double; its windows and doors are as new."""
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    port = free_port()
    settings = Settings.model_validate(
        {
            "environment": "development",
            "port": port,
            "database_url": clone.app,
            "redis_url": redis_url,
            "livekit_api_key": "devkey",
            "livekit_api_secret": "devsecret-devsecret-devsecret-devsecret",
            "secret_key": SECRET_KEY,
            "worker_token": WORKER_TOKEN,
            "admin_key": ADMIN_KEY,
            "recordings_url": f"file://{tmp_path}/recordings",
            "webhook_allow": "127.0.0.0/8,::1/128",
        }
    )
    media = FakeMedia()
    dialer = FakeDialer()
    recorder = FakeRecorder(tmp_path / "recordings")
    app = create_app(settings, media=media, dialer=dialer, recorder=recorder)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on", timeout_graceful_shutdown=2))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    running = Platform(app, f"http://127.0.0.1:{port}", settings, app.state.database, media, dialer, recorder)
    yield running
    for client in running.clients:
        await client.aclose()
    server.should_exit = True
    await serving


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    """A project of the platform."""
    return await platform.tenant()
