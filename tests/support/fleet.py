"""Two of everything behind a balancer, each in a process of its own, to be stopped and started one after the other."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
from aiohttp import web

from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Account, Member, Project
from control_plane.db.database import Database
from control_plane.ids import random_secret
from control_plane.secrets.box import SecretBox
from parley.stack import probes
from parley.stack.processes import kill_session
from tests.support.database import CHECKOUT
from tests.support.livekit import livekit_running
from tests.support.platform import SECRET_KEY, WORKER_TOKEN
from tests.support.ports import free_port

STARTS_WITHIN: Final = 180.0
STOPS_WITHIN: Final = 60.0
LIVEKIT_SECRET: Final = "devsecret-devsecret-devsecret-devsecret"


class Models:
    """A model that says yes to whatever was said last, one called `nonsense` whose answers nobody can read, and a voice
    that says a tone of `SENTENCE` seconds for what it is told."""

    RATE, SENTENCE, HERTZ = 24_000, 2.0, 300

    def __init__(self) -> None:
        self._app = web.Application()
        self._app.router.add_post("/v1/chat/completions", self._answer)
        self._app.router.add_post("/v1/audio/speech", self._speak)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        messages = wanted["messages"]
        asked = next((each["content"] for each in reversed(messages) if each["role"] == "user"), "nothing")
        text = asked if isinstance(asked, str) else " ".join(part.get("text", "") for part in asked)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if wanted["model"] == "nonsense":
            await response.write(b"data: {]\n\n")
            return response
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "yes"}
        for delta, end in (({"role": "assistant", "content": f"Yes, {text}."}, None), ({}, "stop")):
            chunk = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _speak(self, request: web.Request) -> web.Response:
        await request.read()
        moments = np.arange(int(self.RATE * self.SENTENCE)) / self.RATE
        tone = np.sin(2 * np.pi * self.HERTZ * moments) * 9000
        return web.Response(body=tone.astype("<i2").tobytes(), content_type="audio/pcm")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        runner = web.AppRunner(self._app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            await runner.cleanup()


class Balancer:
    """Hands each connection to a server that says it is ready, in turn; while none does, connections wait."""

    LOOK_EVERY = 0.1

    def __init__(self, path: str = "/health/ready", *, well: Collection[int] = (200,)) -> None:
        self.port = free_port()
        self.servers: set[int] = set()
        """Their ports."""
        self.last: int | None = None
        """Who got the last connection."""
        self._path, self._well = path, well
        self._ready: list[int] = []
        self._turns = count()
        self._changed = asyncio.Event()
        self._piping: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def balancing(self) -> AsyncIterator[None]:
        """Work for the time of the block."""
        looking = asyncio.create_task(self._look())
        server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for task in (looking, *self._piping):
                task.cancel()
            await asyncio.gather(looking, *self._piping, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self.LOOK_EVERY)

    async def look(self) -> None:
        """See who is ready."""
        self._ready = [port for port in sorted(self.servers) if await self._is_ready(port)]
        if self._ready:
            self._changed.set()
        else:
            self._changed.clear()

    async def _is_ready(self, port: int) -> bool:
        return await probes.http_status(port, self._path) in self._well

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._changed.wait()
        if not self._ready:
            writer.close()
            return
        try:
            port = self._ready[next(self._turns) % len(self._ready)]
            self.last = port
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        ways = (_pipe(reader, to_server), _pipe(from_server, writer))
        self._piping |= (tasks := {asyncio.create_task(way) for way in ways})
        await asyncio.wait(tasks)
        self._piping -= tasks


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while piece := await reader.read(2**16):
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


@dataclass
class Part:
    """A process that can be stopped and started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    is_ready: Callable[[], Awaitable[bool]]
    folder: Path
    process: asyncio.subprocess.Process | None = None
    stopped_in: list[float] = field(default_factory=list)
    """Seconds of each stop."""

    async def start(self) -> None:
        """Start it, and wait until it works."""
        (self.folder / f"{self.name}.ready").unlink(missing_ok=True)
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=CHECKOUT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that whoever it started can be found
            )
        async with asyncio.timeout(STARTS_WITHIN):
            while not await self.is_ready():
                assert self.process.returncode is None, f"{self.name} has ended: see {self.folder}"
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """SIGTERM, and wait until it has gone by itself."""
        assert self.process is not None
        began = asyncio.get_running_loop().time()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOPS_WITHIN):
            status = await self.process.wait()
        assert status in (0, -signal.SIGTERM), f"{self.name} ended with {status}: see {self.folder}"
        self.stopped_in.append(asyncio.get_running_loop().time() - began)

    async def restart(self) -> None:
        """As an operator rolls out a version."""
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """At once, with all that it started, as a machine is lost."""
        if self.process is not None and self.process.returncode is None:
            kill_session(self.process.pid)


