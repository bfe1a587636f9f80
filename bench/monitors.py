"""`python -m bench monitors`: commits per second with monitors attached, as a part of those without.

A commit is `POST /sessions/{room}/transcript`: a line and its event. The server has core 0; wrk, the sockets, the jobs
process and the stores have core 1. Once the sockets watch a room that nobody writes to, so that all they share with the
writer is the process that serves both; once each of them is sent every line, which costs that process what sending
costs.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx2
import uvloop
from rich.console import Console
from rich.table import Table

from bench.api import Load, Server, wrk
from bench.fanout import open_readers
from bench.platform import (
    KEY,
    LOAD_CORE,
    RESULTS,
    SERVER_CORE,
    cpu_seconds,
    our_settings,
    start,
    stores,
    wait_for,
)
from parley.stack.database import DatabaseUrls
from tests.support.ports import free_port

ROOMS = 32
LUA = """
local count = 0
request = function()
  count = count + 1
  local path = string.format("/api/v1/sessions/written%d/transcript", count % ROOMS)
  local body = '{"speaker": "user", "content": "The quick brown fox jumps over the lazy dog."}'
  return wrk.format("POST", path, {["Content-Type"]="application/json", ["X-API-Key"]="KEY"}, body)
end
""".replace("ROOMS", str(ROOMS)).replace("KEY", KEY)
WATCHED = {"nobody watches": None, "they watch another room": "room:room1", "they watch all sessions": "sessions"}
GOAL = ("they watch another room", 0.9)


async def measure(
    urls: DatabaseUrls, redis_url: str, sockets: int, seconds: int, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Commits per second, and per CPU-second of the server, under each of `WATCHED`, in turn."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in WATCHED}
    port = free_port()
    settings = our_settings(urls, redis_url, port)
    with ExitStack() as cleanup:
        server = start(cleanup, [sys.executable, "-m", "control_plane", "serve"], settings, SERVER_CORE)
        start(cleanup, [sys.executable, "-m", "control_plane", "jobs"], settings, LOAD_CORE)
        wait_for(port)
        await open_sessions(port)
        for number in range(rounds + 1):
            for name, channel in WATCHED.items():
                hello = json.dumps({"action": "subscribe", "channel": channel})
                path = f"/ws/monitor?api_key={KEY}"
                readers = await open_readers(port, path, hello, sockets if channel else 0)
                load = Load(script=LUA)
                used = cpu_seconds(server)
                rate, _, _ = await asyncio.to_thread(wrk, Server("ours", port), load, seconds)
                if number:  # the first round warms up
                    rates[name].append((rate, rate * seconds / (cpu_seconds(server) - used)))
                for reader in readers:
                    reader.transport.abort()
                await asyncio.sleep(2)  # the log is told to its end
    return rates


async def open_sessions(port: int) -> None:
    """A session in each of the rooms that are written to."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": KEY}) as client:
        for number in range(ROOMS):
            (await client.post("/sessions", json={"room_name": f"written{number}"})).raise_for_status()


def table(rates: dict[str, list[tuple[float, float]]], sockets: int) -> Table:
    """The rates beside what they should be."""
    shown = Table(title=f"{sockets} monitors, medians over rounds", title_justify="left")
    for heading in ("monitors", "commits per second", "÷ without", "should be", "per CPU-second", "÷ without"):
        shown.add_column(heading, justify="left" if heading == "monitors" else "right")
    medians = {name: [statistics.median(part) for part in zip(*each, strict=True)] for name, each in rates.items()}
    alone = medians["nobody watches"]
    for name, (rate, efficiency) in medians.items():
        goal = f"≥ {GOAL[1]}" if name == GOAL[0] else ""
        ratios = f"{rate / alone[0]:.2f}", f"{efficiency / alone[1]:.2f}"
        shown.add_row(name, f"{rate:.0f}", ratios[0], goal, f"{efficiency:.0f}", ratios[1])
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench monitors", description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        runner = cleanup.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        rates = runner.run(measure(urls, redis_url, arguments.sockets, arguments.seconds, arguments.rounds))
    Console(width=120).print(table(rates, arguments.sockets))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "sockets": arguments.sockets, "rates": rates}
    (RESULTS / "monitors.json").write_text(json.dumps(result, indent=1) + "\n")
