"""Rows of the table of `make bench`: who is measured, in which unit, what ours should be, and the arithmetic.

A row's `measure` is an endless generator of rounds. A round has one figure of each contestant, taken one after the
other, so that a busy moment of the machine meets all of them; ratios are of one round, and what is told are the median
and the quartiles over rounds.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import uvloop

LIMIT: Final = "limit"
"""The same work with nothing around it."""
OURS: Final = "ours"
BEYOND: Final = float("inf")
"""What no bar allows."""

Round = dict[str, float]
"""A figure of each contestant: `LIMIT`, peers by their names, `OURS`."""


class NotHere(Exception):
    """Somebody or something cannot be measured on this machine: why."""


@dataclass(frozen=True)
class Plan:
    """How a run is made."""

    quick: bool = False
    missing: dict[str, str] = field(default_factory=dict)
    """Contestants of the row that are not here, and why: its measure adds to it."""
    say: Callable[[str], None] = lambda text: None
    """Shows what is being done."""

    def scaled(self, whole: int, quick: int) -> int:
        """How much of something, in a whole run or a quick one."""
        return quick if self.quick else whole


@dataclass(frozen=True)
class Recorded:
    """A peer that does not run here: a figure that was measured elsewhere, and where it is from."""

    value: float
    source: str


@dataclass(frozen=True)
class Bar:
    """What ours should be: at least or at most so many times a contestant, or (`of` is empty) so much of the unit."""

    relation: Literal["≥", "≤"]
    value: float
    of: str = ""

    def holds(self, figure: float) -> bool:
        """Whether it is reached."""
        return figure >= self.value if self.relation == "≥" else figure <= self.value

    def text(self, unit: str) -> str:
        """For people."""
        return f"{self.relation} {self.value:g} {f'× {self.of}' if self.of else unit}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    what: str
    unit: str
    better: Literal["more", "less"]
    limit: str
    """What the bare limit is; empty where there is none."""
    measure: Callable[[Plan], Generator[Round, None, None]]
    bars: tuple[Bar, ...] = ()
    peers: tuple[str, ...] = ()
    """Those that belong in it, measured in each round or told as missing."""
    recorded: dict[str, Recorded] = field(default_factory=dict)
    rounds: int = 5
    minutes: float = 4
    """After so long no further round begins."""
    quick_rounds: int = 2
    """Rounds of a quick run; 0 leaves the row out of it."""


@dataclass(frozen=True)
class Spread:
    """The middle of some figures, and the middle half of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        """Median and quartiles (of one figure: itself)."""
        if len(figures) < 2:
            return cls(figures[0], figures[0], figures[0])
        low, median, high = statistics.quantiles(figures, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Judged:
    """A bar, what there is, and whether it is reached; None where it cannot be told."""

    bar: Bar
    figure: float | None
    reached: bool | None


@dataclass
class Result:
    """What was found of a row."""

    row: Row
    rounds: list[Round] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Contestants that were not here, and why."""
    failed: str = ""
    """Why there are no (further) rounds."""
    seconds: float = 0.0

    @property
    def contestants(self) -> list[str]:
        """Whoever was measured: the limit, the peers, ours."""
        seen = {name for each in self.rounds for name in each}
        named = [LIMIT, *self.row.peers, OURS]
        return [name for name in named if name in seen] + sorted(seen.difference(named))

    def spread(self, name: str) -> Spread:
        """A contestant's figures."""
        return Spread.of([each[name] for each in self.rounds if name in each])

    def ratios(self) -> dict[str, Spread]:
        """Ours as a multiple of each other contestant, round by round, and of recorded figures; not of nothing."""
        found: dict[str, Spread] = {}
        for name in self.contestants:
            pairs = [(each[OURS], each[name]) for each in self.rounds if each.get(OURS) and each.get(name)]
            if name != OURS and pairs:
                found[name] = Spread.of([ours / other for ours, other in pairs])
        if figures := [each[OURS] for each in self.rounds if each.get(OURS)]:
            for name, recorded in self.row.recorded.items():
                found[name] = Spread.of([figure / recorded.value for figure in figures])
        return found

    def judged(self) -> list[Judged]:
        """The bars: the median decides, of all rounds; one in which ours did not come is beyond any bar."""
        found = []
        for bar in self.row.bars:
            figures = self._figures_for(bar)
            if all(figure in (BEYOND, 0) for figure in figures):  # nobody to compare, or nothing
                found.append(Judged(bar, None, None))
                continue
            figure = statistics.median(figures)
            found.append(Judged(bar, figure if figure < BEYOND else None, bar.holds(figure)))
        return found

    def _figures_for(self, bar: Bar) -> list[float]:
        recorded = self.row.recorded.get(bar.of)
        found = []
        for each in self.rounds:
            other = recorded.value if recorded else each.get(bar.of) if bar.of else 1.0
            if not each.get(OURS):
                found.append(BEYOND if bar.relation == "≤" else 0.0)
            elif other:
                found.append(each[OURS] / other)
        return found


def take(row: Row, plan: Plan, *, clock: Callable[[], float] = time.monotonic) -> Result:
    """Measure a row: so many rounds, or as many as its time is enough for, the first in any case."""
    result = Result(row)
    wanted = row.quick_rounds if plan.quick else row.rounds
    if not wanted:
        result.failed = "left out of quick runs"
        return result
    plan, began = replace(plan, missing=result.missing), clock()
    try:
        with closing(row.measure(plan)) as measuring:
            for number in range(1, wanted + 1):
                plan.say(f"round {number} of {wanted}")
                began_round = clock()
                result.rounds.append(next(measuring))
                now = clock()
                if now - began + (now - began_round) > 60 * row.minutes:
                    break
    except NotHere as error:
        result.failed = str(error)
    except (Exception, SystemExit) as error:
        # One row that fails does not take what the others found with it; the table tells of it.
        result.failed = f"{type(error).__name__}: {error}"
    result.seconds = clock() - began
    return result


def in_loop(taking: AsyncGenerator[Round, None]) -> Generator[Round, None, None]:
    """An asynchronous measure, in a loop of its own."""

    async def step() -> Round:
        return await anext(taking)

    async def end() -> None:
        await taking.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            while True:
                yield runner.run(step())
        finally:
            runner.run(end())
