"""`python -m bench recordings`: the egress service: how soon, how exact, how many at once, and what kills leave.

Everything is on loopback. All recordings at once are of one room, whose people live in this process and share the cores
with the service and livekit-server.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.hour import hour
from bench.platform import RESULTS
from bench.tapes import alignment, kills, latencies, pictures, spread, together

PARTS: Final = ("latency", "load", "pictures", "clicks", "kills")
HOUR: Final = "hour"
"""Only when it is asked for."""
GOALS: Final = {
    "start → active": "p95 ≤ 600",
    "stop → complete": "p95 ≤ 1000",
    "length − truth": "≤ 250",
    "all the time": "≤ 40",
    "in the 5 s after a republish": "≤ 100",
}
STEPS: Final = (1, 4, 8, 16)


def _table(title: str, *headings: str) -> Table:
    shown = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if place else "left")
    return shown


def spread_table(title: str, found: dict[str, list[float]]) -> Table:
    """Milliseconds beside what they should be."""
    shown = _table(title, "what", "median", "p95", "most", "n", "should be")
    for name, values in found.items():
        if values:
            shown.add_row(name, *(f"{each:.0f}" for each in spread(values)), str(len(values)), GOALS[name])
    return shown


def load_table(rows: list[dict[str, Any]]) -> Table:
    """What recordings at once cost; the goal is 5 % of a core each, at sixteen."""
    shown = _table(
        "recordings at once, two voices on two sides",
        "recordings", "complete", "CPU", "each", "MiB", "grown", "silent", "all stopped s", "load",
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            str(row["recordings"]),
            str(row["complete"]),
            f"{row['cpu']:.1%}",
            f"{row['cpu'] / row['recordings']:.1%}",
            f"{row['memory MiB']:.0f}",
            f"{row['grown MiB']:+.1f}",
            f"{row['silent']:.2%}",
            f"{row['all stopped s']:.2f}",
            f"{row['load']:.1f}",
        )
    return shown


def pictures_table(rows: list[dict[str, Any]]) -> Table:
    """What pictures cost; the goal is half a core each."""
    shown = _table("a grid of four cameras, 640 × 360", "recordings", "CPU", "each", "pictures/s", "MiB", "load")
    for row in rows:
        shown.add_row(
            row["recordings"],
            f"{row['cpu']:.0%}",
            f"{row['cpu'] / row['count']:.0%}",
            f"{row['pictures a second']:.1f}",
            f"{row['memory MiB']:.0f}",
            f"{row['load']:.1f}",
        )
    return shown


def hour_table(found: dict[str, Any]) -> Table:
    """What files of an hour hold; clicks of one moment are at most 40 ms apart, lengths within 250 ms."""
    shown = _table(
        f"{found['seconds'] / 60:.0f} minutes of clicks, in four formats at once",
        "file", "status", "told − truth ms", "readable − told ms", "clicks", "alone", "drift ms",
        "p95 apart ms, by thirds", "most",
    )  # fmt: skip
    for file in found["files"]:
        shown.add_row(
            file["file"],
            file["status"],
            f"{file['told − truth ms']:+.0f}",
            f"{file['readable − told ms']:+.0f}",
            f"{file['clicks']} of {file['expected']}",
            str(file["without another"]),
            f"{file['drift ms']:+.0f}",
            " ".join(f"{apart[1]:.0f}" for apart in file["apart ms"].values()),
            " ".join(f"{apart[2]:.0f}" for apart in file["apart ms"].values()),
        )
    memory = found["memory MiB"]
    shown.caption = f"memory: {memory[0]:.0f} MiB to begin with, {memory[-1]:.0f} in the end, "
    shown.caption += f"{found['grown MiB']:+.1f} after the first five minutes; CPU {found['cpu']:.1%}, "
    shown.caption += f"load {found['load']:.1f}"
    return shown


def kills_table(found: dict[str, Any]) -> Table:
    """What became of recordings whose recorder was killed."""
    shown = _table(f"{found['kills']} kills at random moments", "killed while, and told as", "times")
    for name, times in sorted(found["outcomes"].items()):
        shown.add_row(name, str(times))
    middle, most, worst = spread(found["lost s"])
    shown.caption = f"sound lost before the kill: median {middle:.2f}, p95 {most:.2f}, most {worst:.2f} s (≤ 1)"
    shown.caption += "".join(f"\n{each}" for each in found["broken"]) or "; nothing untrue was told"
    return shown


def _keep(part: str, figures: Any) -> None:
    """Write one of them; the others stay as they were measured before."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "recordings.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load after": os.getloadavg()[0]}
    kept[part] = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": figures}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench recordings", description=__doc__)
    parser.add_argument("--only", choices=(*PARTS, HOUR), help="one of them")
    parser.add_argument("--count", type=int, default=20, help="recordings in a row")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="recordings at once")
    parser.add_argument("--seconds", type=float, default=20, help="of the recordings at once")
    parser.add_argument("--clicks", type=float, default=60, help="seconds of clicks before the first republish")
    parser.add_argument("--republished", type=int, default=5)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--hour", type=float, default=3600, help="seconds of the hour")
    arguments = parser.parse_args()
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # handles of people who left
    console = Console(width=130)
    if arguments.only in (None, "latency"):
        found = asyncio.run(latencies(arguments.count))
        _keep("latency", found)
        console.print(spread_table("one recording after the other, ms", found))
    if arguments.only in (None, "load"):
        rows = asyncio.run(together(arguments.steps, arguments.seconds))
        _keep("load", rows)
        console.print(load_table(rows))
    if arguments.only in (None, "pictures"):
        drawn = asyncio.run(pictures(arguments.seconds))
        _keep("pictures", drawn)
        console.print(pictures_table(drawn))
    if arguments.only in (None, "clicks"):
        apart = asyncio.run(alignment(arguments.clicks, arguments.republished))
        _keep("clicks", apart)
        console.print(spread_table("clicks of one moment, ms apart", apart))
    if arguments.only in (None, "kills"):
        killed = asyncio.run(kills(arguments.kills))
        _keep("kills", killed)
        console.print(kills_table(killed))
    if arguments.only == HOUR:
        long = asyncio.run(hour(arguments.hour))
        _keep(HOUR, long)
        console.print(hour_table(long))


if __name__ == "__main__":
    main()