@dataclass
class Fleet:
    """The parts by name, and where the control planes are reached."""

    url: str
    parts: dict[str, Part]
    refused: int = 0
    """Requests that were answered 503, and asked again."""
    errors: list[str] = field(default_factory=list)
    """Answers that nobody should get, whatever is being restarted."""

    async def ask(self, method: str, path: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of whichever control plane is there; one that is told to come again does. By a connection of its
        own each time, as a balancer makes them."""
        async with asyncio.timeout(60):
            while True:
                try:
                    async with httpx2.AsyncClient(base_url=f"{self.url}/api/v1", timeout=30) as http:
                        answer = await http.request(method, path, json=body, headers={"X-API-Key": key})
                except httpx2.HTTPError as error:
                    self.errors.append(f"{method} {path}: {type(error).__name__}")
                    await asyncio.sleep(0.5)
                    continue
                if answer.status_code != 503:
                    break
                self.refused += 1
                await asyncio.sleep(min(1.0, float(answer.headers["retry-after"])))
        if answer.status_code >= 400:
            self.errors.append(f"{method} {path}: {answer.status_code} {answer.text}")
        content: dict[str, Any] = answer.json()
        return content

    async def end(self) -> None:
        """Of all of it nothing is left."""
        for part in reversed(self.parts.values()):
            part.kill()
        await asyncio.gather(*(part.process.wait() for part in self.parts.values() if part.process is not None))


@dataclass(frozen=True)
class Environments:
    """What the processes of each plane are started with."""

    plane: dict[str, str]
    worker: dict[str, str]


def environments(
    folder: Path,
    *,
    url: str,
    livekit_url: str,
    public_url: str,
    models_url: str,
    database_url: str,
    redis_url: str,
    places: int,
    drain: int,
    calls_per_process: int = 1,
) -> Environments:
    """With the addresses of everything; callers reach livekit-server at `public_url`."""
    common = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONUNBUFFERED": "1",
        "PARLEY_ENVIRONMENT": "development",
        "PARLEY_LIVEKIT_URL": livekit_url,
        "PARLEY_LIVEKIT_API_KEY": "devkey",
        "PARLEY_LIVEKIT_API_SECRET": LIVEKIT_SECRET,
        "PARLEY_WORKER_TOKEN": WORKER_TOKEN,
        "PARLEY_MODELS_URL": models_url,
        "PARLEY_LLM_MODEL": "yes",
        "PARLEY_STT_REALTIME": "false",
    }
    plane = {
        "PARLEY_LIVEKIT_PUBLIC_URL": public_url,
        "PARLEY_DATABASE_URL": database_url,
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_SECRET_KEY": SECRET_KEY,
        "PARLEY_PUBLIC_URL": url,
        "PARLEY_RECORDINGS_URL": f"file://{folder}/recordings",
        "PARLEY_STOP_NOTICE": "1.5",
    }
    worker = {
        "PARLEY_CONTROL_PLANE_URL": url,
        "PARLEY_MAX_CALLS": str(places),
        "PARLEY_CALLS_PER_PROCESS": str(calls_per_process),
        "PARLEY_DRAIN_TIMEOUT": str(drain),
        "PARLEY_KNOWLEDGE_SOCKET": str(folder / "knowledge.sock"),
    }
    return Environments(common | plane, common | worker)


@asynccontextmanager
async def a_fleet(
    database_url: str, redis_url: str, folder: Path, *, places: int, drain: int, calls_per_process: int = 1
) -> AsyncIterator[Fleet]:
    """livekit-server, a model, and behind a balancer two control planes; jobs; two workers with so many places each
    and so many seconds for their calls when they are stopped."""
    async with AsyncExitStack() as stack:
        models_url = await stack.enter_async_context(Models().serving())
        balancer = Balancer()
        await stack.enter_async_context(balancer.balancing())
        url = f"http://127.0.0.1:{balancer.port}"
        livekit_url = await stack.enter_async_context(
            livekit_running(folder, LIVEKIT_SECRET, hooks=f"{url}/livekit/webhook")
        )
        shared = environments(
            folder,
            url=url,
            livekit_url=livekit_url,
            public_url=livekit_url,
            models_url=models_url,
            database_url=database_url,
            redis_url=redis_url,
            places=places,
            drain=drain,
            calls_per_process=calls_per_process,
        )
        parts = [plane(f"plane-{each}", shared.plane, balancer, folder) for each in "ab"]
        parts.append(other("jobs", ["control_plane", "jobs"], shared.plane, folder))
        parts += [other(f"worker-{each}", ["agents"], shared.worker, folder) for each in "ab"]
        fleet = Fleet(url, {part.name: part for part in parts})
        stack.push_async_callback(fleet.end)
        await asyncio.gather(*(part.start() for part in parts[:2]))
        await asyncio.gather(*(part.start() for part in parts[2:]))
        yield fleet


def plane(name: str, environment: dict[str, str], balancer: Balancer, folder: Path) -> Part:
    port = free_port()
    balancer.servers.add(port)

    async def is_ready() -> bool:
        return await probes.http_status(port, "/health/ready") == 200

    command = [sys.executable, "-m", "control_plane", "serve"]
    return Part(name, command, environment | {"PARLEY_PORT": str(port)}, is_ready, folder)


def other(name: str, module: list[str], environment: dict[str, str], folder: Path) -> Part:
    ready = folder / f"{name}.ready"

    async def is_ready() -> bool:
        return ready.exists()

    (folder / name).mkdir()
    own = {"PARLEY_READY_FILE": str(ready), "PARLEY_SPOOL_DIR": str(folder / name)}
    return Part(name, [sys.executable, "-m", *module], environment | own, is_ready, folder)


async def a_key(database_url: str) -> str:
    """The key of a project that is made for it."""
    database = Database(database_url.replace("postgresql://", "postgresql+psycopg://", 1), pool=2)
    key, secret = random_secret("pk_"), random_secret("sk_")
    try:
        async with database.platform() as db:

            async def add(row: Any) -> Any:
                db.add(row)
                await db.flush()
                return row

            account = await add(
                Account(email="r@example.org", name="r", plan="enterprise", requests_per_minute=100_000)
            )
            project = await add(Project(account_id=account.id, slug="proj", name="r"))
            await add(Member(account_id=account.id, email=account.email, name="r", role="owner"))
            box = SecretBox(SECRET_KEY)
            await add(seal_key(box, project_id=project.id, label="t", key=key, secret=secret, scopes=["*"]))
    finally:
        await database.close()
    return key
