"""A control plane in the test's own event loop: real HTTP, real sockets, real PostgreSQL and Redis, a media double."""

import asyncio
import base64
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from sqlmodel import SQLModel

from control_plane.accounts.models import Account, Project
from control_plane.accounts.service import seal_key
from control_plane.app import create_app
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import NotFound
from control_plane.ids import random_secret
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.secrets.box import SecretBox
from control_plane.sessions.models import Worker
from control_plane.settings import Settings
from control_plane.supervisor import loops
from tests.support.database import Clone

SECRET_KEY = base64.b64encode(bytes(32)).decode()
WORKER_TOKEN = "a worker's token of the tests"


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this test session."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="parley-test-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        yield f"redis://127.0.0.1:{port}"
        process.terminate()
        process.wait(10)


@dataclass
class FakeMedia:
    """A media server that remembers what it was asked; `fail_next` makes the next call raise."""

    rooms: dict[str, LiveRoom] = field(default_factory=dict)
    people: dict[str, list[LiveParticipant]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    fail_next: Exception | None = None

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error

    async def create_room(self, name: str, *, empty_timeout: int, max_participants: int, metadata: str) -> LiveRoom:
        self._called("create_room", name)
        self.rooms[name] = LiveRoom(name, f"RM_{len(self.calls)}", 1_700_000_000, empty_timeout, max_participants)
        return self.rooms[name]

    async def close_room(self, name: str) -> None:
        self._called("close_room", name)
        self.rooms.pop(name, None)

    async def list_rooms(self) -> list[LiveRoom]:
        return list(self.rooms.values())

    async def list_participants(self, room: str) -> list[LiveParticipant]:
        return self.people.get(room, [])

    async def remove_participant(self, room: str, identity: str) -> None:
        self._called("remove_participant", room, identity)
        if identity not in [person.identity for person in self.people.get(room, [])]:
            raise NotFound("LiveKit knows no such room or participant")

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        self._called("dispatch", room, metadata)


@dataclass
class Tenant:
    """A project with a key, and a client that calls with it."""

    project: Project
    key: str
    http: httpx2.AsyncClient


@dataclass
class Platform:
    """The running control plane of a test."""

    app: FastAPI
    url: str
    settings: Settings
    database: Database
    media: FakeMedia
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

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
        await self.add(project)
        key = random_secret("pk_")
        box = SecretBox(SECRET_KEY)
        await self.add(seal_key(box, project_id=project.id, label="test", key=key, secret="sk_x", scopes=["*"]))
        client = httpx2.AsyncClient(base_url=f"{self.url}/api/v1", headers={"X-API-Key": key}, timeout=30)
        self.clients.append(client)
        return Tenant(project, key, client)

    async def add_worker(self, capacity: int = 100) -> None:
        """Pretend that a worker with free places was just heard of."""
        await self.add(Worker(id="test", capacity=capacity, seen_at=Clock().now()))

    @asynccontextmanager
    async def jobs(self) -> AsyncIterator[None]:
        """Run the jobs process's loops for the time of the block."""
        ready = asyncio.Event()
        url = self.settings.database_url.get_secret_value()
        work = asyncio.create_task(loops.run(self.database, url, self.media, self.app.state.clock, ready=ready.set))
        await ready.wait()
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
async def platform(clone: Clone, redis_url: str) -> AsyncIterator[Platform]:
    """A control plane that serves HTTP and sockets, with a media double."""
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
        }
    )
    media = FakeMedia()
    app = create_app(settings, media=media)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on", timeout_graceful_shutdown=2))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    running = Platform(app, f"http://127.0.0.1:{port}", settings, app.state.database, media)
    yield running
    for client in running.clients:
        await client.aclose()
    server.should_exit = True
    await serving
