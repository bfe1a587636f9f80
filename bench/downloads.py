"""`python -m bench downloads`: recordings from a folder, through the API, beside a file server without anything else.

One reader takes a whole file of 200 MB; 100 players ask for ranges of 1 MiB, one after the other, all over it. The peer
is Starlette's `FileResponse`. Plain and encrypted files; the server has core 0, wrk core 1.
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
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.platform import (
    KEY,
    LOAD_CORE,
    RESULTS,
    SECRET_KEY,
    SERVER_CORE,
    our_settings,
    start,
    stores,
    wait_for,
)
from control_plane.recordings.sealing import FileSeal
from control_plane.recordings.storage import SEALED, ObjectStore
from tests.support.ports import free_port

SIZE = 200_000_000
RANGE = 1 << 20
RANGES = f"""
local count = 0
request = function()
  count = count + 7919
  local begin = (count * {RANGE}) % {SIZE - RANGE}
  local range = string.format("bytes=%d-%d", begin, begin + {RANGE - 1})
  return wrk.format("GET", nil, {{["X-API-Key"]="{KEY}", ["Range"]=range}})
end
"""
WHOLE = f'wrk.headers["X-API-Key"] = "{KEY}"'
UNITS = {"KB": 1e-3, "MB": 1.0, "GB": 1e3}
PLACES = {
    "ours": "/api/v1/recordings/1/download",
    "ours, encrypted": "/api/v1/recordings/2/download",
    "file server": "/file",
}
GOAL = 200


def transfer(port: int, path: str, script: str, *, connections: int, seconds: int) -> float:
    """MB a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s"]
        command += ["-s", file.name, f"http://127.0.0.1:{port}{path}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        sys.exit(f"requests were refused: {output}")
    found = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]B)", output)
    assert found is not None
    return float(found[1]) * 1.048576 * UNITS[found[2]]


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


async def seal(store: ObjectStore, content: bytes) -> None:
    """Keep a file encrypted."""
    await store.write("1/sealed.ogg", content)
    await store.seal("1/sealed.ogg")


def write_files(folder: Path, owner_url: str) -> Path:
    """A plain and an encrypted recording, and their rows; the plain file."""
    content = os.urandom(SIZE)
    plain = folder / "1" / "plain.ogg"
    plain.parent.mkdir()
    plain.write_bytes(content)
    sealing = ObjectStore(folder.as_uri(), {}, FileSeal(SECRET_KEY), seals=True)
    asyncio.run(seal(sealing, content))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for key in ("1/plain.ogg", f"1/sealed.ogg{SEALED}"):
            connection.execute(
                "insert into recording (project_id, room_name, format, status, storage_key, size_bytes, duration,"
                " started_at, created_at) values (1, 'proj_r', 'ogg', 'completed', %s, %s, 1, now(), now())",
                (key, SIZE),
            )
    return plain


def measure(rounds: int, seconds: int) -> tuple[dict[str, dict[str, list[float]]], dict[str, float]]:
    """MB a second by what is asked and who answers, in turn; and the server's memory."""
    rates: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        plain = write_files(folder, urls.owner)
        port, peer_port = free_port(), free_port()
        settings = our_settings(urls, redis_url, port) | {"PARLEY_RECORDINGS_URL": folder.as_uri()}
        pid = start(cleanup, [sys.executable, "-m", "control_plane", "serve"], settings, SERVER_CORE)
        serve = [sys.executable, "-m", "uvicorn", "bench.peers:files", "--port", str(peer_port), "--no-access-log"]
        start(cleanup, serve, {"PEER_FILE": str(plain)}, SERVER_CORE)
        for each in (port, peer_port):
            wait_for(each)
        memory = {"idle": resident(pid)}
        for what, script, connections in (("one whole file", WHOLE, 1), ("100 players", RANGES, 100)):
            for number in range(rounds + 1):
                for name, path in PLACES.items():
                    where = peer_port if name == "file server" else port
                    rate = transfer(where, path, script, connections=connections, seconds=seconds)
                    if number:  # the first round warms up
                        rates.setdefault(what, {}).setdefault(name, []).append(rate)
            memory[what] = resident(pid)
    return rates, memory


def table(rates: dict[str, dict[str, list[float]]], memory: dict[str, float]) -> Table:
    """The rates beside what they should be."""
    shown = Table(title="Downloads from a folder; medians over rounds", title_justify="left")
    for heading in ("what", "server", "MB a second", "÷ file server", "should be", "memory of ours after it"):
        shown.add_column(heading, justify="left" if heading in ("what", "server") else "right")
    for what, each in rates.items():
        peer = statistics.median(each["file server"])
        for name, found in each.items():
            rate = statistics.median(found)
            goal = f"≥ {GOAL}" if name == "ours" else ""
            held = f"{memory[what]:.0f} MB ({memory['idle']:.0f} before)" if name == "ours" else ""
            shown.add_row(what, name, f"{rate:.0f}", f"{rate / peer:.2f}", goal, held)
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench downloads", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rates, memory = measure(arguments.rounds, arguments.seconds)
    Console(width=120).print(table(rates, memory))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "rates": rates, "memory": memory}
    (RESULTS / "downloads.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
