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
from tests.support.ports import free_port

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"


@dataclass(frozen=True)
class Exchange:
    """Where things are."""

    livekit_port: int
    sip_port: int
    health_port: int
    tls_port: int
    certificate: Path
    """Of the exchange and of its phones: key and certificate in one file."""
    livekit: subprocess.Popen[bytes]
    sip: subprocess.Popen[bytes]

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


def make_certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, and its key, in a file."""
    path = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", folder / "public.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    with path.open("ab") as file:
        file.write((folder / "public.pem").read_bytes())
    return path


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def exchange(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """The servers; two livekit-servers of one Redis would answer each other's calls, so these go with the file."""
    with start_exchange(redis_url, tmp_path_factory.mktemp("exchange")) as exchange:
        yield exchange


@contextmanager
def start_exchange(redis_url: str, folder: Path, *, rtp_first: int = 42_000) -> Iterator[Exchange]:
    """An exchange of one's own, to break; `rtp_first` begins a range of 200 ports."""
    livekit, media, tcp, sip, health, tls = (free_port() for _ in range(6))
    certificate = make_certificate(folder)
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
        "POCKET_SIP_RTP_FIRST": str(rtp_first),
        "POCKET_SIP_RTP_LAST": str(rtp_first + 399),
        "POCKET_SIP_MEDIA_TIMEOUT_INITIAL": "4",
        "POCKET_SIP_MEDIA_TIMEOUT": "3",
        "POCKET_SIP_DRAIN": "0.5",
        "POCKET_SIP_LEAST_SESSION_INTERVAL": "3",
        "POCKET_SIP_TLS_PORT": str(tls),
        "POCKET_SIP_TLS_CERTIFICATE": str(certificate),
        "POCKET_SIP_TLS_KEY": str(certificate),
        "POCKET_SIP_TLS_AUTHORITIES": str(certificate),
    }
    server = [livekit_program(), "--config", str(folder / "livekit.yaml")]
    with _process(server, {}, folder / "livekit.log") as livekit_process:
        _wait_for(livekit, folder / "livekit.log")
        service = [sys.executable, "-m", "pocket", "sip"]
        with _process(service, settings | {"PYTHONPATH": str(CHECKOUT)}, folder / "sip.log") as process:
            _wait_for(health, folder / "sip.log")
            yield Exchange(livekit, sip, health, tls, certificate, livekit_process, process)
            said = (folder / "sip.log").read_text()
            assert not any(word in said for word in ("Traceback", '"level": "error"'))


@pytest.fixture
async def livekit(exchange: Exchange) -> AsyncIterator[api.LiveKitAPI]:
    """LiveKit's API, with a client that waits for what it started."""
    client = api.LiveKitAPI(exchange.url, KEY, SECRET)
    yield client
    await client.aclose()


async def until(condition, within: float = 60) -> None:  # type: ignore[no-untyped-def]
    """Wait until something is so that no event tells of."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)
