"""LiveKit's services beside livekit-server as children: the official program if it is on PATH, else the pocket one."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from parley.stack import probes
from parley.stack.children import Child
from parley.stack.files import write_whole
from parley.stack.secrets import Secrets

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Engine:
    """One of the services. `official` is configured and `pocket` set beyond what all of them are told of LiveKit."""

    name: str
    program: str
    health_port: int
    official: Mapping[str, Any]
    pocket: Mapping[str, str]
    answers: Collection[int]
    """Statuses of a health page that is there."""
    stop_within: float
    official_stop_within: float
    health_host: str = HOST


def engine_child(
    engine: Engine,
    directory: Path,
    ports: Mapping[str, int],
    secrets: Secrets,
    *,
    pocket: tuple[list[str], dict[str, str]],
) -> Child:
    """Return a service. `pocket` is the command of our own one and its environment without settings."""
    command, environment = pocket

    async def answers() -> bool:
        return await probes.http_status(engine.health_port, "/", host=engine.health_host) in engine.answers

    if shutil.which(engine.program):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = directory / f"{engine.name}.yaml"
        content = yaml.safe_dump(
            {
                "api_key": secrets.livekit_api_key,
                "api_secret": secrets.livekit_api_secret,
                "ws_url": f"ws://{HOST}:{ports['livekit']}",
                "redis": {"address": f"{HOST}:{ports['redis']}", "password": secrets.redis_password},
                "health_port": engine.health_port,
                "logging": {"level": "info", "json": True},
                **engine.official,
            }
        )
        return Child(
            name=engine.name,
            command=[engine.program, "--config", str(configuration)],
            environment=environment,
            ready=answers,
            after=("redis", "livekit"),
            prepare=lambda: write_whole(configuration, content),
            start_within=30.0,
            stop_within=engine.official_stop_within,
        )
    settings = {
        "REDIS_URL": f"redis://:{secrets.redis_password}@{HOST}:{ports['redis']}/0",
        "LIVEKIT_URL": f"ws://{HOST}:{ports['livekit']}",
        "API_KEY": secrets.livekit_api_key,
        "API_SECRET": secrets.livekit_api_secret,
        "HEALTH_PORT": str(engine.health_port),
        **engine.pocket,
    }
    prefix = f"POCKET_{engine.name.upper()}_"
    return Child(
        name=engine.name,
        command=command,
        environment=environment | {prefix + name: value for name, value in settings.items()},
        ready=answers,
        after=("redis", "livekit"),
        start_within=60.0,
        stop_within=engine.stop_within,
    )
