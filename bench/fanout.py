"""`python -m bench fanout`: the monitor's fan-out beside a bare broadcast loop, in deliveries per CPU-second.

The server has core 0, the sockets core 1. Ours routes by project and channel, keeps a queue per socket and lets slow
readers go; the bare one sends a prepared text to every socket in turn.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import uvloop
from redis import asyncio as redis
from rich.console import Console
from rich.table import Table

from bench.platform import (
    KEY,
    LOAD_CORE,
    RESULTS,
    SERVER_CORE,
    TICKS,
    cpu_seconds,
    our_settings,
    start,
    stores,
    wait_for,
)
from control_plane.events.live import PREFIX
from control_plane.sessions.reports import LIVE_LINES
from parley.stack.database import DatabaseUrls
from tests.support.ports import free_port

LINE = "The quick brown fox jumps over the lazy dog and is seen doing so."


class Reader(asyncio.Protocol):
    """A socket that counts what it receives; a lazy one stops reading once its hello is answered."""

    def __init__(self, path: str, hello: str, *, lazy: bool = False) -> None:
        self.path, self.hello, self.lazy = path, hello, lazy
        self.received, self.arrivals = 0, [0.0]
        self.upgraded = False
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport  # uvloop's transports have the interface and not the class
        self.transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.upgraded:
            self.upgraded = True
            if self.hello:
                body = self.hello.encode()
                self.transport.write(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
                return
        if not self.ready.done():
            self.ready.set_result(None)
            return
        self.received += data.count(b"quick brown")
        self.arrivals.append(time.perf_counter())
        if self.lazy:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed"))


@dataclass
class Round:
    """What one burst of messages cost."""

    per_cpu_second: float
    p99_ms: float


@dataclass
class Result:
    """All rounds of one server."""

    rounds: list[Round] = field(default_factory=list)
    idle_kib: float = 0

    def median(self, name: str) -> float:
        """The middle of a figure over the rounds."""
        return statistics.median(getattr(each, name) for each in self.rounds)


def resident_kib(pid: int) -> int:
    """Memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


async def open_readers(port: int, path: str, hello: str, count: int, *, lazy: int = 0) -> list[Reader]:
    """Connect sockets, a hundred at a time."""
    readers: list[Reader] = []
    loop = asyncio.get_running_loop()
    for begin in range(0, count, 100):
        group = [Reader(path, hello, lazy=number < lazy) for number in range(begin, min(count, begin + 100))]
        await asyncio.gather(
            *(loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port) for reader in group)
        )  # type: ignore[misc]
        await asyncio.gather(*(reader.ready for reader in group))
        readers += group
    return readers


async def burst(readers: list[Reader], pid: int, messages: int, publish: object) -> Round:
    """Send messages one after the other, and wait for all of them everywhere."""
    awake = [reader for reader in readers if not reader.lazy]
    before = [reader.received for reader in awake]
    cpu = cpu_seconds(pid)
    delays: list[float] = []
    for number in range(messages):
        sent = time.perf_counter()
        await publish()  # type: ignore[operator]
        async with asyncio.timeout(30):
            while any(reader.received < start + number + 1 for reader, start in zip(awake, before, strict=True)):
                await asyncio.sleep(0.001)
        delays += [reader.arrivals[-1] - sent for reader in awake]
    used = cpu_seconds(pid) - cpu
    delays.sort()
    return Round(len(awake) * messages / max(used, 1 / TICKS), delays[int(len(delays) * 0.99)] * 1000)


