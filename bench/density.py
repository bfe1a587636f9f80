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
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from livekit import rtc
from rich.console import Console
from rich.table import Table

from bench.call import RESULTS
from bench.cores import spent, used_by
from bench.fakes import fixed_models
from bench.workers import KINDS, agent_comes, silent, worker

KEPT: Final = RESULTS / "density.json"
GOAL: Final = 25.0
"""MB of a further call in dense mode."""
SPARE: Final = 2
"""Places beside those that are counted: one that was asked for in vain, because the machine was busy, is held until its
worker has noticed, and whoever is asked for next would find no place."""


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
        with suppress(OSError):  # it has just ended
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(kind):
                    total += int(line.split()[1])
    return total * 1024 / 1e6


async def measure(kind: str, sessions: int, *, most: int, settle: float, seconds: float) -> dict[str, float]:
    """What so many calls take. Raises `NotHere`."""
    with tempfile.TemporaryDirectory(prefix="parley-density-") as name:
        async with fixed_models() as models, AsyncExitStack() as stack:
            asked = await stack.enter_async_context(worker(kind, Path(name), models, places=most + SPARE))
            for _ in range(sessions):
                room = await agent_comes(asked, stack)
                await stack.enter_async_context(silent(room))
            await asyncio.sleep(settle)
            pids = list(family(asked.pid))
            before, began = used_by(pids), time.monotonic()
            await asyncio.sleep(seconds)
            cores = spent(before, used_by(pids)) / max(0.001, time.monotonic() - began)
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
    asked.add_argument("--kinds", nargs="+", choices=KINDS, default=["stock", "isolated", "dense"])
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
            try:
                found[count] = asyncio.run(
                    measure(kind, count, most=max(told.sessions), settle=told.settle, seconds=told.seconds)
                )
            except (TimeoutError, rtc.ConnectError) as error:  # the processor is full before memory is
                Console().print(f"{kind} {count}: not reached on this machine: {error or 'nobody came in time'}")
                break
            Console().print(f"{kind} {count}: {found[count]}")
        goal = f"≤ {GOAL:g} MB" if kind == "dense" else ""
        figures = [f"{found[count]['pss_mb']:.0f} MB" if count in found else "–" for count in told.sessions]
        a_call = ["–"] * 3
        if len(found) > 1:
            a_call = [f"{slope(found, 'pss_mb'):.1f}", f"{slope(found, 'own_mb'):.1f}", f"{slope(found, 'cores'):.3f}"]
        table.add_row(kind, *figures, *a_call, goal)
    Console().print(table)
    KEPT.write_text(json.dumps(_kept(results), indent=1) + "\n")


def _kept(results: dict[str, dict[int, dict[str, float]]]) -> dict[str, Any]:
    names = ("pss_mb", "own_mb", "cores")
    slopes = {kind: {name: slope(found, name) for name in names} for kind, found in results.items() if len(found) > 1}
    versions = {name: metadata.version(name) for name in ("livekit", "livekit-agents")}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    return {"at": datetime.now(UTC).isoformat(), **machine, "versions": versions, "a_call": slopes, "found": results}
