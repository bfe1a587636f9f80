"""`make bench`, `python -m bench table [--quick] [--only ROW …]`: one table of the bare limits, peers and ours.

A whole run takes less than an hour and writes `bench/results/bench.{json,md,svg}`; a quick one, or one of some rows,
takes minutes and writes to `.cache/bench/`. docs/bench.md tells what the rows mean.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import row_api, row_calls, row_clone, row_stores
from bench.environments import PEERS, python_of, versions
from bench.platform import RESULTS
from bench.rows import NotHere, Plan, Result, Row, take
from bench.table_page import page, picture, shown
from tests.support.database import CHECKOUT

ROWS: Final[tuple[Row, ...]] = (*row_calls.ROWS, *row_api.ROWS, *row_stores.ROWS, *row_clone.ROWS)
MINUTES: Final = 60
"""Of a whole run; the rows' own add up to no more."""
ASIDE: Final = CHECKOUT / ".cache" / "bench"


def prepare(rows: list[Row], console: Console) -> None:
    """Install the peers of some rows before any of them is timed; rows tell of those that cannot be."""
    for name, package in PEERS.items():
        if name != row_clone.STOCK and any(name in row.peers for row in rows):
            with console.status(f"{name}: its environment"), suppress(NotHere):
                python_of(package)


def measure(rows: list[Row], *, quick: bool, console: Console) -> list[Result]:
    """One row after the other; its cores are ours again after each."""
    results, cores, began = [], os.sched_getaffinity(0), time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=len(rows))
        for row in rows:

            def say(text: str, row: Row = row) -> None:
                progress.update(task, description=f"{row.name}: {text}")

            say("begins")
            left = MINUTES - (time.monotonic() - began) / 60
            if left > 0:
                result = take(replace(row, minutes=min(row.minutes, left)), Plan(quick=quick, say=say))
            else:
                result = Result(row, failed=f"the {MINUTES} minutes of a run were over")
            os.sched_setaffinity(0, cores)
            results.append(result)
            progress.advance(task)
            if not console.is_terminal:
                console.print(f"{row.name}: {len(result.rounds)} rounds, {result.seconds:.0f} s {result.failed}")
    return results


def describe(results: list[Result], *, command: str, minutes: float, load: float) -> dict[str, Any]:
    """The whole result as it is kept."""
    return {
        "at": datetime.now(UTC).isoformat(),
        "command": command,
        "minutes": minutes,
        "machine": _machine() | {"load": load},
        "versions": _versions(),
        "rows": [_kept(result) for result in results],
    }


def _kept(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "better": row.better,
        "limit": row.limit,
        "rounds": result.rounds,
        "figures": {name: asdict(result.spread(name)) for name in result.contestants},
        "ours as a multiple of": {name: asdict(spread) for name, spread in result.ratios().items()},
        "bars": [
            {"bar": each.bar.text(row.unit), "figure": each.figure, "reached": each.reached} for each in result.judged()
        ],
        "recorded": {name: asdict(recorded) for name, recorded in row.recorded.items()},
        "not here": result.missing,
        "failed": result.failed,
        "seconds": round(result.seconds, 1),
    }


def _machine() -> dict[str, Any]:
    about = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in about if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": platform.platform(terse=True),
    }


def _versions() -> dict[str, str]:
    asked = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    tree = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    installed = {name: metadata.version(name) for name in ("livekit", "fastapi", "uvicorn", "psycopg")}
    return {"Parley": tree or "unknown", "Python": platform.python_version(), **installed, **versions()}


def main() -> None:
    """Measure, show, keep."""
    names = [row.name for row in ROWS]
    asked = argparse.ArgumentParser(prog="python -m bench table", description=__doc__)
    asked.add_argument("--quick", action="store_true", help="few rounds, in eight minutes: only to see that it works")
    asked.add_argument("--only", nargs="+", choices=names, metavar="ROW", help=f"some of {', '.join(names)}")
    asked.add_argument("--out", type=Path, help="folder of what is written")
    told = asked.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever is measured ends with us
    console, load, began = Console(), os.getloadavg()[0], time.monotonic()
    rows = [row for row in ROWS if not told.only or row.name in told.only]
    prepare(rows, console)
    results = measure(rows, quick=told.quick, console=console)
    whole = not (told.quick or told.only)
    command = " ".join(["make bench", *(["quick"] if told.quick else []), *(told.only or [])])
    result = describe(results, command=command, minutes=(time.monotonic() - began) / 60, load=load)
    folder = told.out or (RESULTS if whole else ASIDE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "bench.md").write_text(page(result, results))
    (folder / "bench.svg").write_text(picture(results))
    (console if console.is_terminal else Console(width=150)).print(shown(results))
    console.print(f"written to {folder}/bench.json, bench.md, bench.svg")


if __name__ == "__main__":
    main()
