"""Several machines on one: two livekit-servers on one Redis, two control planes, jobs, three workers, each behind a
balancer as in production. Any of them is lost at once, with all that it started, and started again."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from redis.asyncio import Redis

from parley.stack import probes
from parley.stack.livekit import livekit_configuration, livekit_program
from parley.stack.secrets import Secrets
from tests.support.fleet import LIVEKIT_SECRET, Balancer, Fleet, Models, Part, a_key, environments, other, plane
from tests.support.livekit import PORTS
from tests.support.ports import free_port
from tests.support.typists import Typist

NODES: Final = ("livekit-a", "livekit-b")
PLANES: Final = ("plane-a", "plane-b")
WORKERS: Final = ("worker-a", "worker-b", "worker-c")
PLACES: Final = 2
"""Calls of each worker: three calls are on two of them at least."""
ALIVE: Final = (200, 406)
"""406 is a node whose figures are older than four seconds, on a busy machine."""
WHOLE_WITHIN: Final = 120.0
ROOMS: Final = "room_node_map"
"""Where LiveKit keeps which node a room is on."""
STARTS: Final = "starting LiveKit server"
SAID: Final = re.compile(r"^\{.*\}$", re.MULTILINE)


@dataclass
class Cluster(Fleet):
    """All of it. `key` is a project's, `agent_id` its agent's."""

    folder: Path = Path()
    database_url: str = ""
    redis_url: str = ""
    key: str = ""
    agent_id: int = 0
    inside: Balancer = field(default_factory=Balancer)
    """Before the nodes, for all but callers."""
    visitors: Balancer = field(default_factory=Balancer)
    """Before the nodes, for callers alone."""
    nodes: dict[str, int] = field(default_factory=dict)
    """Their ports."""

    async def call(self) -> Typist:
        """A caller with a token."""
        made = await self.ask("POST", f"/agents/{self.agent_id}/try", self.key, {"mode": "text"})
        return Typist(made["wsUrl"], made["token"], made["room"])

    async def call_by_way(self, *, home: str, by: str) -> Typist:
        """A caller in a room of the one node, who comes to it by this one or the other."""
        typist = await self.call()
        async with self.way(typist.room_name, home=home, by=by):
            await typist.enter()
        return typist

    @asynccontextmanager
    async def way(self, room: str, *, home: str, by: str) -> AsyncIterator[None]:
        """Whoever comes within the block comes by one node, and to this room on the other or the same one."""
        async with Redis.from_url(self.redis_url) as redis:
            await redis.hset(ROOMS, room, self._node_id(home))
        self.visitors.servers = {self.nodes[by]}
        await self.visitors.look()
        try:
            yield
        finally:
            self.visitors.servers = set(self.nodes.values())

    def said(self, part: str) -> list[dict[str, Any]]:
        """What a process has logged."""
        text = (self.folder / f"{part}.log").read_text(errors="replace")
        return [json.loads(line) for line in SAID.findall(text)]

    async def node_of(self, room: str) -> str:
        """Which livekit-server a room is on."""
        async with Redis.from_url(self.redis_url, decode_responses=True) as redis:
            node = await redis.hget(ROOMS, room)
        found = [name for name in NODES if self._node_id(name) == node]
        assert len(found) == 1, f"{room} is on {node!r}"
        return found[0]

    def _node_id(self, name: str) -> str:
        return str([each["nodeID"] for each in self.said(name) if each.get("msg") == STARTS][-1])

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database has."""
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def session_of(self, room: str) -> int:
        """The running conversation of a room."""
        rows = await self.rows("select id from session where %s like '%%' || room_name and status = 'active'", room)
        assert len(rows) == 1, f"{room} has {len(rows)} conversations"
        return int(rows[0][0])

    def has_workers(self, node: str) -> bool:
        """Whether a worker has registered with a node since it was started."""
        said = [each.get("msg") for each in self.said(node)]
        began = max(place for place, msg in enumerate(said) if msg == STARTS)
        return "worker registered" in said[began:]

    async def worker_of(self, session: int) -> str:
        """Which worker has a conversation."""
        query = "select worker_id from session_job where session_id = %s and ended_at is null"
        worker_id = (await self.rows(query, session))[0][0]
        return next(name for name in WORKERS if self._worker_id(name) == worker_id)

    def plane_of(self, worker: str) -> str:
        """Which control plane a worker reports to."""
        mine = self._worker_id(worker)
        met = {
            each["timestamp"]: name
            for name in PLANES
            for each in self.said(name)
            if each.get("event") == "worker connected" and each["worker"] == mine
        }
        return met[max(met)]

    def _worker_id(self, name: str) -> str:
        return str([each["worker"] for each in self.said(name) if each.get("event") == "worker registered"][-1])

    async def lose(self, part: str) -> None:
        """A machine is gone."""
        self.parts[part].kill()
        process = self.parts[part].process
        assert process is not None
        await process.wait()

    async def mend(self) -> None:
        """Start whatever was lost, and wait until all places are free again."""
        for part in self.parts.values():
            if part.process is not None and part.process.returncode is not None:
                await part.start()
        async with asyncio.timeout(WHOLE_WITHIN):
            while not await self._is_whole():
                await asyncio.sleep(0.2)

    async def _is_whole(self) -> bool:
        here = await self.rows(
            "select count(*) from worker where connected and seen_at > now() - interval '8 s' and capacity > 0"
        )
        held = await self.rows("select count(*) from slot where session_id is not null")
        return bool(here[0][0] >= len(WORKERS) and held[0][0] == 0)


