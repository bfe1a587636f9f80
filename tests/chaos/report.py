"""What a run came to: a table for people, JSON for everything else."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.chaos.callers import TextCaller
from tests.chaos.invariants import Violation
from tests.chaos.plan import Fault
from tests.chaos.trouble import Done

QUICK, SLOW = 5.0, 20.0
"""Seconds without an answer up to which a recovery is shown in green, and in yellow."""
SHOWN: Final = 40
"""Violations that are shown; the JSON has all."""
LOG_LINES: Final = 12


@dataclass
class Figures:
    """What was measured of one kind of fault; seconds from its beginning, and from its end, to the next answer."""

    times: int = 0
    skipped: int = 0
    from_beginning: list[float] = field(default_factory=list)
    from_end: list[float] = field(default_factory=list)


@dataclass
class Outcome:
    """A run."""

    seed: int
    minutes: float
    began: float
    done: list[Done]
    callers: Sequence[TextCaller]
    violations: list[Violation] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    settled_s: float = 0.0
    """From the last hanging up until nothing went on any more."""
    answered_again_s: list[float] = field(default_factory=list)
    """Of each caller, from the end of the last fault to an answer."""
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so many are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def answers_of(caller: TextCaller) -> list[tuple[float, float]]:
    """When a caller said something that was answered, and when it was, in order."""
    return sorted((line.at, line.answered_at) for call in caller.calls for line in call.said if line.answered_at)


def recoveries(done: Iterable[Done], callers: Iterable[TextCaller]) -> dict[str, Figures]:
    """How long callers were without an answer after each kind of fault, of those who said something after it."""
    found: dict[str, Figures] = {}
    answers = [answers_of(caller) for caller in callers]
    for each in done:
        figures = found.setdefault(each.fault.name, Figures())
        if each.skipped:
            figures.skipped += 1
            continue
        figures.times += 1
        for said in answers:
            if (after := next((at for asked, at in said if asked >= each.began), None)) is not None:
                figures.from_beginning.append(after - each.began)
                figures.from_end.append(max(0.0, after - each.ended))
    return found


def longest_silence(caller: TextCaller) -> float:
    """Seconds between two answers, at most."""
    return max((later[1] - earlier[1] for earlier, later in pairwise(answers_of(caller))), default=0.0)


def excerpt(logs: Path, session: int | None, call: str) -> list[str]:
    """The last lines of the platform's logs that are about a session."""
    if session is None:
        return []
    marks = (f'"session": {session},', f'"session": {session}}}', f'"session_id": {session},', f"session={session} ")
    found = []
    for log in sorted(logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        found += [f"{log.stem}: {line[:400]}" for line in lines if any(mark in line for mark in marks)][-LOG_LINES:]
    return found


def show_plan(console: Console, plan: Sequence[Fault]) -> None:
    """The faults of a run, before it."""
    table = Table(title=f"{len(plan)} faults", title_justify="left")
    for heading in ("#", "at", "what", "for"):
        table.add_column(heading, justify="right" if heading in ("#", "at", "for") else "left")
    for fault in plan:
        lasts = f"{fault.seconds:.1f} s" if fault.seconds else ""
        table.add_row(str(fault.number), f"{fault.at:.1f}", fault.name, lasts)
    console.print(table)


def show(console: Console, outcome: Outcome) -> None:
    """The whole run."""
    table = Table(
        title="Seconds without an answer, after each kind of fault (from its beginning; in brackets from its end)",
        title_justify="left",
    )
    for heading in ("fault", "times", "n", "p50", "p95", "most"):
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    for name, figures in sorted(recoveries(outcome.done, outcome.callers).items()):
        times = str(figures.times) + (f" (+{figures.skipped} not done)" if figures.skipped else "")
        values = [str(len(figures.from_beginning))]
        if figures.from_beginning:
            for share in (0.5, 0.95, 1.0):
                begin, end = percentile(figures.from_beginning, share), percentile(figures.from_end, share)
                values.append(f"{begin:.1f} ({end:.1f})")
        worst = max(figures.from_end, default=0.0)
        style = "green" if worst <= QUICK else "yellow" if worst <= SLOW else "red"
        table.add_row(Text(name, style), times, *values)
    console.print(table)
    calls = [call for caller in outcome.callers for call in caller.calls]
    lines = sum(len(call.said) for call in calls)
    answered = sum(call.answered for call in calls)
    ends: dict[str, int] = {}
    for session in outcome.sessions:
        ending = f"{session['outcome']}/{session['end_reason']}"
        ends[ending] = ends.get(ending, 0) + 1
    console.print(
        f"{len(calls)} calls, {lines} lines, {answered} of them answered; "
        f"{len(outcome.sessions)} conversations: {', '.join(f'{name} {count}' for name, count in sorted(ends.items()))}"
    )
    silences = {caller.name: longest_silence(caller) for caller in outcome.callers}
    shown = ", ".join(f"{name} {seconds:.1f}" for name, seconds in silences.items())
    console.print(f"longest time without an answer, in seconds: {shown}")
    if outcome.answered_again_s:
        console.print(f"when all was well again, all were answered within {max(outcome.answered_again_s):.1f} s")
    console.print(f"settled {outcome.settled_s:.1f} s after the last hanging up; " + _told(outcome.counts))
    for note in outcome.notes:
        console.print(note, style="dim", markup=False)
    if not outcome.violations:
        console.print("No rule was broken.", style="bold green")
        return
    console.print(f"{len(outcome.violations)} times a rule was broken:", style="bold red")
    for violation in outcome.violations[:SHOWN]:
        about = " ".join(
            filter(None, (violation.call, f"session {violation.session}" if violation.session is not None else ""))
        )
        console.print(Text(f"  {violation.rule}: ", "red") + Text(f"{violation.what} [{about}]"))
        for line in violation.log[-LOG_LINES:]:
            console.print(f"    {line}", style="dim", markup=False, soft_wrap=True)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def keep(path: Path, outcome: Outcome) -> None:
    """Everything, as JSON."""
    figures = recoveries(outcome.done, outcome.callers)
    content = {
        "seed": outcome.seed,
        "minutes": outcome.minutes,
        "faults": [
            asdict(each) | {"began": each.began - outcome.began, "ended": each.ended - outcome.began}
            for each in outcome.done
        ],
        "recovery_s": {
            name: {
                "times": one.times,
                "from_beginning": [round(value, 2) for value in one.from_beginning],
                "from_end": [round(value, 2) for value in one.from_end],
            }
            for name, one in figures.items()
        },
        "longest_without_answer_s": {caller.name: round(longest_silence(caller), 2) for caller in outcome.callers},
        "answered_again_s": [round(value, 2) for value in outcome.answered_again_s],
        "settled_s": round(outcome.settled_s, 1),
        "counts": outcome.counts,
        "calls": [
            {
                "name": call.name,
                "room": call.room,
                "how": call.how,
                "began": round(call.began - outcome.began, 2),
                "ended": round(call.ended - outcome.began, 2),
                "lines": len(call.said),
                "answered": call.answered,
            }
            for caller in outcome.callers
            for call in caller.calls
        ],
        "sessions": outcome.sessions,
        "notes": outcome.notes,
        "violations": [asdict(each) for each in outcome.violations],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
