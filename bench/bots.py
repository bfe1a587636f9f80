"""`python -m bench bots`: many bots in the same second, what they cost, sound through a customer's socket and back, and
how soon their customer is told.

A bot host and a livekit-server as they really run, all on this machine; the control plane, those who speak and the
customer are this process and share the cores. What is told is measured on a whole platform (`parley up`), as is, with
`--meeting 300`, how soon all of a meeting that is written down is there after its end.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import rtc
from rich.console import Console
from rich.table import Table
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.bots_told import COMPLETE, measure_told
from bench.bots_told import GOALS as TOLD
from bench.call import a_platform
from bench.first_call import percentile
from bench.platform import RESULTS, cpu_seconds
from tests.support.bots import Host, Media, Plane, bot_host, bot_job, media_server
from tests.support.studio import RATE, Person, clicks

GOALS: Final = {
    "all in their rooms, s": "≤ 15",
    "slowest bot, s": "≤ 15",
    "CPU of the host, of a core": "≤ 1.0",
    "memory of the host, MiB": "–",
    "there and back, p50 ms": "–",
    "there and back, p95 ms": "≤ 1000",
} | TOLD
COMPLETE_GOAL: Final = "≤ 15"
CLICK_EVERY: Final = 1.0
KEPT: Final = RESULTS / "bots.json"


async def measure(count: int, seconds: float) -> dict[str, float]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, media_server(Path(folder)) as media:
        async with bot_host(media, Path(folder), PARLEY_MAX_BOTS=str(count)) as (host, plane):
            found = await _arrivals(media, plane, count)
            found |= await _upkeep(media, plane, host, count, seconds)
            found |= await _there_and_back(media, plane, seconds)
            return found


async def _arrivals(media: Media, plane: Plane, count: int) -> dict[str, float]:
    """Each bot has a room of its own."""
    jobs = [bot_job(media, f"room-{number}") for number in range(count)]
    began = time.time()
    for job in jobs:
        await plane.attend(job)
    for job in jobs:
        await plane.reported(job, "call.started", within=120)
    all_in = time.time() - began
    slowest = max(datetime.fromisoformat(plane.of(job)[0]["at"]).timestamp() - began for job in jobs)
    for job in jobs:
        await plane.command(job)
    for job in jobs:
        await plane.reported(job, "call.ended", within=120)
    return {"all in their rooms, s": all_in, "slowest bot, s": slowest}


async def _upkeep(media: Media, plane: Plane, host: Host, count: int, seconds: float) -> dict[str, float]:
    """All bots in one room with two voices, each of which each bot listens to for words."""
    people = [Person(), Person()]
    for number, person in enumerate(people):
        await person.room.connect(media.url, media.token("busy", f"person-{number}"))
        await person.speak(clicks(0.7))
    jobs = [bot_job(media, "busy", transcribe=True) for _ in range(count)]
    for job in jobs:
        await plane.attend(job)
    for job in jobs:
        await plane.reported(job, "call.started", within=120)
    await asyncio.sleep(3)
    used, began = cpu_seconds(host.pid), time.monotonic()
    await asyncio.sleep(seconds)
    cores = (cpu_seconds(host.pid) - used) / (time.monotonic() - began)
    status = Path(f"/proc/{host.pid}/status").read_text()
    memory = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    for job in jobs:
        await plane.command(job)
    for job in jobs:
        await plane.reported(job, "call.ended", within=120)
    for person in people:
        await person.leave()
    return {"CPU of the host, of a core": cores, "memory of the host, MiB": memory}


async def _there_and_back(media: Media, plane: Plane, seconds: float) -> dict[str, float]:
    """A click in the meeting, by the bot's socket to the customer, who sends it back, until it is heard there again."""

    async def echo(link: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in link:
                if isinstance(message, bytes):
                    await link.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        job = bot_job(media, "echo", streaming={"output": url, "input": url})
        person, hearer = Person(), Person()
        took: list[float] = []
        hearer.room.on("track_subscribed", lambda track, _, who: _hear(track, who.identity, job.identity, took))
        for identity, each in (("person", person), ("hearer", hearer)):
            await each.room.connect(media.url, media.token("echo", identity))
        await person.speak(clicks(CLICK_EVERY))
        await plane.attend(job)
        await plane.reported(job, "call.started")
        await asyncio.sleep(max(20.0, seconds))
        await plane.command(job)
        await plane.reported(job, "call.ended")
        await asyncio.gather(person.leave(), hearer.leave())
        for task in _TASKS:
            task.cancel()
        await asyncio.gather(*_TASKS, return_exceptions=True)
    ms = [each * 1000 for each in took[2:]]
    return {"there and back, p50 ms": percentile(ms, 0.5), "there and back, p95 ms": percentile(ms, 0.95)}


_TASKS: set[asyncio.Task[None]] = set()


def _hear(track: rtc.Track, identity: str, bot: str, took: list[float]) -> None:
    async def listen() -> None:
        stream, last = rtc.AudioStream(track, sample_rate=RATE, num_channels=1), 0.0
        try:
            async for event in stream:
                now = time.monotonic()
                if np.abs(np.frombuffer(event.frame.data, np.int16)).max() > 3000 and now - last > CLICK_EVERY / 2:
                    last = now
                    took.append(now % CLICK_EVERY)
        finally:
            await stream.aclose()

    if identity == bot:
        _TASKS.add(asyncio.create_task(listen()))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench bots", description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="bots at once")
    parser.add_argument("--seconds", type=float, default=20, help="of the upkeep, and of the echo")
    parser.add_argument("--meeting", type=float, default=0, help="seconds of a meeting that is written down; 0: none")
    parser.add_argument("--ready", default="", help="tell of bots on a running platform (default: start one)")
    parser.add_argument("--only-told", action="store_true", help="measure only what is told")
    arguments = parser.parse_args()
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # handles of people who left
    if arguments.only_told:
        kept = _earlier()
    else:
        found = asyncio.run(measure(arguments.count, arguments.seconds))
        kept = {"bots": arguments.count, "cpu": platform.processor() or platform.machine()} | _moment()
        kept["found"] = found
    with a_platform(arguments.ready) as ready:
        told = asyncio.run(measure_told(ready, arguments.meeting))
    kept["told"] = _moment() | {"found": told}
    goals = GOALS | {COMPLETE.format(arguments.meeting): COMPLETE_GOAL}
    table = Table(title=f"{arguments.count} bots", title_justify="left")
    for heading in ("what", "measured", "should be"):
        table.add_column(heading)
    for name, value in (told if arguments.only_told else kept["found"] | told).items():
        table.add_row(name, f"{value:.2f}" if value < 20 else f"{value:.0f}", goals[name])
    Console(width=100).print(table)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def _earlier() -> dict[str, Any]:
    """What was measured the last time."""
    earlier: dict[str, Any] = json.loads(KEPT.read_text())
    return earlier


def _moment() -> dict[str, Any]:
    """When something was measured, and how busy the machine was by then."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": now, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
