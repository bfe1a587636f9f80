"""LiveKit's SIP service as a child: the official program where it is on PATH, else the pocket one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from parley.stack import probes
from parley.stack.children import Child
from parley.stack.files import write_whole
from parley.stack.secrets import Secrets

_HOST = "127.0.0.1"
_RTP_PORTS = 400
PROGRAM = "livekit-sip"


def sip_child(
    directory: Path, ports: Mapping[str, int], secrets: Secrets, *, host: str, pocket: tuple[list[str], dict[str, str]]
) -> Child:
    """Return the SIP service, which phones reach at `host`.

    `pocket` is the command of our own one and its environment without settings.
    """
    health = ports["sip_health"]
    rtp = ports["sip_rtp"], ports["sip_rtp"] + _RTP_PORTS - 1

    async def answers() -> bool:
        return await probes.http_status(health, "/", host=host) in (200, 429)

    if shutil.which(PROGRAM):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = directory / "sip.yaml"
        content = _official(ports, secrets, rtp, host)
        return Child(
            name="sip",
            command=[PROGRAM, "--config", str(configuration)],
            environment=pocket[1],
            ready=answers,
            after=("redis", "livekit"),
            prepare=lambda: write_whole(configuration, content),
            start_within=30.0,
        )
    command, environment = pocket
    settings = {
        "REDIS_URL": f"redis://:{secrets.redis_password}@{_HOST}:{ports['redis']}/0",
        "LIVEKIT_URL": f"ws://{_HOST}:{ports['livekit']}",
        "API_KEY": secrets.livekit_api_key,
        "API_SECRET": secrets.livekit_api_secret,
        "LISTEN_HOST": host,
        "PORT": str(ports["sip"]),
        "HEALTH_PORT": str(health),
        "RTP_FIRST": str(rtp[0]),
        "RTP_LAST": str(rtp[1]),
        "DRAIN": "1",
    }
    return Child(
        name="sip",
        command=command,
        environment=environment | {f"POCKET_SIP_{name}": value for name, value in settings.items()},
        ready=answers,
        after=("redis", "livekit"),
        start_within=60.0,
        stop_within=8.0,
    )


def _official(ports: Mapping[str, int], secrets: Secrets, rtp: tuple[int, int], host: str) -> str:
    """Configuration of livekit-sip on one address: without `nat_1_to_1_ip` it looks for another interface."""
    return yaml.safe_dump(
        {
            "api_key": secrets.livekit_api_key,
            "api_secret": secrets.livekit_api_secret,
            "ws_url": f"ws://{_HOST}:{ports['livekit']}",
            "redis": {"address": f"{_HOST}:{ports['redis']}", "password": secrets.redis_password},
            "listen_ip": host,
            "nat_1_to_1_ip": host,
            "sip_port": ports["sip"],
            "rtp_port": f"{rtp[0]}-{rtp[1]}",
            "health_port": ports["sip_health"],
            "logging": {"level": "info", "json": True},
        }
    )
