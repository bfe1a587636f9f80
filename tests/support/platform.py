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
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

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
from control_plane.errors import NotFound, PlatformError
from control_plane.ids import random_secret
from control_plane.media.orders import RecordingOrder
from control_plane.media.recorder import Egress, EgressState
from control_plane.media.server import LiveParticipant, LiveRoom, ParticipantChange
from control_plane.secrets.box import SecretBox
from control_plane.sessions.models import Worker
from control_plane.settings import Settings
from control_plane.supervisor import loops
from sip.dialer import Carrier, Line, NumberTakenError, OutgoingCall, SipAwayError
from sip.outcomes import ANSWERED, Outcome
from tests.support.database import CHECKOUT, Clone
from tests.support.ports import free_port

SECRET_KEY = base64.b64encode(bytes(32)).decode()
WORKER_TOKEN = "a worker's token of the tests"
ADMIN_KEY = "ak_the-operators-key-of-the-tests-0123456789"
RIGHTS = ("can_publish", "can_subscribe", "can_publish_data", "can_publish_sources")


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
class FakeMedia:
    """A media server that remembers what it was asked; `fail_next` makes the next call raise."""

    rooms: dict[str, LiveRoom] = field(default_factory=dict)
    people: dict[str, list[LiveParticipant]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    asked_for: set[str] = field(default_factory=set)
    """Rooms into which a token has brought an agent."""
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
        await self.find_participant(room, identity)

    async def find_participant(self, room: str, identity: str) -> LiveParticipant:
        for person in self.people.get(room, []):
            if person.identity == identity:
                return person
        raise NotFound("LiveKit knows no such room or participant")

    async def update_participant(self, room: str, identity: str, change: ParticipantChange) -> LiveParticipant:
        self._called("update_participant", room, identity, change)
        person = await self.find_participant(room, identity)
        wanted = {name: value for name, value in asdict(change).items() if value is not None}
        permission = replace(person.permission, **{name: wanted.pop(name) for name in list(wanted) if name in RIGHTS})
        changed = replace(person, permission=permission, **wanted)
        self.people[room] = [changed if one.identity == identity else one for one in self.people[room]]
        return changed

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> None:
        self._called("mute_track", room, identity, track_sid, muted)

    async def send_data(self, room: str, data: bytes, *, topic: str | None, identities: list[str]) -> None:
        self._called("send_data", room, data, topic, identities)

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> None:
        self._called("dispatch", room, metadata)

    async def has_dispatch(self, room: str, *, agent_name: str) -> bool:
        self._called("has_dispatch", room)
        return room in self.asked_for


@dataclass
class FakeDialer:
    """A SIP service that remembers what it was asked; `answer` is what calls come to, once `picked_up` is set."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    answer: Outcome | Exception = ANSWERED
    picked_up: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False
    numbers: dict[str, str] = field(default_factory=dict)
    """Whose they are."""
    known: set[str] = field(default_factory=set)
    """Trunks and rules that it has; without them it has forgotten everything."""
    owners: dict[str, str] = field(default_factory=dict)
    """Whose each of them is or was."""
    listed: int = 0
    """How often it was asked what it has."""

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.away:
            raise SipAwayError("no SIP service answers")

    async def open_trunk(self, carrier: Carrier, trunk_id: str | None) -> str:
        self._called("open_trunk", carrier, trunk_id)
        return self._has(trunk_id, "ST", carrier)

    async def open_inbound(self, carrier: Carrier, trunk_id: str | None) -> str:
        self._called("open_inbound", carrier, trunk_id)
        if (owner := self.numbers.setdefault(carrier.number, carrier.key)) != carrier.key:
            raise NumberTakenError(f'Conflicting inbound SIP Trunks: "<new>" and "{owner}"')
        return self._has(trunk_id, "ST", carrier)

    async def open_rule(self, carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        self._called("open_rule", carrier, line, inbound_id, rule_id)
        return self._has(rule_id, "SDR", carrier)

    def _has(self, known: str | None, prefix: str, carrier: Carrier) -> str:
        given = known if known in self.known else f"{prefix}_{len(self.calls)}"
        self.owners[given] = carrier.key
        self.known.add(given)
        return given

    async def close_rule(self, rule_id: str) -> None:
        self._called("close_rule", rule_id)
        self.known.discard(rule_id)

    async def close_trunk(self, trunk_id: str) -> None:
        self._called("close_trunk", trunk_id)
        self.known.discard(trunk_id)
        owner = self.owners.get(trunk_id)
        if not any(self.owners[each] == owner for each in self.known if each.startswith("ST")):
            self.numbers = {number: key for number, key in self.numbers.items() if key != owner}

    async def list_ids(self) -> frozenset[str]:
        self.listed += 1
        if self.away:
            raise SipAwayError("no SIP service answers")
        return frozenset(self.known)

    async def list_own(self, key: str) -> tuple[list[str], list[str]]:
        if self.away:
            raise SipAwayError("no SIP service answers")
        own = sorted(each for each in self.known if self.owners[each] == key)
        return [each for each in own if each.startswith("ST")], [each for each in own if each.startswith("SDR")]

    def forget(self) -> None:
        """Lose everything, as LiveKit does with its Redis."""
        self.known.clear()
        self.numbers.clear()

    async def call(self, call: OutgoingCall) -> Outcome:
        self._called("call", call)
        await self.picked_up.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def hang_up(self, room: str, identity: str) -> None:
        self._called("hang_up", room, identity)

    async def transfer(self, room: str, identity: str, to: str, *, within: float) -> Outcome:
        self._called("transfer", room, identity, to)
        return self.answer if isinstance(self.answer, Outcome) else ANSWERED


@dataclass
class FakeRecorder:
    """A recorder that remembers what it was asked; `away` is what it says instead of beginning."""

    folder: Path
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    egresses: dict[str, Egress] = field(default_factory=dict)
    away: PlatformError | None = None

    async def start(self, order: RecordingOrder) -> Egress:
        self.calls.append(("start", order))
        if self.away is not None:
            raise self.away
        egress_id = f"EG_{len(self.egresses) + 1}"
        path = f"{self.folder}/{order.key}"
        egress = self.egresses[egress_id] = Egress(egress_id, order.room, EgressState.STARTING, (path,))
        return egress

    async def stop(self, egress_id: str) -> None:
        self.calls.append(("stop", egress_id))
        if self.away is not None:
            raise self.away

    async def find(self, egress_id: str) -> Egress | None:
        return self.egresses.get(egress_id)

    async def list_running(self) -> list[Egress]:
        return [egress for egress in self.egresses.values() if not egress.state.is_over]

    def says(self, egress_id: str, state: EgressState, **more: Any) -> Egress:
        """Bring a recording into another state."""
        egress = self.egresses[egress_id] = replace(self.egresses[egress_id], state=state, **more)
        return egress

    def write(self, egress_id: str, content: bytes) -> None:
        """Put a recording's file where it was asked for."""
        path = Path(self.egresses[egress_id].paths[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


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
