"""The platform of a chaos run: its own processes and servers, with links between them that can be made to fail."""

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from parley.stack.children import Child, ready_file_exists
from parley.stack.database import database_urls
from parley.stack.livekit import livekit_child
from parley.stack.platform import Stack, StackOptions
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.processes import describe, session_members
from parley.stack.steps import Step
from tests.chaos.links import DistantLink, Links
from tests.support.freezing import cluster

WITHOUT: Final = ("sip", "egress", "phone", "bots", "knowledge")
"""Parts that no call of a chaos run needs."""
LINKS: Final[Mapping[str, str]] = {
    "database": "postgres",
    "cache": "redis",
    "uplink": "control_plane",
    "hooks": "control_plane",
    "front": "control_plane",
    "signal": "livekit",
    "visitors": "livekit",
    "models": "models",
    "receiver": "receiver",
}
"""Each link, and what is behind it.

database, cache  control plane and jobs to PostgreSQL and to Redis
uplink           workers to the control plane
hooks            livekit-server to the control plane
front            callers to the control plane
signal           workers, control plane and jobs to livekit-server
visitors         callers to livekit-server: their signalling, as media goes by UDP
models           workers to the models
receiver         webhooks to their receiver
"""
OUTSIDE: Final = ("models", "receiver")
"""Parts that are no process of the stack."""
CLAIM: Final = re.compile(r"^\{.*\"job claimed\".*\}$", re.MULTILINE)


class ChaosStack:
    """A platform with links. Use as a context; `places` are the calls that each worker takes."""

    def __init__(
        self,
        folder: Path,
        *,
        first_port: int,
        outside: Mapping[str, int],
        planes: int,
        workers: int,
        places: int,
        announce: Callable[[str], None],
    ) -> None:
        ports = {name: first_port + place for place, name in enumerate(LINKS)}
        self._all_links = Links(ports, outside)
        self.links = self._all_links.all
        parent = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PARLEY_MODELS_URL": f"http://127.0.0.1:{ports['models']}/v1",
            "PARLEY_MODELS_API_KEY": "chaos",
            "PARLEY_STT_MODEL": "chaos-stt",
            "PARLEY_STT_REALTIME": "false",
            "PARLEY_LLM_MODEL": "chaos-llm",
            "PARLEY_TTS_MODEL": "chaos-tts",
            "PARLEY_TTS_VOICE": "chaos",
            "PARLEY_MAX_CALLS": str(places),
        }
        options = StackOptions(folder, port=first_port + len(LINKS), without=WITHOUT, parent=parent)
        counts = {"planes": planes, "workers": workers}
        self.stack = _Linked(options, announce, ports=ports, links=self.links, **counts)
        self.folder, self._cleanup = folder, AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as cleanup:
            await cleanup.enter_async_context(self._all_links)
            await cleanup.enter_async_context(self.stack)
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cleanup.aclose()

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.stack.directory.logs

    @property
    def database_url(self) -> str:
        """PostgreSQL's superuser, past the links."""
        services = self.stack.services
        password, port = services.secrets.postgres_password, services.ports["postgres"]
        return EmbeddedPostgres(self.folder, port, password=password).url(database="parley")

    @property
    def callers_url(self) -> str:
        """Where callers reach livekit-server."""
        return f"ws://127.0.0.1:{self.links['visitors'].port}"

    def pid(self, part: str) -> int | None:
        """The process of a part; None between two."""
        return self.stack.pids.get(part)

    def processes(self, part: str) -> list[int]:
        """All processes of a part, its first one first."""
        pid = self.pid(part)
        if pid is None:
            return []
        if part == "postgres":  # each of its backends has a session of its own
            return cluster(self.stack.directory.postgres)
        return [pid, *(each.pid for each in session_members(pid) if each.pid != pid)]

    @property
    def front_url(self) -> str:
        """Where callers reach the control planes."""
        return f"http://127.0.0.1:{self.links['front'].port}/api/v1"

    def named(self, part: str) -> list[str]:
        """The processes that are there of a part of which there are several: `worker`, `worker-2`."""
        return [name for name in self.stack.pids if name == part or name.startswith(f"{part}-")]

    def workers(self) -> list[str]:
        """The names of the workers."""
        return self.named("worker")

    def personas(self) -> list[tuple[int, int]]:
        """Session and process of each persona that lives, the eldest session first."""
        found: set[tuple[int, int]] = set()
        for log in self.logs.glob("worker*.log"):
            for claim in map(json.loads, CLAIM.findall(log.read_text(errors="replace"))):
                info = describe(claim["pid"])
                if info is not None and b"multiprocessing" in _command(info.pid):
                    found.add((claim["session"], claim["pid"]))
        return sorted(found)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class _Linked(Stack):
    def __init__(
        self,
        options: StackOptions,
        announce: Callable[[str], None],
        *,
        ports: Mapping[str, int],
        links: Mapping[str, DistantLink],
        planes: int,
        workers: int,
    ) -> None:
        super().__init__(options, announce)
        self._link_ports, self._links, self._planes, self._workers = ports, links, planes, workers

    def _parts(self) -> list[Child | Step]:
        parts = {part.name: part for part in super()._parts()}
        services, ports = self.services, self._link_ports
        for name, part in LINKS.items():
            if part not in OUTSIDE:
                self._links[name].aim([services.ports[part]])
        inside = replace(
            services,
            ports={**services.ports, "redis": ports["cache"], "livekit": ports["signal"]},
            database=database_urls(ports["database"], services.secrets),
        )
        outside = replace(
            services, ports={**services.ports, "livekit": ports["signal"], "control_plane": ports["uplink"]}
        )
        made: list[Child] = [inside.control_plane(), inside.jobs(), outside.worker()]
        hooks = f"http://127.0.0.1:{ports['hooks']}/livekit/webhook"
        made.append(livekit_child(self.directory.run / "livekit", services.ports, services.secrets, webhook_url=hooks))
        parts.update({child.name: child for child in made})
        for number in range(2, self._planes + 1):
            port = services.ports["control_plane"] + number - 1
            another = replace(inside, ports={**inside.ports, "control_plane": port}).control_plane()
            parts[f"control_plane-{number}"] = replace(another, name=f"control_plane-{number}")
            for link in self._links.values():
                if services.ports["control_plane"] in link.targets:
                    link.aim([*link.targets, port])
        for number in range(2, self._workers + 1):
            parts[f"worker-{number}"] = self._another(outside.worker(), number)
        return list(parts.values())

    def _another(self, worker: Child, number: int) -> Child:
        spool, ready = self.directory.root / f"spool-{number}", self.directory.run / f"worker-{number}.ready"

        def prepare() -> None:
            spool.mkdir(mode=0o700, exist_ok=True)
            ready.unlink(missing_ok=True)

        environment: dict[str, Any] = {"PARLEY_SPOOL_DIR": str(spool), "PARLEY_READY_FILE": str(ready)}
        return replace(
            worker,
            name=f"worker-{number}",
            environment={**worker.environment, **environment},
            ready=ready_file_exists(ready),
            prepare=prepare,
        )


def spool_of(stack: ChaosStack, worker: str) -> Path:
    """Where a worker keeps its reports."""
    number = worker.partition("-")[2]
    return stack.stack.directory.root / (f"spool-{number}" if number else "spool")
