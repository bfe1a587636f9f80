"""A livekit-server with our SIP service behind it, for all tests of this folder."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from livekit import api

from parley.stack.livekit import livekit_program
from tests.support.database import CHECKOUT
from tests.support.platform import free_port

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"


@dataclass(frozen=True)
class Exchange:
    """Where things are."""

    livekit_port: int
    sip_port: int
    health_port: int
    sip_pid: int

    @property
    def url(self) -> str:
        """LiveKit's API."""
        return f"http://127.0.0.1:{self.livekit_port}"

    def token(self, room: str, identity: str) -> str:
        """A token for somebody who joins a room."""
        grants = api.VideoGrants(room_join=True, room=room)
        return api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(grants).to_jwt()

    def figures(self) -> dict[str, float]:
        """The service's metrics, by name with labels."""
        with urlopen(f"http://127.0.0.1:{self.health_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="session")
def exchange(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """The servers."""
    folder = tmp_path_factory.mktemp("exchange")
    livekit, media, tcp, sip, health = (free_port() for _ in range(5))
    configuration = {
        "port": livekit,
        "bind_addresses": ["127.0.0.1"],
        "redis": {"address": redis_url.removeprefix("redis://")},
        "keys": {KEY: SECRET},
        "rtc": {
            "tcp_port": tcp,
            "udp_port": media,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "node_ip": "127.0.0.1",
            "interfaces": {"includes": ["lo"]},
        },
        "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 5},
    }
    (folder / "livekit.yaml").write_text(yaml.safe_dump(configuration))
    settings = {
        "POCKET_SIP_REDIS_URL": redis_url,
        "POCKET_SIP_LIVEKIT_URL": f"ws://127.0.0.1:{livekit}",
        "POCKET_SIP_API_KEY": KEY,
        "POCKET_SIP_API_SECRET": SECRET,
        "POCKET_SIP_PORT": str(sip),
        "POCKET_SIP_HEALTH_PORT": str(health),
        "POCKET_SIP_RTP_FIRST": "42000",
        "POCKET_SIP_RTP_LAST": "42399",
        "POCKET_SIP_MEDIA_TIMEOUT_INITIAL": "4",
        "POCKET_SIP_MEDIA_TIMEOUT": "3",
        "POCKET_SIP_DRAIN": "0.5",
    }
    server = [livekit_program(), "--config", str(folder / "livekit.yaml")]
    with _process(server, {}, folder / "livekit.log"):
        _wait_for(livekit, folder / "livekit.log")
        service = [sys.executable, "-m", "pocket", "sip"]
        with _process(service, settings | {"PYTHONPATH": str(CHECKOUT)}, folder / "sip.log") as process:
            _wait_for(health, folder / "sip.log")
            yield Exchange(livekit, sip, health, process.pid)
            assert "Traceback" not in (folder / "sip.log").read_text()


@pytest.fixture
async def livekit(exchange: Exchange) -> AsyncIterator[api.LiveKitAPI]:
    """LiveKit's API, with a client that waits for what it started."""
    client = api.LiveKitAPI(exchange.url, KEY, SECRET)
    yield client
    await client.aclose()


async def until(condition, within: float = 10) -> None:  # type: ignore[no-untyped-def]
    """Wait until something is so that no event tells of."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)
