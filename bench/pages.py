"""`python -m bench pages`: the console in Chromium: until a page is ready, what it weighs, a list of 10,000 rows.

The control plane, its stores and the browser share this machine's cores.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.table import Table

from bench.platform import ALL_CORES, KEY, RESULTS, free_port, our_settings, start, stores, wait_for

CHECKOUT: Final = Path(__file__).parent.parent
ROWS: Final = 10_000
READY_WITHIN, WEIGHT, LONGEST_TASK = 1000, 150_000, 50
"""Milliseconds, bytes packed, milliseconds."""
MANY: Final = (
    "insert into session (project_id, room_name, status, outcome, end_reason, session_type, message_count,"
    " store_transcripts, epochs, started_at, ended_at, duration, agent_name) select 1, 'proj_y' || n, 'completed',"
    " 'completed', 'caller_left', 'voice', n %% 40, true, 1, now() - n * interval '7 minutes', now(), n %% 400, 'Robin'"
    " from generate_series(1, %s) n"
)


@contextmanager
def console() -> Iterator[str]:
    """A control plane with many conversations behind it; its address."""
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        with psycopg.connect(urls.owner, autocommit=True) as connection:
            connection.execute(MANY, (ROWS,))
            connection.execute("vacuum analyze session")
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        port = free_port()
        settings = our_settings(urls, redis_url, port)
        start(cleanup, [sys.executable, "-m", "control_plane", "serve"], settings, ALL_CORES)
        wait_for(port)
        yield f"http://127.0.0.1:{port}"


def measure(url: str, rounds: int) -> dict[str, Any]:
    """What Chromium saw."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        command = ["node", "web/tests/figures.mjs", "--url", url, "--key", KEY, "--json", str(told)]
        subprocess.run([*command, "--rounds", str(rounds)], cwd=CHECKOUT, check=True, timeout=600)
        found: dict[str, Any] = json.loads(told.read_text())
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of opening each page")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with console() as url:
        found = measure(url, arguments.rounds)
    shown = Table(title="the console", title_justify="left")
    for heading in ("page", f"ready, ms (≤ {READY_WITHIN})", f"script, kB (≤ {WEIGHT // 1000})", "layout shift"):
        shown.add_column(heading, justify="left" if heading == "page" else "right")
    for path, figures in found["pages"].items():
        shown.add_row(path, f"{figures['ready']:.0f}", f"{figures['script'] / 1000:.0f}", f"{figures['shift']:.3f}")
    scroll = found["scroll"]
    screen = Console(width=100)
    screen.print(shown)
    tasks = ", ".join(f"{each:.0f}" for each in scroll["tasks"]) or "none"
    screen.print(f"{scroll['rows']} rows scrolled for 10 s: tasks over {LONGEST_TASK} ms: {tasks};", end=" ")
    screen.print(f"at most {scroll['most']} elements in the document")
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": found}
    (RESULTS / "pages.json").write_text(json.dumps(result, indent=1) + "\n")
