"""`python -m bench phone`: the SIP service beside a room without it: delay, speech, calls at once, a thousand in a row.

Everything is on loopback. The phones and the people of the rooms live in this process, so one clock sees both ends;
they share the cores with the service and livekit-server, whose CPU is counted for each alone.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import shutil
import statistics
import sys
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.call import a_platform
from bench.calls import delays, together
from bench.dialled import dialled
from bench.first_call import median, percentile
from bench.platform import RESULTS
from bench.short_calls import in_a_row
from bench.speech_line import intelligibility
from pocket.rtp.codecs import CODECS

GOALS: Final = {"phone → room": 60, "room → phone": 40}
"""Milliseconds over the same path without the service."""
DIALLED: Final = {"request → CreateSIPParticipant": "p95 ≤ 150", "answer → first sound": "median ≤ 700"}
AT_ONCE: Final = 4
"""Of the short calls."""
STEPS: Final = (1, 4, 8, 16, 20, 24)


def _table(title: str, *headings: str) -> Table:
    shown = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if place else "left")
    return shown


def delay_table(found: dict[str, list[float]]) -> Table:
    """Delays beside that of a room alone."""
    shown = _table("beep to beep, ms", "path", "median", "p5", "p95", "beeps", "over the room", "should be")
    baseline = statistics.median(found["room → room"])
    for name, values in found.items():
        cuts = statistics.quantiles(values, n=20)
        over = f"+{statistics.median(values) - baseline:.0f}" if name in GOALS else ""
        goal = f"≤ +{GOALS[name]}" if name in GOALS else ""
        parts = (f"{part:.0f}" for part in (statistics.median(values), cuts[0], cuts[-1], len(values)))
        shown.add_row(name, *parts, over, goal)
    return shown


def speech_table(found: dict[str, Any]) -> Table:
    """Wrong words; phone → room is to have no more of them than the codec alone, room → phone than codec and room."""
    shown = _table(
        "speech, as the offline recogniser understands it", "path", "wrong words", "of", "sentences right", "of"
    )
    for name, path in found.items():
        wrong, words = path["wrong"], path["words"]
        shown.add_row(name, f"{sum(wrong) / words:.1%}", str(words), str(wrong.count(0)), str(len(wrong)))
    return shown


def load_table(rows: list[dict[str, Any]]) -> Table:
    """Calls at once; the goal is that nothing is silent at sixteen."""
    headings = ("set-up s", "longest", "packets/s", "silent", "longest gap ms")
    costs = ("CPU/call", "livekit/call", "phones/call", "others", "MiB")
    shown = _table("calls at once, each heard all the time", "calls", *headings, *costs)
    for row in rows:
        calls, setup = row["calls"], row["setup"]
        shown.add_row(
            str(calls),
            f"{statistics.median(setup):.2f}",
            f"{max(setup):.2f}",
            f"{row['packets per second']:.1f}",
            f"{row['silent']:.2%}",
            f"{row['longest gap ms']:.0f}",
            f"{row['cpu service'] / calls:.1%}",
            f"{row['cpu livekit'] / calls:.1%}",
            f"{row['cpu phones'] / calls:.1%}",
            f"{row['cpu others']:.0%}",
            f"{row['memory MiB']:.0f}",
        )
    after = rows[-1]["after refusals"]
    one_more = f"one more: out {rows[-1]['refused']['out']}, in {rows[-1]['refused']['in']}"
    shown.caption = f"{one_more}; then {after['packets per second']:.1f} packets/s, {after['silent']:.2%} silent"
    return shown


def row_table(found: dict[str, Any]) -> Table:
    """What is left of many short calls."""
    shown = _table(
        f"{found['calls']} short calls, {found['at once']} at once: {found['per second']:.1f} per second",
        "left over", "before", "after",
    )  # fmt: skip
    for name, before in found["before"].items():
        shown.add_row(name, f"{before:.0f}", f"{found['after'][name]:.0f}")
    memory = ", ".join(f"{each:.0f}" for each in found["memory"])
    shown.caption = f"MiB on the way: {memory}; {found['failed']} failed"
    return shown


def dialled_table(found: dict[str, list[float]]) -> Table:
    """The platform's own share of a call out."""
    shown = _table("a call out by the API, ms", "what", "median", "p95", "n", "should be")
    for name, values in found.items():
        middle, most = median(values), percentile(values, 0.95)
        shown.add_row(name, f"{middle:.0f}", f"{most:.0f}", str(len(values)), DIALLED[name])
    return shown


def _keep(part: str, codec: str, figures: Any) -> None:
    """Write one of them; the others stay as they were measured before."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "phone.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load after": os.getloadavg()[0]}
    kept[part] = {"at": datetime.now(UTC).isoformat(), "machine": machine, "codec": codec, "figures": figures}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench phone", description=__doc__)
    parser.add_argument("--only", choices=["delay", "speech", "load", "row", "dial"], help="one of them")
    parser.add_argument("--codec", choices=[codec.name for codec in CODECS], default="PCMU", help="of the phones")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--calls", type=int, default=1000, help="in a row")
    parser.add_argument("--passes", type=int, default=2, help="of the sentences")
    parser.add_argument("--dials", type=int, default=10, help="by the API")
    parser.add_argument("--ready", default="", help="the ready file of a platform that runs; else one is started")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="calls at once")
    arguments = parser.parse_args()
    if shutil.which("sipp") is None:
        sys.exit("sipp makes calls and is not installed: apt-get install sip-tester")
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # handles of people who left
    codec = next(codec for codec in CODECS if codec.name == arguments.codec)
    console = Console(width=130)
    if arguments.only in (None, "delay"):
        found = asyncio.run(delays(codec, 5, arguments.seconds))
        _keep("delay", codec.name, found)
        console.print(delay_table(found))
    if arguments.only in (None, "speech"):
        speech = asyncio.run(intelligibility(codec, arguments.passes))
        _keep("speech", codec.name, speech)
        console.print(speech_table(speech))
    if arguments.only in (None, "load"):
        rows = asyncio.run(together(codec, arguments.steps, arguments.seconds))
        _keep("load", codec.name, rows)
        console.print(load_table(rows))
    if arguments.only in (None, "dial"):
        with a_platform(arguments.ready) as ready:
            called = asyncio.run(dialled(ready, arguments.dials))
        _keep("dial", codec.name, called)
        console.print(dialled_table(called))
    if arguments.only in (None, "row"):
        row = asyncio.run(in_a_row(arguments.calls, AT_ONCE))
        _keep("row", codec.name, row)
        console.print(row_table(row))


if __name__ == "__main__":
    main()
