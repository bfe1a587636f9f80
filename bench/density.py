"""`python -m bench density [--sessions 1 4 8] [--kinds stock isolated dense]`: memory and processor of calls.

Each call has somebody who is there and silent, and a persona that listens, so that sound comes in and speech is looked
for. Memory is what the worker and all its processes take for themselves, and their share of what they have in common
(PSS); a further call is the slope from the fewest to the most. Models are fakes.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from livekit import api, rtc
from rich.console import Console
from rich.table import Table

from bench.call import RESULTS
from bench.fakes import fixed_models
from bench.fanout import TICKS
from tests.support.bots import Media, media_server
from tests.support.database import CHECKOUT
from tests.support.studio import KEY, SECRET
from tests.support.workers import Call, call_worker

KEPT: Final = RESULTS / "density.json"
KINDS: Final = ("stock", "isolated", "dense")
GOAL: Final = 25.0
"""MB of a further call in dense mode."""
RATE: Final = 24_000
HERE_WITHIN: Final = 120.0
"""Seconds for all personas to be there."""


def family(pid: int) -> Iterator[int]:
    """A process and all that came of it, those that have lost their parents included (they keep its session)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == pid:  # session id (proc(5), `stat`)
                yield int(entry.name)


def memory_mb(pids: Sequence[int], kind: str) -> float:
    """Megabytes that processes take: `Pss:`, what they share with others in parts, or `Private_Dirty:`."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(kind):
                total += int(line.split()[1])
    return total * 1024 / 1e6


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes."""
    times = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids)
    return sum(int(user) + int(system) for user, system in times) / TICKS


@asynccontextmanager
async def silent(room: rtc.Room) -> AsyncIterator[None]:
    """Somebody in a room whose microphone is open."""
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    )
    frame = rtc.AudioFrame(bytes(2 * RATE // 50), RATE, 1, RATE // 50)

    async def keep_up() -> None:
        while True:
            await source.capture_frame(frame)

    keeping = asyncio.create_task(keep_up())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@asynccontextmanager
async def ours(media: Media, folder: Path, models: str, sessions: int, *, places: int) -> AsyncIterator[int]:
    """Our worker with so many calls, of which so many share a process; its process."""
    settings = {
        "PARLEY_MAX_CALLS": str(max(sessions, places)),
        "PARLEY_CALLS_PER_PROCESS": str(places),
    }
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(
            call_worker(media, folder, models_url=models, own_session=True, **settings)
        )
        calls: list[Call] = []
        for _ in range(sessions):
            call = await worker.call(only_text=False, greeting="")
            stack.push_async_callback(call.leave)
            await stack.enter_async_context(silent(call.room))
            calls.append(call)
        for call in calls:
            await worker.plane.reported(call.job, "call.started", within=HERE_WITHIN)
        yield worker.pid


@asynccontextmanager
async def stock(media: Media, folder: Path, models: str, sessions: int) -> AsyncIterator[int]:
    """The framework's own worker with so many calls; its process."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "LIVEKIT_URL": media.url,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "STOCK_MODELS": models,
    }
    command = [sys.executable, "-m", "bench.stock_worker"]
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "stock.log").open("wb"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        server = await stack.enter_async_context(media.api())
        rooms = []
        for _ in range(sessions):
            room, name = rtc.Room(), uuid.uuid4().hex
            await room.connect(media.url, media.token(name, "ada"))
            stack.push_async_callback(room.disconnect)
            await stack.enter_async_context(silent(room))
            asked = api.CreateAgentDispatchRequest(agent_name="stock", room=name)
            await server.agent_dispatch.create_dispatch(asked)
            rooms.append(room)
        async with asyncio.timeout(HERE_WITHIN):
            while not all(_is_heard(room) for room in rooms):
                await asyncio.sleep(0.1)
        yield process.pid


def _is_heard(room: rtc.Room) -> bool:
    return any(who.track_publications for who in room.remote_participants.values())


async def measure(kind: str, sessions: int, *, most: int, settle: float, seconds: float) -> dict[str, float]:
    """What so many calls take."""
    with tempfile.TemporaryDirectory(prefix="parley-density-") as name, media_server(Path(name)) as media:
        folder = Path(name)
        async with fixed_models() as models:
            worker = (
                stock(media, folder, models, sessions)
                if kind == "stock"
                else ours(media, folder, models, sessions, places=max(2, most) if kind == "dense" else 1)
            )
            async with worker as pid:
                await asyncio.sleep(settle)
                pids = list(family(pid))
                cpu, began = cpu_seconds(pids), time.monotonic()
                await asyncio.sleep(seconds)
                cores = (cpu_seconds(pids) - cpu) / (time.monotonic() - began)
                own, pss = memory_mb(pids, "Private_Dirty:"), memory_mb(pids, "Pss:")
                return {"pss_mb": pss, "own_mb": own, "cores": cores, "processes": len(pids)}


def slope(found: dict[int, dict[str, float]], name: str) -> float:
    """What one call more takes."""
    fewest, most = min(found), max(found)
    return (found[most][name] - found[fewest][name]) / max(1, most - fewest)


def main() -> None:
    """Measure, print, keep."""
    asked = argparse.ArgumentParser(prog="python -m bench density")
    asked.add_argument("--sessions", type=int, nargs="+", default=[1, 8, 32])
    asked.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    asked.add_argument("--settle", type=float, default=10.0, help="seconds before memory is looked at")
    asked.add_argument("--seconds", type=float, default=10.0, help="seconds over which the processor is")
    told = asked.parse_args()
    results: dict[str, dict[int, dict[str, float]]] = {}
    table = Table(
        "worker", *(f"{count} calls" for count in told.sessions), "MB a call", "of its own", "core a call", "goal"
    )
    for kind in told.kinds:
        found = results[kind] = {}
        for count in told.sessions:
            found[count] = asyncio.run(
                measure(kind, count, most=max(told.sessions), settle=told.settle, seconds=told.seconds)
            )
            Console().print(f"{kind} {count}: {found[count]}")
        goal = f"≤ {GOAL:g} MB" if kind == "dense" else ""
        figures = [f"{found[count]['pss_mb']:.0f} MB" for count in told.sessions]
        a_call = f"{slope(found, 'pss_mb'):.1f}", f"{slope(found, 'own_mb'):.1f}", f"{slope(found, 'cores'):.3f}"
        table.add_row(kind, *figures, *a_call, goal)
    Console().print(table)
    KEPT.write_text(json.dumps(_kept(results), indent=1) + "\n")


def _kept(results: dict[str, dict[int, dict[str, float]]]) -> dict[str, Any]:
    names = ("pss_mb", "own_mb", "cores")
    slopes = {kind: {name: slope(found, name) for name in names} for kind, found in results.items()}
    versions = {name: metadata.version(name) for name in ("livekit", "livekit-agents")}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    return {"at": datetime.now(UTC).isoformat(), **machine, "versions": versions, "a_call": slopes, "found": results}
