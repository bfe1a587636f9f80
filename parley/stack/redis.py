"""Redis as a child. LiveKit keeps in it which rooms there are: one that ends badly must have them when it is back.

They are worth nothing without the livekit-server that has them, so each start of the platform begins with none.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from parley.stack import probes
from parley.stack.children import Child
from parley.stack.errors import ProgramMissing
from parley.stack.files import write_whole

_MEMORY = "256mb"
_KEPT = "appendonlydir"


def redis_program() -> str:
    """Return where redis-server is."""
    found = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if found is None:
        raise ProgramMissing(
            "redis-server is missing", "livekit-server and the control plane need it", "Run `make setup`"
        )
    return found


def redis_child(directory: Path, *, port: int, password: str) -> Child:
    """Return Redis as a child, its configuration (with the password) in a file only its owner reads; what an earlier
    platform left in it is gone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(directory / _KEPT, ignore_errors=True)
    configuration = directory / "redis.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        "protected-mode yes",
        f'dir "{directory}"',
        'save ""',
        "appendonly yes",
        "appendfsync everysec",
        f"appenddirname {_KEPT}",
        f"maxmemory {_MEMORY}",
        "maxmemory-policy volatile-ttl",
        "daemonize no",
    ]

    async def answers() -> bool:
        return await probes.redis_answers(port, password)

    return Child(
        name="redis",
        command=[redis_program(), str(configuration)],
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        ready=answers,
        prepare=lambda: write_whole(configuration, "\n".join(lines) + "\n"),
        start_within=10.0,
    )
