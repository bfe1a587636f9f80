"""What goes wrong, when and for how long: drawn from a seed before anything runs, and the same for the same seed.

A fault has a kind and a part. Parts are processes of the stack, `persona` (the process of one call), the models and the
receiver of webhooks, and the links between them (`tests/chaos/stack.py`).

kill      SIGKILL; whoever keeps the process starts it again at once
stop      SIGTERM, as for an update; it is started again
away      killed, and for so many seconds nobody listens at its address
freeze    SIGSTOP for so many seconds: alive for the kernel, which takes what is sent to it
starve    it runs for a third of the time only
full      the disk under its spool takes nothing
slow      each piece of a link comes later
blackhole a link hands on nothing, and closes nothing
reset     a link breaks all connections, again and again
half      one direction of all connections ends, the other goes on
"""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

EVERY: Final = 12.0
"""Seconds from one fault to the next, in the mean."""
AT_ONCE: Final = 2
NEXT: Final = 0.1
"""Seconds from the end of one to the next, where that waited for it."""
FIRST, LAST = 3.0, 5.0
"""Seconds before the first, and after the end of the last."""

WEIGHTS: Final[Mapping[tuple[str, str], float]] = {
    ("kill", "postgres"): 1,
    ("away", "postgres"): 1,
    ("freeze", "postgres"): 1.5,
    ("kill", "redis"): 1,
    ("away", "redis"): 1,
    ("freeze", "redis"): 1,
    ("kill", "livekit"): 1,
    ("freeze", "livekit"): 1,
    ("kill", "control_plane"): 2,
    ("stop", "control_plane"): 1.5,
    ("freeze", "control_plane"): 1.5,
    ("starve", "control_plane"): 1,
    ("kill", "jobs"): 1.5,
    ("stop", "jobs"): 1,
    ("freeze", "jobs"): 1.5,
    ("kill", "worker"): 1.5,
    ("stop", "worker"): 1,
    ("freeze", "worker"): 1.5,
    ("starve", "worker"): 1,
    ("full", "worker"): 1,
    ("kill", "persona"): 3,
    ("freeze", "persona"): 2,
    ("away", "models"): 1,
    ("blackhole", "models"): 0.5,
    ("slow", "models"): 1,
    ("away", "receiver"): 1,
    ("blackhole", "receiver"): 1,
    ("reset", "receiver"): 1,
    ("slow", "database"): 1,
    ("blackhole", "database"): 1,
    ("reset", "database"): 1,
    ("half", "database"): 0.5,
    ("reset", "cache"): 0.5,
    ("blackhole", "cache"): 1,
    ("slow", "uplink"): 1,
    ("blackhole", "uplink"): 1.5,
    ("reset", "uplink"): 1.5,
    ("half", "uplink"): 1,
    ("blackhole", "hooks"): 1,
    ("reset", "hooks"): 1,
    ("slow", "signal"): 0.5,
    ("reset", "signal"): 1,
    ("blackhole", "signal"): 1,
    ("reset", "visitors"): 1,
    ("blackhole", "visitors"): 1,
}
"""How often each is drawn, beside the others."""

MOMENTARY: Final = ("kill", "stop", "half")
LASTS: Final[Mapping[str, tuple[float, float]]] = {
    "freeze": (2, 25),
    "away": (2, 20),
    "starve": (5, 20),
    "full": (5, 20),
    "slow": (5, 20),
    "blackhole": (2, 20),
    "reset": (1, 6),
}
"""Seconds, from and to."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` seconds after the beginning, for so many `seconds`; `choice` tells which of several it hits."""

    number: int
    at: float
    kind: str
    part: str
    seconds: float
    choice: int

    @property
    def name(self) -> str:
        """What is measured together."""
        return f"{self.kind} {self.part}"

    @property
    def ends(self) -> float:
        """Seconds after the beginning."""
        return self.at + self.seconds


def draw(seed: int, seconds: float, *, every: float = EVERY, only: Collection[str] = ()) -> list[Fault]:
    """The faults of a run; `only` names those that may be drawn, as `kind part`, `kind` or `part`. Raises `ValueError`
    where nothing is left to draw."""
    weights = {pair: weight for pair, weight in WEIGHTS.items() if not only or is_named(*pair, only)}
    if not weights:
        raise ValueError(f"no fault is called {', '.join(only)}")
    return list(_draw(random.Random(f"chaos {seed}"), weights, seconds, every))


def is_named(kind: str, part: str, only: Collection[str]) -> bool:
    """Whether a fault is among those that were asked for."""
    return not {f"{kind} {part}", kind, part}.isdisjoint(only)


def _draw(
    dice: random.Random, weights: Mapping[tuple[str, str], float], seconds: float, every: float
) -> Iterator[Fault]:
    at, number = FIRST, 0
    running: list[Fault] = []
    while True:
        kind, part = dice.choices(list(weights), list(weights.values()))[0]
        lasts = 0.0 if kind in MOMENTARY else dice.uniform(*LASTS[kind])
        choice = dice.randrange(1_000_000)
        running = [each for each in running if each.ends > at]
        if len(running) >= AT_ONCE:
            at = min(each.ends for each in running) + NEXT
            running = [each for each in running if each.ends > at]
        taken = {each.part for each in running}
        if part not in taken:
            fault = Fault(number, round(at, 2), kind, part, round(min(lasts, seconds - LAST - at), 2), choice)
            if fault.seconds < 0 or at > seconds - LAST:
                return
            yield fault
            running.append(fault)
            number += 1
        at += min(dice.expovariate(1 / every), 4 * every)
        if at > seconds - LAST:
            return
