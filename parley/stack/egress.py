"""LiveKit's egress service as a child: the official program where it is on PATH, else the pocket one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from parley.stack import probes
from parley.stack.children import Child
from parley.stack.files import write_whole
from parley.stack.secrets import Secrets

PROGRAM = "egress"
_HOST = "127.0.0.1"
_COSTS = {
    "room_composite_cpu_cost": 1.0,
    "audio_room_composite_cpu_cost": 0.2,
    "sdk_audio_room_composite_cpu_cost": 0.1,
    "web_cpu_cost": 1.0,
    "audio_web_cpu_cost": 0.2,
    "participant_cpu_cost": 0.3,
    "track_composite_cpu_cost": 0.2,
    "track_cpu_cost": 0.1,
}
"""Cores that the official program reckons with: its own figures would refuse nearly everything on two cores."""


def egress_child(
    directory: Path,
    ports: Mapping[str, int],
    secrets: Secrets,
    *,
    recordings: Path,
    pocket: tuple[list[str], dict[str, str]],
) -> Child:
    """Return the egress service, which puts files without a bucket below `recordings`.

    `pocket` is the command of our own one and its environment without settings.
    """
    health = ports["egress_health"]

    async def answers() -> bool:
        return await probes.http_status(health, "/") in (200, 406, 429)

    if shutil.which(PROGRAM):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = directory / "egress.yaml"
        content = _official(ports, secrets)
        return Child(
            name="egress",
            command=[PROGRAM, "--config", str(configuration)],
            environment=pocket[1],
            ready=answers,
            after=("redis", "livekit"),
            prepare=lambda: write_whole(configuration, content),
            start_within=30.0,
            stop_within=10.0,
        )
    command, environment = pocket
    settings = {
        "REDIS_URL": f"redis://:{secrets.redis_password}@{_HOST}:{ports['redis']}/0",
        "LIVEKIT_URL": f"ws://{_HOST}:{ports['livekit']}",
        "API_KEY": secrets.livekit_api_key,
        "API_SECRET": secrets.livekit_api_secret,
        "HEALTH_PORT": str(health),
        "ROOT": str(recordings),
        "STATE": str(recordings.parent / "recorder"),
        "BACKUP": str(recordings.parent / "recorder" / "backup"),
    }
    return Child(
        name="egress",
        command=command,
        environment=environment | {f"POCKET_EGRESS_{name}": value for name, value in settings.items()},
        ready=answers,
        after=("redis", "livekit"),
        start_within=60.0,
        stop_within=10.0,
    )


def _official(ports: Mapping[str, int], secrets: Secrets) -> str:
    return yaml.safe_dump(
        {
            "api_key": secrets.livekit_api_key,
            "api_secret": secrets.livekit_api_secret,
            "ws_url": f"ws://{_HOST}:{ports['livekit']}",
            "insecure": True,
            "redis": {"address": f"{_HOST}:{ports['redis']}", "password": secrets.redis_password},
            "health_port": ports["egress_health"],
            "cpu_cost": _COSTS,
            "logging": {"level": "info", "json": True},
        }
    )