async def rounds_of(
    urls: DatabaseUrls, redis_url: str, sockets: int, messages: int
) -> AsyncGenerator[dict[str, tuple[Round, float]], None]:
    """Rounds without end, of the bare loop, ours, and ours with a reader that never reads; KiB of a socket beside."""
    ours, bare = free_port(), free_port()
    with ExitStack() as cleanup:
        settings = our_settings(urls, redis_url, ours)
        uvicorn = [sys.executable, "-m", "uvicorn", "bench.peers:broadcast", "--port", str(bare), "--no-access-log"]
        uvicorn += ["--log-level", "warning", "--ws", "websockets-sansio"]
        pids = {
            "ours": start(cleanup, [sys.executable, "-m", "control_plane", "serve"], settings, SERVER_CORE),
            "bare": start(cleanup, uvicorn, {}, SERVER_CORE),
        }
        wait_for(ours)
        wait_for(bare)
        live = redis.Redis.from_url(redis_url)
        line = {
            "project_id": 1,
            "room_name": "proj_room1",
            "session_id": 1,
            "speaker": "agent",
            "content": LINE,
            "timestamp_ms": 1,
            "is_final": False,
        }

        async def publish() -> None:
            await live.publish(PREFIX + LIVE_LINES, json.dumps(line))

        async with httpx2.AsyncClient() as client:

            async def broadcast() -> None:
                await client.post(f"http://127.0.0.1:{bare}/send", content=LINE)

            subscribe = json.dumps({"action": "subscribe", "channel": "room:room1"})
            for port, path, hello in ((bare, "/ws", ""), (ours, f"/ws/monitor?api_key={KEY}", subscribe)):
                for reader in await open_readers(port, path, hello, 1):  # what a first socket loads is not its own
                    reader.transport.abort()
            while True:
                found = {}
                for name, lazy in (("bare", 0), ("ours", 0), ("ours, one never reads", 1)):
                    server, port = name.split(",")[0], bare if name == "bare" else ours
                    empty = resident_kib(pids[server])
                    path, hello = ("/ws", "") if name == "bare" else (f"/ws/monitor?api_key={KEY}", subscribe)
                    readers = await open_readers(port, path, hello, sockets, lazy=lazy)
                    idle = (resident_kib(pids[server]) - empty) / sockets
                    cost = await burst(readers, pids[server], messages, broadcast if name == "bare" else publish)
                    found[name] = cost, idle
                    for reader in readers:
                        reader.transport.abort()
                    await asyncio.sleep(1)
                yield found


async def measure(urls: DatabaseUrls, redis_url: str, sockets: int, messages: int, rounds: int) -> dict[str, Result]:
    """So many rounds, by server."""
    results: dict[str, Result] = {}
    async with aclosing(rounds_of(urls, redis_url, sockets, messages)) as taking:
        for _ in range(rounds):
            for name, (cost, idle_kib) in (await anext(taking)).items():
                result = results.setdefault(name, Result())
                result.idle_kib = result.idle_kib or idle_kib
                result.rounds.append(cost)
    return results


def allow_sockets() -> None:
    """As many sockets as the system lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def table(results: dict[str, Result], sockets: int) -> Table:
    """The figures beside what they should be."""
    shown = Table(title=f"{sockets} sockets, medians over rounds", title_justify="left")
    for heading in ("server", "deliveries per CPU-second", "÷ bare", "p99 ms", "KiB per idle socket"):
        shown.add_column(heading, justify="left" if heading == "server" else "right")
    bare = results["bare"].median("per_cpu_second")
    for name, result in results.items():
        rate = result.median("per_cpu_second")
        shown.add_row(
            name, f"{rate:.0f}", f"{rate / bare:.2f}", f"{result.median('p99_ms'):.0f}", f"{result.idle_kib:.1f}"
        )
    shown.add_row("should be", "", "≥ 0.6", "≤ 1.2 × with a lazy one", "≤ 30")
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench fanout", description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    allow_sockets()
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        runner = cleanup.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        results = runner.run(measure(urls, redis_url, arguments.sockets, arguments.messages, arguments.rounds))
    Console(width=120).print(table(results, arguments.sockets))
    RESULTS.mkdir(exist_ok=True)
    figures = {
        name: {"idle_kib": each.idle_kib, "rounds": [vars(one) for one in each.rounds]}
        for name, each in results.items()
    }
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "sockets": arguments.sockets, "servers": figures}
    (RESULTS / "fanout.json").write_text(json.dumps(result, indent=1) + "\n")
