"""`python -m bench pages`: the console in Chromium: until a page is ready, what it weighs, a list of 10,000 rows,
and how long a line of a call takes from its worker to the screen.

The control plane, its stores, a worker that tells of 20 calls and the browser share this machine's cores.
"""

import argparse
import asyncio
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

from bench import talking
from bench.first_call import percentile
from bench.platform import ALL_CORES, KEY, RESULTS, our_settings, start, stores, wait_for
from tests.support.ports import free_port

CHECKOUT: Final = Path(__file__).parent.parent
ROWS: Final = 10_000
READY_WITHIN, WEIGHT, LONGEST_TASK, PAINTED_WITHIN = 1000, 150_000, 50, 250
"""Milliseconds, bytes packed, milliseconds, milliseconds."""
LOOKED_WITHIN: Final = 60
"""Seconds for the page to be there, and to leave."""
MANY: Final = (
    "insert into session (project_id, room_name, status, outcome, end_reason, session_type, message_count,"
    " store_transcripts, epochs, started_at, ended_at, duration, agent_name) select 1, 'proj_y' || n, 'completed',"
    " 'completed', 'caller_left', 'voice', n %% 40, true, 1, now() - n * interval '7 minutes', now(), n %% 400, 'Robin'"
    " from generate_series(1, %s) n"
)


@contextmanager
def console() -> Iterator[tuple[str, str]]:
    """A control plane with many conversations behind it; its address, and the token of its workers."""
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        with psycopg.connect(urls.owner, autocommit=True) as connection:
            connection.execute(MANY, (ROWS,))
            connection.execute("vacuum analyze session")
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        port = free_port()
        settings = our_settings(urls, redis_url, port)
        for process in ("serve", "jobs"):
            start(cleanup, [sys.executable, "-m", "control_plane", process], settings, ALL_CORES)
        wait_for(port)
        yield f"http://127.0.0.1:{port}", settings["PARLEY_WORKER_TOKEN"]


def measure(url: str, rounds: int) -> dict[str, Any]:
    """What Chromium saw."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        command = ["node", "web/tests/figures.mjs", "--url", url, "--key", KEY, "--json", str(told)]
        subprocess.run([*command, "--rounds", str(rounds)], cwd=CHECKOUT, check=True, timeout=600)
        found: dict[str, Any] = json.loads(told.read_text())
    return found


async def look(url: str, token: str, seconds: float) -> dict[str, list[float]]:
    """Milliseconds from the worker's knowing of a line to its being painted, of final and of interim lines."""
    jobs = await talking.open_calls(url)
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder) / "seen.json"
        options = ("--url", url, "--key", KEY, "--room", talking.WATCHED, "--json", str(seen))
        page = await asyncio.create_subprocess_exec(
            *("node", "web/tests/painted.mjs", *options),
            cwd=CHECKOUT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert page.stdin is not None
        assert page.stdout is not None
        try:
            async with asyncio.timeout(LOOKED_WITHIN):
                assert await page.stdout.readline() == b"watching\n"
            told = await talking.talk(url, token, jobs, seconds)
            page.stdin.write(b"over\n")
            async with asyncio.timeout(LOOKED_WITHIN):
                assert await page.wait() == 0
        finally:
            if page.returncode is None:
                page.kill()
                await page.wait()
        marks: dict[str, float] = json.loads(seen.read_text())["marks"]
    unseen = len(told.final.keys() - marks.keys())
    if unseen:
        sys.exit(f"{unseen} of {len(told.final)} lines were never painted")
    kinds = {"final": told.final, "interim": told.interim}
    return {
        kind: [marks[mark] - 1000 * at for mark, at in known.items() if mark in marks] for kind, known in kinds.items()
    }


def painted(lines: dict[str, list[float]]) -> Table:
    """How late lines are, beside how late they may be."""
    shown = Table(title="a line of a call, in milliseconds", title_justify="left")
    for heading in ("from the worker to the screen", "n", "p50", "p95", "worst", "should be"):
        shown.add_column(heading, justify="left" if heading.startswith("from") else "right")
    for kind, what in (("final", "a line that was said"), ("interim", "words as they are said")):
        late = lines[kind]
        figures = (percentile(late, 0.5), percentile(late, 0.95), max(late))
        numbers = [f"{each:.0f}" for each in figures]
        shown.add_row(what, str(len(late)), *numbers, f"p95 ≤ {PAINTED_WITHIN}")
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of opening each page")
    parser.add_argument("--seconds", type=float, default=90, help="of calls that go on, while a page shows one of them")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with console() as (url, token):
        found = measure(url, arguments.rounds)
        found["lines"] = asyncio.run(look(url, token, arguments.seconds))
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
    screen.print(painted(found["lines"]))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": found}
    (RESULTS / "pages.json").write_text(json.dumps(result, indent=1) + "\n")
