"""`python -m bench turn [--turns 10] [--rounds 6]`: a turn of a persona beside one of the bare AgentSession.

Both are given the same models, which take fixed times (recognition 200 ms, answer 300, voice 100), the same speech, the
model of speech that comes with the framework and the same turn taking, in a room in memory: no server of LiveKit, no
network, no account. Rounds of both take turns in one process, and the first of each is not counted. Ours is the whole
conversation of a job, which reports to a process that stands for its worker's.

Each third answer is spoken over; from the moment speech is detected the sound has 60 ms to stop. Speech of 50 ms
interrupts here, where the detector first tells of it; in calls it is `interruption_min_duration`, a quarter second.

Processor time is counted once more in virtual time, where nobody waits for a clock, and beside it the function calls of
Python, which are the same on any machine, however busy: `--processor` does these two alone. What the main process does
with reports is then done, and counted, with ours.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import logging
import os
import platform
import statistics
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.call import RESULTS
from bench.first_call import percentile
from bench.turn_talk import Round, bare, ours
from tests.support.virtual import run_virtually

KEPT: Final = RESULTS / "turn.json"
KINDS: Final = ("bare", "ours")
LATENCY_BAR, PROCESSOR_BAR, SILENCE_BAR_MS = 1.02, 1.10, 60.0


async def one_round(kind: str, folder: Path, count: int, *, is_alone: bool = False) -> Round:
    """So many turns of one kind, in a session of their own."""
    async with bare(folder) if kind == "bare" else ours(folder, is_alone=is_alone) as talk:
        await asyncio.sleep(1.0)  # it has begun
        return await talk.turns(count)


async def measure(folder: Path, rounds: int, count: int) -> dict[str, list[Round]]:
    """Rounds of both kinds in turn, who is first changing, after one of each that does not count."""
    found: dict[str, list[Round]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        await one_round(kind, folder, 3)
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        both: dict[str, Round] = {}
        try:
            for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                both[kind] = await one_round(kind, folder, count)
                Console().print(f"round {number + 1} of {rounds}, {kind}: {_told(both[kind])}")
        except TimeoutError:
            Console().print(f"round {number + 1} does not count: a question was not answered. Is the machine busy?")
            continue
        for kind in KINDS:
            found[kind].append(both[kind])
    return found


def _told(found: Round) -> str:
    silences = f"silent after {max(found.silences_ms):.0f} ms at most, " if found.silences_ms else ""
    return f"p50 {statistics.median(found.answers_ms):.1f} ms, {silences}{found.cpu_ms:.1f} ms of processor a turn"


def processor(rounds: int, count: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of one turn in virtual time, round by round."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="parley-turn-") as name:
        for number in range(-1, rounds):
            for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                gc.collect()
                took = run_virtually(one_round(kind, Path(name), count, is_alone=True))
                if number >= 0:
                    found[kind].append(took.cpu_ms)
    return found


def calls(count: int) -> dict[str, float]:
    """Function calls of one turn: of so many more turns, what they are more."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="parley-turn-") as name:
        for kind in KINDS:
            _calls(kind, Path(name), 3)  # the first call of a host makes what the others find
            few = _calls(kind, Path(name), 3)
            found[kind] = (_calls(kind, Path(name), 3 + count) - few) / count
    return found


def _calls(kind: str, folder: Path, count: int) -> int:
    profile = cProfile.Profile()
    profile.enable()
    run_virtually(one_round(kind, folder, count, is_alone=True))
    profile.disable()
    return sum(each.callcount for each in profile.getstats())


def ratios(one: list[float], other: list[float]) -> list[float]:
    """Of each round, ours to the bare one."""
    return [our / their for our, their in zip(other, one, strict=True)]


def spread(values: list[float]) -> str:
    """The median, and the least and most."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def main() -> None:
    """Measure, print, keep."""
    asked = argparse.ArgumentParser(prog="python -m bench turn")
    asked.add_argument("--turns", type=int, default=10, help="turns of a round")
    asked.add_argument("--rounds", type=int, default=6, help="rounds of each kind")
    asked.add_argument("--processor", action="store_true", help="only processor time, in virtual time")
    told = asked.parse_args()
    logging.getLogger("livekit.agents").setLevel(logging.ERROR)  # that the room's own sound is not used
    load = os.getloadavg()[0]
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    table = Table("what", *KINDS, "ours / bare (least–most of a round)", "should be", title=f"A turn; load {load:.1f}")
    if not told.processor:
        with tempfile.TemporaryDirectory(prefix="parley-turn-") as name:
            found = asyncio.run(measure(Path(name), told.rounds, told.turns))
        kept["real_time"] = _about(load) | _shown(table, found)
    cpu = processor(told.rounds, told.turns)
    of_both = ratios(cpu["bare"], cpu["ours"])
    shown = [f"{statistics.median(cpu[kind]):.1f} ms" for kind in KINDS]
    table.add_row("processor a turn, virtual time", *shown, spread(of_both), f"≤ {PROCESSOR_BAR:g}")
    made = calls(3 * (told.turns // 3 + 1))
    shown = [f"{made[kind]:,.0f}" for kind in KINDS]
    table.add_row("function calls a turn, virtual time", *shown, f"{made['ours'] / made['bare']:.3f}")
    kept["virtual_time"] = _about(load) | {"cpu_ms": cpu, "cpu_ratio": statistics.median(of_both), "calls": made}
    Console().print(table)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def _about(load: float) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("livekit", "livekit-agents")}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    return {"at": datetime.now(UTC).isoformat(), **machine, "versions": versions}


def _shown(table: Table, found: dict[str, list[Round]]) -> dict[str, Any]:
    answers = {kind: [each for one in found[kind] for each in one.answers_ms] for kind in KINDS}
    silences = {kind: [each for one in found[kind] for each in one.silences_ms] for kind in KINDS}
    cpu = {kind: [one.cpu_ms for one in found[kind]] for kind in KINDS}
    medians = {kind: [statistics.median(one.answers_ms) for one in found[kind]] for kind in KINDS}
    of_answers = statistics.median(answers["ours"]) / statistics.median(answers["bare"])
    of_cpu = ratios(cpu["bare"], cpu["ours"])

    def row(what: str, values: dict[str, float], ratio: str, bar: str) -> None:
        table.add_row(what, *(f"{values[kind]:.1f} ms" for kind in KINDS), ratio, bar)

    rounds = ratios(medians["bare"], medians["ours"])
    all_of = f"{of_answers:.3f} ({min(rounds):.3f}–{max(rounds):.3f})"
    turns = len(answers["bare"])
    middle = {kind: statistics.median(answers[kind]) for kind in KINDS}
    late = {kind: percentile(answers[kind], 0.95) for kind in KINDS}
    row(f"end of speech → answer, p50 of {turns}", middle, all_of, f"≤ {LATENCY_BAR:g}")
    row("  p95", late, f"{late['ours'] / late['bare']:.3f}", "")
    spent = {kind: statistics.median(cpu[kind]) for kind in KINDS}
    row("processor a turn", spent, spread(of_cpu), f"≤ {PROCESSOR_BAR:g}")
    longest = {kind: max(silences[kind]) for kind in KINDS}
    row(f"speech detected → silence, most of {len(silences['ours'])}", longest, "", f"≤ {SILENCE_BAR_MS:g} ms")
    return {
        "answers_ms": answers,
        "silences_ms": silences,
        "cpu_ms": cpu,
        "answers_ratio": of_answers,
        "cpu_ratio": statistics.median(of_cpu),
    }