@asynccontextmanager
async def a_cluster(app_url: str, owner_url: str, redis_url: str, folder: Path) -> AsyncIterator[Cluster]:
    """Everything started."""
    async with AsyncExitStack() as stack:
        models_url = await stack.enter_async_context(Models().serving())
        front, inside, visitors = Balancer(), Balancer("/", well=ALIVE), Balancer("/", well=ALIVE)
        for balancer in (front, inside, visitors):
            await stack.enter_async_context(balancer.balancing())
        url = f"http://127.0.0.1:{front.port}"
        shared = environments(
            folder,
            url=url,
            livekit_url=f"ws://127.0.0.1:{inside.port}",
            public_url=f"ws://127.0.0.1:{visitors.port}",
            models_url=models_url,
            database_url=app_url,
            redis_url=redis_url,
            places=PLACES,
            drain=3,
        )
        nodes = {name: {each: free_port() for each in PORTS} for name in NODES}
        parts = [_node(name, ports, redis_url, f"{url}/livekit/webhook", folder) for name, ports in nodes.items()]
        for ports in nodes.values():
            inside.servers.add(ports["livekit"])
            visitors.servers.add(ports["livekit"])
        parts += [plane(name, shared.plane, front, folder) for name in PLANES]
        parts.append(other("jobs", ["control_plane", "jobs"], shared.plane, folder))
        parts += [other(name, ["agents"], shared.worker, folder) for name in WORKERS]
        cluster = Cluster(
            url,
            {part.name: part for part in parts},
            folder=folder,
            database_url=owner_url,
            redis_url=redis_url,
            inside=inside,
            visitors=visitors,
            nodes={name: ports["livekit"] for name, ports in nodes.items()},
        )
        stack.push_async_callback(cluster.end)
        for first, last in ((0, 2), (2, 4), (4, None)):
            await asyncio.gather(*(part.start() for part in parts[first:last]))
        cluster.key = await a_key(app_url)
        agent = await cluster.ask("POST", "/agents", cluster.key, {"name": "Yes", "instructions": "Say yes."})
        cluster.agent_id = int(agent["agent"]["id"])
        yield cluster


def _node(name: str, ports: dict[str, int], redis_url: str, hooks: str, folder: Path) -> Part:
    secrets = replace(Secrets.generate(), livekit_api_key="devkey", livekit_api_secret=LIVEKIT_SECRET)
    content = yaml.safe_load(livekit_configuration({**ports, "redis": 0}, secrets, webhook_url=hooks))
    content["redis"] = {"address": redis_url.removeprefix("redis://")}
    configuration = folder / f"{name}.yaml"
    configuration.write_text(yaml.safe_dump(content))

    async def is_ready() -> bool:
        return await probes.http_status(ports["livekit"], "/") in ALIVE

    return Part(name, [livekit_program(), "--config", str(configuration)], {"PATH": "/usr/bin:/bin"}, is_ready, folder)
