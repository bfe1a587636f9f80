"""A bot host as it really runs, between a livekit-server and a stand-in for the control plane; people who speak."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import jwt
import yaml
from livekit import api
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agents.attendance import BotJob, Patience
from agents.contract import FROM_WORKER, Attend, Command, Heartbeat, Hello, Message, Submission, Verdict, Welcome
from parley.stack.livekit import NO_STUN, livekit_program
from tests.support.database import CHECKOUT
from tests.support.ports import free_port
from tests.support.studio import KEY, SECRET, wait_for_http

WITHIN = 60.0
"""Seconds for anything to happen, on a machine that may stall."""
STARTS_WITHIN = 120.0
"""Seconds for the imports of a process on a busy machine."""
STOPS_WITHIN = 60
"""Seconds for a process to end."""


class Rooms(Protocol):
    """A livekit-server to which bots are sent."""

    @property
    def url(self) -> str:
        """Where it is reached."""

    def token(self, room: str, identity: str) -> str:
        """A token for somebody who joins a room."""


class Media:
    """A livekit-server of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, media, tcp = (free_port() for _ in range(3))
        configuration = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "keys": {KEY: SECRET},
            "rtc": {
                "tcp_port": tcp,
                "udp_port": media,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "node_ip": "127.0.0.1",
                "interfaces": {"includes": ["lo"]},
                "stun_servers": [NO_STUN],
            },
            "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 20},
        }
        (folder / "livekit.yaml").write_text(yaml.safe_dump(configuration))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"ws://127.0.0.1:{self.port}"

    def token(self, room: str, identity: str, *, kind: str = "standard", **attributes: str) -> str:
        """A token for somebody who joins a room."""
        grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
        token = api.AccessToken(KEY, SECRET).with_identity(identity).with_kind(kind).with_grants(grants)
        return token.with_attributes(attributes).to_jwt()

    def start(self) -> None:
        """Start it; it answers when this returns."""
        log = self._folder / "livekit.log"
        with log.open("ab") as output:
            command = [livekit_program(), "--config", str(self._folder / "livekit.yaml")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_for_http(self.port, log)

    def kill(self) -> None:
        """No last words."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def api(self) -> api.LiveKitAPI:
        """Its API; close it."""
        return api.LiveKitAPI(self.url.replace("ws", "http", 1), KEY, SECRET)


@contextmanager
def media_server(folder: Path) -> Iterator[Media]:
    """Start one, for the length of a block."""
    media = Media(folder)
    media.start()
    try:
        yield media
    finally:
        media.kill()


class HasSession(Protocol):
    """What is reported of."""

    session_id: int


class Plane:
    """Stands for the control plane: hears hosts, sends bots, keeps what is reported."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.reports: list[Submission] = []
        self.beats: list[list[str]] = []
        self._keys: set[tuple[int, int, int]] = set()
        self._link: ServerConnection | None = None
        self._changed = asyncio.Event()
        self._server: Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await serve(self._converse, "127.0.0.1", 0)

    async def close(self) -> None:
        """Listen no more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    def forget(self) -> None:
        """Everything that was reported."""
        self.reports.clear()
        self._keys.clear()

    async def attend(self, job: BotJob) -> None:
        """Send a bot."""
        await self.until(lambda: self._link is not None)
        assert self._link is not None
        await self._link.send(Attend(job=job).model_dump_json())

    async def command(self, job: BotJob, reason: str = "api") -> None:
        """End a bot."""
        assert self._link is not None
        said = {"action": "end", "job_id": job.job_id, "reason": reason}
        await self._link.send(Command.model_validate(said).model_dump_json())

    def of(self, job: HasSession, kind: str = "") -> list[dict[str, Any]]:
        """What a bot has reported, in order; of a kind, or all."""
        found = sorted((each for each in self.reports if each.session_id == job.session_id), key=lambda e: e.sequence)
        return [each.report for each in found if each.report["type"].startswith(kind)]

    def kinds(self, job: HasSession) -> list[str]:
        """The types of what a bot has reported."""
        return [report["type"].rpartition(".")[0] for report in self.of(job)]

    async def reported(self, job: HasSession, kind: str, *, count: int = 1, within: float = WITHIN) -> dict[str, Any]:
        """The `count`-th report of a kind."""
        await self.until(lambda: len(self.of(job, kind)) >= count, within=within, about=lambda: self.kinds(job))
        return self.of(job, kind)[count - 1]

    async def until(self, true: Any, *, within: float = WITHIN, about: Any = lambda: "") -> None:
        """Until something of this is true."""
        try:
            async with asyncio.timeout(within):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within} s; there was {about()}") from None

    async def _answer(self, _link: ServerConnection, _message: Message) -> None:
        """Anything else."""

    async def _converse(self, link: ServerConnection) -> None:
        try:
            async for text in link:
                match FROM_WORKER.validate_json(text):
                    case Hello() as hello:
                        self.hello = hello
                        await link.send(Welcome().model_dump_json())
                        self._link = link
                    case Submission() as submission:
                        key = submission.session_id, submission.epoch, submission.sequence
                        if key not in self._keys:
                            self._keys.add(key)
                            self.reports.append(submission)
                        verdict = Verdict(session_id=key[0], epoch=key[1], sequence=key[2])
                        await link.send(verdict.model_dump_json())
                    case Heartbeat() as beat:
                        self.beats.append(beat.calls)
                    case other:
                        await self._answer(link, other)
                self._changed.set()
        except ConnectionClosed:
            pass
        finally:
            if self._link is link:
                self._link = None
            self._changed.set()


class AgentsProcess:
    """`python -m agents …` with a log of its own, connected to a livekit-server and a control plane."""

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        plane: Plane,
        livekit_url: str,
        settings: dict[str, str],
        *,
        own_session: bool = False,
    ) -> None:
        self._command, self._log, self._own_session = [sys.executable, "-m", "agents", *arguments], log, own_session
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "PARLEY_ENVIRONMENT": "development",
            "PARLEY_CONTROL_PLANE_URL": plane.url,
            "PARLEY_WORKER_TOKEN": "a worker's token of the tests",
            "PARLEY_LIVEKIT_URL": livekit_url,
            "PARLEY_OUTBOUND_ALLOW": "127.0.0.0/8",
        } | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the main process."""
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=self._own_session,
            )

    def send(self, number: int) -> None:
        """A signal to the main process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self.send(number)
        return await asyncio.to_thread(self._process.wait, STOPS_WITHIN)


class Host(AgentsProcess):
    """A bot host."""

    def __init__(self, media: Rooms, plane: Plane, folder: Path, settings: dict[str, str]) -> None:
        self.spool = folder / "bots"
        own = {"PARLEY_SPOOL_DIR": str(self.spool)}
        super().__init__(["bots"], folder / "host.log", plane, media.url, own | settings)


@asynccontextmanager
async def bot_host(media: Rooms, folder: Path, **settings: str) -> AsyncIterator[tuple[Host, Plane]]:
    """A host that is connected, and what it is connected to."""
    plane = Plane()
    await plane.open()
    host = Host(media, plane, folder, settings)
    host.start()
    try:
        await plane.until(lambda: plane.hello is not None, within=STARTS_WITHIN, about=lambda: host.said)
        yield host, plane
    finally:
        await host.stop()
        await plane.close()
    assert "Traceback" not in host.said, host.said


_SESSIONS = iter(range(1, 10_000))


def bot_job(media: Rooms, room: str, *, patience: dict[str, float] | None = None, **asked: Any) -> BotJob:
    """A bot for a room."""
    identity = f"bot-{uuid.uuid4()}"
    return BotJob.model_validate(
        {
            "job_id": f"BJ_{uuid.uuid4().hex[:8]}",
            "session_id": next(_SESSIONS),
            "epoch": 1,
            "project_id": 1,
            "capability": jwt.encode({"for": "tests"}, SECRET),
            "bot_id": str(uuid.uuid4()),
            "identity": identity,
            "token": media.token(room, identity),
            "patience": Patience.model_validate(patience or {}),
            "started_at": datetime.now(UTC),
        }
        | asked
    )
