"""`python -m bench call [--ready FILE]`: the first call in figures, as a table and in `bench/results/`."""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.first_call import Figures, measure, median, percentile
from parley.client import Ready

RESULTS = Path(__file__).parent / "results"
START_WITHIN = 180


@contextmanager
def a_platform(ready: str) -> Iterator[Ready]:
    """The platform behind a ready file, or one of our own for the time of the block."""
    if ready:
        yield Ready.read(Path(ready))
        return
    folder = Path(tempfile.mkdtemp(prefix="parley-bench-"))
    file = folder / "ready.json"
    command = [sys.executable, "-m", "parley", "up", "--data", str(folder / "data"), "--ready", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_WITHIN
        while not file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the platform did not start; try `parley doctor`")
            time.sleep(0.2)
        yield Ready.read(file)
    except BaseException:
        print(f"the platform's data and logs are kept in {folder}", file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(30)
    shutil.rmtree(folder)


def table(figures: Figures) -> Table:
    """The figures beside what they should be."""
    shown = Table(title="A call, in milliseconds", title_justify="left")
    for heading in ("what", "n", "p50", "p95", "should be"):
        shown.add_column(heading, justify="left" if heading in ("what", "should be") else "right")

    def row(what: str, values: list[float], goal: str = "") -> None:
        numbers = [f"{value:.0f}" for value in (median(values), percentile(values, 0.95))]
        shown.add_row(what, str(len(values)), *numbers, goal)

    row("end of speech → answer heard", figures.answers, "p50 ≤ 700, p95 ≤ 1000")
    for name, values in figures.parts.items():
        row(f"  {name}", values)
    row("  unexplained", figures.unexplained, "≤ 50")
    row("token request → greeting heard", figures.greetings, "p50 ≤ 1000")
    row("speaking over it → silence", figures.interruptions, "≤ 450")
    row("line final → on the monitor", figures.monitor, "p95 ≤ 150")
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench call", description=__doc__)
    parser.add_argument("--ready", default="", help="measure a running platform (default: start one)")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--calls", type=int, default=5, help="interrupted greetings")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with a_platform(arguments.ready) as ready:
        figures = asyncio.run(measure(ready, turns=arguments.turns, calls=arguments.calls))
    console = Console()
    console.print(table(figures))
    console.print(f"wrong answers: {len(figures.wrong)} of {len(figures.answers)}; load at the start: {load:.2f}")
    for line in figures.wrong:
        console.print(f"  {line}")
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": asdict(figures)}
    (RESULTS / "first_call.json").write_text(json.dumps(result, indent=1) + "\n")
