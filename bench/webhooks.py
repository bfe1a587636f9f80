"""`python -m bench webhooks`: how soon, how many, and how well kept apart webhooks are.

The jobs process has core 0, and so has the bare loop that it is measured beside (`bench.posting`); the receivers, the
writer of events and the stores have core 1.

* idle: from the beginning of an event's transaction to the first byte at a receiver that has nothing else to do;
* busy: from the commit of many events, one delivery each, until the last of them has arrived at receivers that answer
  at once; CPU counts until all results are in the database. The bare loop has as many connections;
* apart: events for twenty endpoints at a steady pace, and how soon nineteen of them have theirs, while the twentieth
  answers as they do, and while it never answers.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.platform import (
    RESULTS,
    SECRET_KEY,
    SERVER_CORE,
    cpu_seconds,
    our_settings,
    start,
    stores,
)
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.events.wake import WRITTEN, Notifier
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.lanes import FIRST_AT_ONCE
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.planner import render
from control_plane.webhooks.signing import new_secret
from control_plane.webhooks.targets import sealed_as
from parley.stack.database import DatabaseUrls
from tests.support.ports import free_port

BUSY, APART = 4, 20
"""Endpoints."""
PACE = 0.1
"""Seconds between events."""
ROOMS = 64
BUSY_EVENTS = (
    "insert into event (project_id, type, room_name, data, created_at)"
    " select %(first)s + n %% %(projects)s, %(type)s, 'room' || n %% %(rooms)s, '{}', now()"
    " from generate_series(1, %(events)s) n"
)
BODY = render("room.finished", project_id=2, timestamp="2026-01-01T00:00:00.000Z", data={"room_name": "room12"})


class Receivers:
    """All receivers, as paths of one server; those in `silent` do not answer until `release`."""

    def __init__(self) -> None:
        self.received = 0
        self.silent = ""
        self.arrivals: dict[tuple[str, str], float] = {}
        self._unanswered: list[Callable[[], None]] = []
        self._arrived = asyncio.Event()

    def take(self, path: str, body: bytes, at: float, answer: Callable[[], None]) -> None:
        """A request whose first byte came at a moment."""
        room = re.search(rb'"room_name":"([^"]*)"', body)
        self.arrivals[path, room[1].decode() if room else ""] = at
        self.received += 1
        self._arrived.set()
        if path == self.silent:
            self._unanswered.append(answer)
        else:
            answer()

    def release(self) -> None:
        """Answer everybody."""
        self.silent = ""
        for answer in self._unanswered:
            answer()
        self._unanswered.clear()

    async def until(self, arrived: Callable[[], bool], within: float = 60) -> None:
        """Wait for something to have arrived."""
        async with asyncio.timeout(within):
            while not arrived():
                self._arrived.clear()
                await self._arrived.wait()


class Connection(asyncio.Protocol):
    """A connection of a receiver: as little as reads HTTP."""

    def __init__(self, receivers: Receivers) -> None:
        self.receivers = receivers
        self.data, self.began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.data:
            self.began = time.perf_counter()
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if end and length and len(body) >= int(length[1]):
            self.data = b""
            self.receivers.take(head.split(b" ", 2)[1].decode(), body, self.began, self.answer)

    def answer(self) -> None:
        """200; a connection that is gone by now is passed by."""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Bench:
    """A jobs process, its receivers, and a writer of events."""

    def __init__(self, urls: DatabaseUrls, jobs: int, receivers: Receivers, port: int) -> None:
        self.urls, self.jobs, self.receivers, self.port = urls, jobs, receivers, port
        self.database = Database(urls.app.replace("postgresql://", "postgresql+psycopg://"), pool=4)
        self.notifier = Notifier(urls.app, WRITTEN)
        self.database.on_announcement(self.notifier.poke)
        self.clock = Clock()

    async def project(self, name: str, endpoints: int) -> int:
        """A project with endpoints `/{name}0`, `/{name}1` and so on; its id."""
        box = SecretBox(SECRET_KEY)
        async with self.database.platform() as db:
            project = Project(account_id=1, slug=name, name=name)
            db.add(project)
            await db.flush()
            for number in range(endpoints):
                url = f"http://127.0.0.1:{self.port}/{name}{number}"
                endpoint = WebhookEndpoint(project_id=project.id, url=url, sealed_secret=b"")
                db.add(endpoint)
                await db.flush()
                endpoint.sealed_secret = box.seal(new_secret(), row=sealed_as(endpoint.id))
            return project.id

    async def happen(self, project_id: int, room: str) -> float:
        """An event; the moment its transaction began."""
        began = time.perf_counter()
        async with self.database.platform() as db:
            EventLog(db, self.clock).append(Fact.ROOM_FINISHED, project_id=project_id, room_name=room)
        return began

    async def settled(self) -> None:
        """Wait until nothing waits for delivery."""
        async with asyncio.timeout(60):
            while await asyncio.to_thread(self._waiting):
                await asyncio.sleep(0.02)

    def _waiting(self) -> bool:
        with psycopg.connect(self.urls.owner) as connection:
            row = connection.execute("select exists (select from webhook_delivery where state = 'waiting')").fetchone()
            assert row is not None
            return bool(row[0])

    async def idle(self, project_id: int, events: int) -> list[float]:
        """Milliseconds of each event."""
        delays = []
        for number in range(events):
            seen = "/idle0", f"idle{number}"
            began = await self.happen(project_id, seen[1])
            await self.receivers.until(lambda seen=seen: seen in self.receivers.arrivals)  # type: ignore[misc]
            delays.append((self.receivers.arrivals[seen] - began) * 1000)
            await asyncio.sleep(PACE)
        return delays[1:]  # the first one connects

    async def busy(self, first_project: int, events: int) -> tuple[float, float]:
        """Deliveries per second, and per CPU-second of the sender."""
        before, used = self.receivers.received, cpu_seconds(self.jobs)
        values = {
            "first": first_project,
            "projects": BUSY,
            "type": Fact.ROOM_FINISHED.value,
            "rooms": ROOMS,
            "events": events,
        }
        with psycopg.connect(self.urls.owner) as connection:
            connection.execute(BUSY_EVENTS, values)
        self.notifier.poke()
        began = time.perf_counter()
        await self.receivers.until(lambda: self.receivers.received >= before + events)
        took = time.perf_counter() - began
        await self.settled()
        return events / took, events / (cpu_seconds(self.jobs) - used)

    async def bare(self, events: int) -> tuple[float, float]:
        """The same of the bare loop."""
        command = [sys.executable, "-m", "bench.posting", f"http://127.0.0.1:{self.port}/bare"]
        process = await asyncio.create_subprocess_exec(
            "taskset",
            *("-c", SERVER_CORE, *command, str(BUSY * FIRST_AT_ONCE), str(events)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        async with asyncio.timeout(120):
            output, _ = await process.communicate(BODY.encode())
        took, used = json.loads(output)
        return events / took, events / used

    async def apart(self, project_id: int, events: int, run: str, *, silent: bool) -> float:
        """The p95 of nineteen endpoints in milliseconds."""
        self.receivers.silent = "/apart0" if silent else ""
        began, paths = {}, [f"/apart{number}" for number in range(1, APART)]
        for number in range(events):
            room = f"{run}-{number}"
            began[room] = await self.happen(project_id, room)
            await asyncio.sleep(PACE)
        wanted = [(path, room) for path in paths for room in began]
        await self.receivers.until(lambda: all(each in self.receivers.arrivals for each in wanted))
        self.receivers.release()
        await self.settled()
        return percentile([(self.receivers.arrivals[path, room] - began[room]) * 1000 for path, room in wanted], 0.95)


def percentile(values: list[float], share: float) -> float:
    """The value that so many of them are not above."""
    return sorted(values)[int(len(values) * share)]


@asynccontextmanager
async def opened(urls: DatabaseUrls, redis_url: str) -> AsyncIterator[Bench]:
    """A jobs process and its receivers."""
    receivers = Receivers()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(receivers), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with ExitStack() as cleanup:
            settings = our_settings(urls, redis_url, free_port())
            jobs = start(cleanup, [sys.executable, "-m", "control_plane", "jobs"], settings, SERVER_CORE)
            bench = Bench(urls, jobs, receivers, port)
            notifying = asyncio.create_task(bench.notifier.run())
            try:
                yield bench
            finally:
                notifying.cancel()
                await asyncio.gather(notifying, return_exceptions=True)
                await bench.database.close()


async def measure(urls: DatabaseUrls, redis_url: str, events: int, rounds: int) -> dict[str, Any]:
    """All figures, those that are compared in turn."""
    async with opened(urls, redis_url) as bench:
        return await _measure(bench, events, rounds)


async def rounds_of(
    urls: DatabaseUrls, redis_url: str, events: int
) -> AsyncGenerator[dict[str, tuple[float, float]], None]:
    """Rounds without end of the bare loop and ours: deliveries per second, and per CPU-second of the sender."""
    async with opened(urls, redis_url) as bench:
        busy = [await bench.project(f"busy{number}", 1) for number in range(BUSY)]
        await bench.busy(busy[0], 500)  # what is warm and what is connected is not the loop's advantage
        while True:
            yield {"bare": await bench.bare(events), "ours": await bench.busy(busy[0], events)}


async def _measure(bench: Bench, events: int, rounds: int) -> dict[str, Any]:
    idle = await bench.project("idle", 1)
    busy = [await bench.project(f"busy{number}", 1) for number in range(BUSY)]
    apart = await bench.project("apart", APART)
    found: dict[str, Any] = {"idle_ms": await bench.idle(idle, 50)}
    for name in ("bare", "ours", "answering_p95_ms", "silent_p95_ms"):
        found[name] = []
    await bench.busy(busy[0], 500)  # what is warm and what is connected is not the loop's advantage
    for number in range(rounds):
        found["bare"].append(await bench.bare(events))
        found["ours"].append(await bench.busy(busy[0], events))
        for name, silent in (("answering_p95_ms", False), ("silent_p95_ms", True)):
            found[name].append(await bench.apart(apart, 40, f"{name}{number}", silent=silent))
    return found


def table(found: dict[str, Any]) -> Table:
    """The figures beside what they should be."""
    shown = Table(title="webhooks, medians over rounds", title_justify="left")
    for heading in ("what", "ours", "beside", "ratio", "should be"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    shown.add_row("event to first byte, p95", f"{percentile(found['idle_ms'], 0.95):.0f} ms", "", "", "≤ 100 ms")
    for place, what in enumerate(("deliveries per second", "deliveries per CPU-second")):
        ours, bare = (statistics.median(pair[place] for pair in found[name]) for name in ("ours", "bare"))
        shown.add_row(what, f"{ours:.0f}", f"bare loop {bare:.0f}", f"{ours / bare:.2f}", "≥ 0.5")
    silent, answering = (statistics.median(found[f"{name}_p95_ms"]) for name in ("silent", "answering"))
    what = f"p95 of {APART - 1}, one more never answers"
    shown.add_row(what, f"{silent:.0f} ms", f"it answers {answering:.0f} ms", f"{silent / answering:.2f}", "≤ 1.2")
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench webhooks", description=__doc__)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        runner = cleanup.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        found = runner.run(measure(urls, redis_url, arguments.events, arguments.rounds))
    Console(width=120).print(table(found))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "events": arguments.events, **found}
    (RESULTS / "webhooks.json").write_text(json.dumps(result, indent=1) + "\n")
