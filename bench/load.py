"""`python -m bench load [--kinds stock isolated dense] [--calls 1 2 3 …]`: calls that one core carries.

A worker has one core for all its processes; livekit-server, models and callers have the other. Callers speak a recorded
question into their rooms in a loop, and an answer's latency is from its last sound to the first of the answer in the
caller's ear. Models take fixed times (recognition 200 ms, answer 300, voice 100).

Calls are added until nineteen of twenty answers do not come within the limit any more: what the first kind takes with
the fewest calls, and 250 ms. That is one limit for all, and a pause that people notice. Kinds take turns, and who
begins changes from round to round. A step in which callers and server used more than 85 % of their core, or anybody
else 8 % of the worker's, is shown and does not count.
"""

import argparse
import asyncio
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.call import RESULTS
from bench.first_call import median, percentile
from bench.load_steps import CALLERS_CORE, SATURATED, TIMES, WORKER_CORE, Step, ladder
from bench.rows import NotHere
from bench.workers import KINDS

KEPT: Final = RESULTS / "load.json"
LATER_MS: Final = 250.0
"""What the limit is above the latency of the fewest calls."""
BEYOND: Final = 1.5
"""Times the limit: after that no calls are added in this round."""
BAR: Final = 2.0
"""Times the calls of the first kind that dense mode is to carry."""

Found = dict[str, list[list[Step]]]
"""Steps of each kind, round by round."""


def of_calls(rounds: Sequence[Sequence[Step]], *, all_of_them: bool = False) -> dict[int, list[Step]]:
    """Steps by their number of calls; those that count, or all."""
    found: dict[int, list[Step]] = {}
    for step in (step for one in rounds for step in one):
        if all_of_them or not step.refused:
            found.setdefault(step.calls, []).append(step)
    return dict(sorted(found.items()))


def p95(steps: Sequence[Step]) -> float:
    """Of all questions of some steps."""
    return percentile([ms for step in steps for ms in step.all_ms], 0.95)


def limit_of(rounds: Sequence[Sequence[Step]]) -> float:
    """Milliseconds within which nineteen of twenty answers are to come; nan where nothing counts yet."""
    fewest = next(iter(of_calls(rounds).values()), [])
    return p95(fewest) + LATER_MS


def carried(rounds: Sequence[Sequence[Step]], limit: float) -> int:
    """The most calls that were answered within the limit, as were all fewer ones."""
    most = 0
    for calls, steps in of_calls(rounds).items():
        if not p95(steps) <= limit:
            break
        most = calls
    return most


def is_open(rounds: Sequence[Sequence[Step]], limit: float) -> bool:
    """Whether it may carry more than was measured: with more calls nothing counted."""
    counted = of_calls(rounds)
    return bool(counted) and carried(rounds, limit) == max(counted)


def core_a_call(rounds: Sequence[Sequence[Step]], calls: int) -> float:
    """What one of so many calls takes of a core; nan where there were never so many."""
    return median([step.cores / calls for step in of_calls(rounds, all_of_them=True).get(calls, [])])


def mb_a_call(rounds: Sequence[Sequence[Step]], name: str) -> float:
    """What a call more takes in memory, from the fewest to the most."""
    found = of_calls(rounds, all_of_them=True)
    if len(found) < 2:
        return float("nan")
    fewest, most = min(found), max(found)
    taken = {calls: median([getattr(step, name) for step in found[calls]]) for calls in (fewest, most)}
    return (taken[most] - taken[fewest]) / (most - fewest)


async def climb(kind: str, told: argparse.Namespace, limit: float) -> list[Step]:
    """One round of a kind: more and more calls, until they are too many."""
    found: list[Step] = []
    try:
        async with aclosing(
            ladder(kind, sorted(told.calls), settle=told.settle, turns=told.turns, least=told.seconds)
        ) as steps:
            async for step in steps:
                found.append(step)
                Console().print(f"  {kind}, {step.calls} calls: {_told(step)}", soft_wrap=True)
                if step.callers_own > SATURATED or step.p95 > BEYOND * limit:
                    break
    except (NotHere, TimeoutError) as error:
        Console().print(f"  {kind}: no further calls: {error or 'an agent did not come'}")
    return found


def _told(step: Step) -> str:
    figures = f"p50 {median(step.all_ms):.0f}, p95 {step.p95:.0f} ms of {len(step.all_ms)}"
    used = f"{step.cores:.2f} of its core, callers and server {step.callers_own:.2f} of theirs, {step.pss_mb:.0f} MB"
    return f"{figures}; {used}{f'; does not count: {step.refused}' if step.refused else ''}"


def measure(told: argparse.Namespace) -> Found:
    """All rounds of all kinds."""
    found: Found = {kind: [] for kind in told.kinds}
    for number in range(told.rounds):
        Console().print(f"round {number + 1} of {told.rounds}")
        # The first round begins with the kind that the limit is of.
        turned = number % len(told.kinds)
        for kind in told.kinds[turned:] + told.kinds[:turned]:
            found[kind].append(asyncio.run(climb(kind, told, limit_of(found[told.kinds[0]]))))
    return found


