"""livekit-server as a child, on loopback, with Redis behind it and its webhooks sent to the control plane."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import yaml

from parley.stack import probes
from parley.stack.children import Child
from parley.stack.directories import cache_dir
from parley.stack.errors import ProgramMissing
from parley.stack.files import write_whole
from parley.stack.secrets import Secrets

VERSION = "1.13.5"
NO_STUN = "127.0.0.1:9"
"""Where nobody answers. Not the server's own port for media: clients take all that comes from a STUN server's address
for its answers, so that no media by UDP would reach them, and every call would go by TCP, a tenth of a second later."""
_PROGRAM = "livekit-server"
# 406 says that its statistics are older than 4 s: a starved machine, not a broken server.
_ALIVE = {200, 406}


def livekit_program() -> str:
    """Return livekit-server: the one set-up built, else the one on PATH."""
    built = cache_dir() / f"{_PROGRAM}-{VERSION}" / _PROGRAM
    if os.access(built, os.X_OK):
        return str(built)
    found = shutil.which(_PROGRAM)
    if found is None:
        raise ProgramMissing(
            f"{_PROGRAM} is missing",
            f"it is neither in {built.parent} nor on PATH",
            "Run `make setup`, which builds it",
        )
    return found


def livekit_configuration(ports: Mapping[str, int], secrets: Secrets, *, webhook_url: str) -> str:
    """Return the server's configuration as YAML. It refuses to start on a key it does not know."""
    return yaml.safe_dump(
        {
            "port": ports["livekit"],
            "bind_addresses": ["127.0.0.1"],
            "redis": {"address": f"127.0.0.1:{ports['redis']}", "password": secrets.redis_password},
            "keys": {secrets.livekit_api_key: secrets.livekit_api_secret},
            "rtc": {
                "node_ip": "127.0.0.1",  # given, so that no STUN server is asked for it
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},  # else media listens on eth0 while 127.0.0.1 is advertised
                "udp_port": ports["livekit_udp"],
                "tcp_port": ports["livekit_tcp"],
                "stun_servers": [NO_STUN],  # else clients are told public ones
            },
            "prometheus": {"port": ports["livekit_metrics"]},
            "room": {
                "auto_create": True,
                "empty_timeout": 300,
                "departure_timeout": 20,
                "enable_remote_unmute": True,
            },
            "webhook": {"api_key": secrets.livekit_api_key, "urls": [webhook_url]},
            "logging": {"level": "info", "json": True},
        },
        sort_keys=False,
    )


def livekit_child(directory: Path, ports: Mapping[str, int], secrets: Secrets, *, webhook_url: str) -> Child:
    """Return livekit-server as a child, its configuration (with the keys) in a file only its owner reads."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = directory / "livekit.yaml"
    content = livekit_configuration(ports, secrets, webhook_url=webhook_url)

    async def answers() -> bool:
        return await probes.http_status(ports["livekit"], "/") in _ALIVE

    return Child(
        name="livekit",
        command=[livekit_program(), "--config", str(configuration)],
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        ready=answers,
        after=("redis",),
        prepare=lambda: write_whole(configuration, content),
        stop_signals=(signal.SIGTERM, signal.SIGTERM),  # the first waits for participants to leave, the second does not
        start_within=30.0,
    )
