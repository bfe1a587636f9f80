"""`python -m tests.chaos --seed N --minutes M`: calls go on while everything else breaks.

Real servers and processes, scripted models. By a seed PostgreSQL, Redis, livekit-server, workers, control plane, jobs,
models, the receiver of webhooks and the links between them are killed, frozen, starved and cut. Afterwards each line is
there once, each conversation has ended, each event is told. Ends with 1 where a rule was broken.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from parley.stack.errors import StackError
from tests.chaos.invariants import Violation
from tests.chaos.plan import EVERY, draw
from tests.chaos.report import Outcome, keep, show, show_plan
from tests.chaos.scene import Cast, play


def read_arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="what is drawn: the same faults for the same number")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long faults come")
    parser.add_argument("--calls", type=int, default=4, help="callers who write, up to 18")
    parser.add_argument("--voices", type=int, default=1, help="callers who speak, up to 2")
    parser.add_argument("--planes", type=int, default=1, help="control planes, one address before them")
    parser.add_argument("--workers", type=int, default=2, help="workers that take their calls")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds from one fault to the next, in the mean")
    parser.add_argument("--only", action="append", default=[], help="faults that may come: `kill worker`, `kill`, …")
    parser.add_argument("--plan", action="store_true", help="tell the faults of this seed, and do nothing")
    parser.add_argument("--out", type=Path, help="a file for everything that was measured, as JSON")
    parser.add_argument("--data", type=Path, help="the platform's folder, which is kept (default: one that is not)")
    parser.add_argument("--port", type=int, default=18_100, help="the first of some free ports")
    return parser.parse_args()


def main() -> None:
    """Run, report, and end with 1 where a rule was broken."""
    asked = read_arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        plan = draw(asked.seed, 60 * asked.minutes, every=asked.every, only=asked.only)
    except ValueError as error:
        sys.exit(str(error))
    show_plan(console, plan)
    if asked.plan:
        return
    folder = asked.data or Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    cast = Cast(texts=asked.calls, voices=asked.voices, planes=asked.planes, workers=asked.workers, seed=asked.seed)

    def announce(sentence: str) -> None:
        console.log(sentence, markup=False, highlight=False)

    broken: list[Violation] = []

    def report(outcome: Outcome) -> None:
        broken.extend(outcome.violations)
        if asked.out:
            keep(asked.out, outcome)
        show(console, outcome)

    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # which stops what was started
    try:
        asyncio.run(
            play(
                cast,
                plan,
                minutes=asked.minutes,
                folder=folder,
                first_port=asked.port,
                announce=announce,
                report=report,
            )
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except StackError as error:
        console.print(str(error), style="red", markup=False)
        console.print("\n".join(error.log_lines), markup=False)
        sys.exit(2)
    if broken:
        console.print(f"what the processes wrote is in {folder / 'logs'}", markup=False)
        sys.exit(1)
    if asked.data is None:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