def summary(found: Mapping[str, list[list[Step]]], limit: float) -> dict[str, Any]:
    """What each kind carries, and what a call takes."""
    first = next(iter(found))
    own = {kind: limit_of(rounds) for kind, rounds in found.items()}
    most = {kind: carried(rounds, limit) for kind, rounds in found.items()}
    # Processor time is compared where none is at its end: the calls that all of them carry.
    both = max(1, min(most.values()))
    cores = {kind: core_a_call(rounds, both) for kind, rounds in found.items()}
    return {
        kind: {
            "calls_carried": most[kind],
            "more_not_measured": is_open(rounds, limit),
            "times_the_first": most[kind] / most[first] if most[first] else None,
            "calls_carried_by_own_limit": carried(rounds, own[kind]),
            "own_limit_ms": _number(own[kind]),
            "compared_at_calls": both,
            "cores_per_call": _number(cores[kind]),
            "cores_per_call_of_the_first": _number(cores[kind] / cores[first]),
            "mb_per_call": _number(mb_a_call(rounds, "pss_mb")),
            "own_mb_per_call": _number(mb_a_call(rounds, "own_mb")),
        }
        for kind, rounds in found.items()
    }


def _number(value: float) -> float | None:
    return value if value < float("inf") else None  # JSON has no nan


def kept(found: Mapping[str, list[list[Step]]], limit: float, load: float) -> dict[str, Any]:
    """The whole result."""
    versions = {name: metadata.version(name) for name in ("livekit", "livekit-agents")}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    loads = [step.load for rounds in found.values() for one in rounds for step in one]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine,
        "load_meanwhile": _number(median(loads)),
        "versions": versions,
        "models": asdict(TIMES),
        "limit_ms": _number(limit),
        "limit_is": f"p95 of {next(iter(found))} with the fewest calls, and {LATER_MS:g} ms",
        "bar": BAR,
        "kinds": summary(found, limit),
        "rounds": {kind: [[_step(step) for step in one] for one in rounds] for kind, rounds in found.items()},
    }


def _step(step: Step) -> dict[str, Any]:
    return asdict(step) | {"p50_ms": _number(median(step.all_ms)), "p95_ms": _number(step.p95), "refused": step.refused}


def show(found: Mapping[str, list[list[Step]]], limit: float) -> Table:
    """The table: a line for each kind and number of calls, and what comes of them."""
    title = f"Calls on one core; answers are to come within {limit:.0f} ms, nineteen of twenty"
    table = Table(
        "worker", "calls", "turns", "p50 ms", "p95 ms", "core a call", "core", "callers'", "MB", "counts", title=title
    )
    for kind, rounds in found.items():
        counted = of_calls(rounds)
        for calls, steps in of_calls(rounds, all_of_them=True).items():
            used = counted.get(calls, steps)
            answers = [ms for step in used for ms in step.all_ms]
            why = "" if calls in counted else f"no: {used[0].refused}"
            table.add_row(
                kind,
                str(calls),
                str(len(answers)),
                f"{median(answers):.0f}",
                f"{p95(used):.0f}",
                f"{core_a_call(rounds, calls):.3f}",
                *(f"{median([getattr(step, name) for step in used]):.2f}" for name in ("cores", "callers_own")),
                f"{median([step.pss_mb for step in used]):.0f}",
                why or ("yes" if p95(used) <= limit else "beyond"),
            )
        table.add_section()
    return table


def verdict(found: Mapping[str, list[list[Step]]], limit: float) -> Table:
    """What each kind carries."""
    table = Table("worker", "calls a core", "× the first", "by its own limit", "core a call", "MB a call", "should be")
    for kind, one in summary(found, limit).items():
        times = one["times_the_first"]
        ratio = one["cores_per_call_of_the_first"]
        more = " or more" if one["more_not_measured"] else ""
        table.add_row(
            kind,
            f"{one['calls_carried']}{more}",
            "–" if times is None else f"{times:.2f}",
            str(one["calls_carried_by_own_limit"]),
            "–" if ratio is None else f"{one['cores_per_call']:.3f} (× {ratio:.2f})",
            "–" if one["mb_per_call"] is None else f"{one['mb_per_call']:.0f}",
            f"≥ {BAR:g} × {next(iter(found))}" if kind == "dense" else "",
        )
    return table


def main() -> None:
    """Measure, print, keep."""
    asked = argparse.ArgumentParser(prog="python -m bench load")
    asked.add_argument("--kinds", nargs="+", choices=KINDS, default=["stock", "isolated", "dense"])
    asked.add_argument("--calls", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16])
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--turns", type=int, default=24, help="questions of a step, about")
    asked.add_argument("--seconds", type=float, default=30.0, help="seconds of a step at least")
    asked.add_argument("--settle", type=float, default=8.0, help="seconds after calls were added")
    told = asked.parse_args()
    if (os.cpu_count() or 1) < 2:
        asked.error("one core is for the worker, another for everything else")
    load = os.getloadavg()[0]
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CALLERS_CORE})  # children inherit it; the worker is moved
    Console().print(f"the worker has core {WORKER_CORE}, all else core {CALLERS_CORE}; load {load:.1f}")
    try:
        found = measure(told)
    finally:
        os.sched_setaffinity(0, everywhere)
    limit = limit_of(found[told.kinds[0]])
    shown = Console() if Console().is_terminal else Console(width=120)
    shown.print(show(found, limit))
    shown.print(verdict(found, limit))
    KEPT.write_text(json.dumps(kept(found, limit, load), indent=1) + "\n")
