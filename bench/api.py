"""`python -m bench api`: the primary API beside peers, as ratios of one run.

The server under test has core 0, everything else (wrk, PostgreSQL, Redis) core 1. Rounds are interleaved, so that a
busy moment of the machine meets all of them; what is told are medians over rounds.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from bench.platform import KEY, LOAD_CORE, RESULTS, SERVER_CORE, our_settings, start, stores, wait_for
from tests.support.ports import free_port

LUA = """
local count, run = 0, os.time()
request = function()
  count = count + 1
  local body = string.format('{"identity":"u%d","room":"r%d-%d"%s}', count, run, count, EXTRA)
  return wrk.format("POST", "/api/v1/token", {["Content-Type"]="application/json", ["X-API-Key"]="KEY"}, body)
end
"""


@dataclass(frozen=True)
class Server:
    """Something that is measured."""

    name: str
    port: int


@dataclass(frozen=True)
class Load:
    """What is asked: a script for wrk, or a path to GET."""

    script: str = ""
    path: str = ""


@dataclass
class Row:
    """One line of the table: ours beside its peers."""

    what: str
    load: Load
    servers: list[str]
    goals: dict[str, float]
    rates: dict[str, list[float]] = field(default_factory=dict)
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def token_script(extra: str) -> str:
    """A new room in every request."""
    return LUA.replace("EXTRA", json.dumps(extra)).replace("KEY", KEY)


def posting_script(path: str, body: Any) -> str:
    """The same request for ever. JSON text as text of Lua: its long brackets take it as it is."""
    headers = f'wrk.headers["Content-Type"] = "application/json"\nwrk.headers["X-API-Key"] = "{KEY}"'
    return f'wrk.method = "POST"\nwrk.path = "{path}"\nwrk.body = [==[{json.dumps(body)}]==]\n{headers}\n'


ROWS = [
    Row(
        "POST /token, an agent and a place",
        Load(script=token_script("")),
        ["bare", "plain", "writing", "ours"],
        {"bare": 0.15, "plain": 0.45, "writing": 0.9},
    ),
    Row(
        "POST /token, no agent",
        Load(script=token_script(', "no_agent": true')),
        ["bare", "plain", "writing", "ours"],
        {},
    ),
    Row("GET /agents/1", Load(path="/api/v1/agents/1"), ["reading", "ours"], {"reading": 0.6}),
    Row("GET /sessions/1/detail", Load(path="/api/v1/sessions/1/detail"), ["reading", "ours"], {"reading": 0.6}),
    Row("GET /rooms, a hundred", Load(path="/api/v1/rooms"), ["reading", "ours"], {"reading": 0.6}),
]


@contextmanager
def stack() -> Iterator[dict[str, Server]]:
    """Our control plane and the peers on the same stores."""
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        servers = {"ours": Server("ours", free_port())}
        ours = our_settings(urls, redis_url, servers["ours"].port)
        start(cleanup, [sys.executable, "-m", "control_plane", "serve"], ours, SERVER_CORE)
        peer = {"PEER_KEY": KEY, "PEER_DATABASE_URL": urls.owner}
        for name in ("bare", "plain", "writing", "reading", "agents"):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", f"bench.peers:{name}", "--port", str(port), "--no-access-log"]
            start(cleanup, [*command, "--log-level", "warning"], peer, SERVER_CORE)
            servers[name] = Server(name, port)
        for server in servers.values():
            wait_for(server.port)
        cleanup.enter_context(callers_come(urls.owner))
        yield servers


@contextmanager
def callers_come(url: str) -> Iterator[None]:
    """Tokens of this load are never used; a place is given back after half a second, as if its call had ended."""
    over = threading.Event()

    def give_back() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(0.25):
                connection.execute("delete from slot where dispatched_at < now() - interval '0.5 seconds'")

    thread = threading.Thread(target=give_back)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wrk(server: Server, load: Load, seconds: int, *, clients: int = 32) -> tuple[float, float, float]:
    """Requests per second, p50 and p99 in milliseconds. Raises where an answer was not a success."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if load.script:
            script.write(load.script)
            script.flush()
            command += ["-s", script.name, f"http://127.0.0.1:{server.port}/"]
        else:
            command += ["-H", f"X-API-Key: {KEY}", f"http://127.0.0.1:{server.port}{load.path}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"{server.name} left requests without success: {output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    p50, p99 = (_milliseconds(re.search(rf"^ +{share}% +(\S+) *$", output, re.M)[1]) for share in (50, 99))  # type: ignore[index]
    return rate, p50, p99


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measure(rounds: int, seconds: int, only: str) -> list[Row]:
    """All rows, their servers in turn, round after round."""
    rows = [row for row in ROWS if only in row.what]
    with stack() as servers:
        for row in rows:
            for number in range(rounds + 1):
                for name in row.servers:
                    rate, p50, p99 = wrk(servers[name], row.load, seconds if number else 1)
                    if number:  # the first round warms up
                        row.rates.setdefault(name, []).append(rate)
                        row.latencies.setdefault(name, []).append((p50, p99))
    return rows


def table(rows: list[Row]) -> Table:
    """Ours and its peers, with the ratios."""
    shown = Table(title="32 connections, one core for the server; medians", title_justify="left")
    for heading in ("what", "server", "per second", "spread", "p50 ms", "p99 ms", "ours ÷ it", "should be"):
        shown.add_column(heading, justify="left" if heading in ("what", "server") else "right")
    for row in rows:
        ours = statistics.median(row.rates["ours"])
        for place, name in enumerate(row.servers):
            rates, latencies = row.rates[name], row.latencies[name]
            rate = statistics.median(rates)
            p50, p99 = (statistics.median(pair[index] for pair in latencies) for index in (0, 1))
            spread = f"±{(max(rates) - min(rates)) / rate / 2:.0%}"
            ratio = f"p99/p50 {p99 / p50:.1f}" if name == "ours" else f"{ours / rate:.2f}"
            goal = "≤ 4" if name == "ours" and row.load.path else f"≥ {row.goals[name]}" if name in row.goals else ""
            shown.add_row(
                "" if place else row.what, name, f"{rate:.0f}", spread, f"{p50:.1f}", f"{p99:.1f}", ratio, goal
            )
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench api", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name has these words")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk makes the load and is not installed: apt-get install wrk")
    load = os.getloadavg()[0]
    rows = measure(arguments.rounds, arguments.seconds, arguments.only)
    console = Console(width=130)
    console.print(table(rows))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    figures = [{"what": row.what, "rates": row.rates, "latencies": row.latencies} for row in rows]
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "rows": figures}
    (RESULTS / "api.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
