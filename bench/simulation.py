"""Calls that come, wait for a process, talk and end, played event by event: how many processes must be kept warm.

A worker keeps `warm` processes ready. A call that is offered to it takes one, and another is begun in its place, so
many at once as it may; without a ready one the call waits for the next that becomes so. A worker that is stopped takes
nothing; what still runs at the end of its drain comes again elsewhere. Times are seconds.
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from statistics import NormalDist
from typing import Final

ASK: Final = 0.01
"""Seconds from an arrival to the worker's acceptance."""
QUANTILE: Final = 0.99
MANY: Final = 500.0
"""Of a Poisson distribution whose mean is larger, the normal one says the same, and can be computed."""
PATIENCE: Final = 20
"""Times that a process takes to be warmed, for which a steady fleet is watched after its last arrival."""


@dataclass(frozen=True)
class Fleet:
    """Workers that are alike."""

    workers: int
    places: int
    warm: int
    """Processes that each keeps ready."""
    spawn: float
    """From beginning a process until it is warm."""
    at_once: int
    """Processes that one begins at the same time."""
    connect: float
    """From having a process to the persona in its room."""
    talk: float
    """A call's length; in the mean, of an exponential distribution."""


@dataclass
class Outcome:
    """What became of the calls."""

    waits: list[float] = field(default_factory=list)
    """From arrival to a process, of each call that was taken."""
    joins: list[float] = field(default_factory=list)
    """From arrival to the persona in the room."""
    refused: int = 0
    """There was no place in the fleet."""
    handed_on: int = 0
    """Ran on a worker at the end of its drain."""
    most_at_once: int = 0

    def wait(self, quantile: float = QUANTILE) -> float:
        """The wait that so many did not exceed; 0 where nobody came."""
        return at(self.waits, quantile)


def at(values: list[float], quantile: float) -> float:
    """A quantile by rank; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(quantile * len(ranked)) - 1)] if ranked else 0.0


@dataclass
class _Worker:
    ready: int
    taken: int = 0
    starting: int = 0
    owed: int = 0
    """Processes that are to be begun once a core is free."""
    waiting: deque[float] = field(default_factory=deque)
    stopped: bool = False
    calls: set[int] = field(default_factory=set)


class Game:
    """One run. Give it arrivals and stops, then `play`."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet, self.random, self.outcome = fleet, random.Random(seed), Outcome()
        self._workers = [_Worker(fleet.warm) for _ in range(fleet.workers)]
        self._agenda: list[tuple[float, int, str, int, int]] = []
        self._number = self._running = 0
        self._open = list(range(fleet.workers))
        """Workers that can be offered a call, in no order."""
        self._listed = {index: index for index in self._open}
        """Where in that list each is."""

    def arrive(self, *moments: float) -> None:
        """Calls come then."""
        for moment in moments:
            self._at(moment, "arrive")

    def arrive_evenly_at_random(self, rate: float, until: float) -> None:
        """Calls come by a Poisson process of so many a second."""
        moment = self.random.expovariate(rate)
        while moment < until:
            self.arrive(moment)
            moment += self.random.expovariate(rate)

    def fill(self, calls: int) -> None:
        """So many run already when it begins, spread evenly; they end as any."""
        for number in range(calls):
            index = number % self.fleet.workers
            self._begin(0.0, index)

    def stop(self, worker: int, moment: float, *, drain: float) -> None:
        """A worker is told to stop."""
        self._at(moment, "stop", worker)
        self._at(moment + drain, "leave", worker)

    def play(self, until: float = math.inf) -> Outcome:
        """Until nothing is left to happen, or until a moment."""
        while self._agenda and self._agenda[0][0] <= until:
            now, _, what, worker, call = heappop(self._agenda)
            match what:
                case "arrive":
                    self._offer(now)
                case "warm":
                    self._warm(now, worker)
                case "end":
                    self._end(worker, call)
                case "stop":
                    self._workers[worker].stopped = True
                    self._list(worker)
                case "leave":
                    self._leave(now, worker)
        return self.outcome

    def _at(self, moment: float, what: str, worker: int = 0, call: int = 0) -> None:
        self._number += 1
        heappush(self._agenda, (moment, self._number, what, worker, call))

    def _take(self, index: int, places: int) -> None:
        """Take places of a worker, or give some back; and keep the list of those that can be offered a call."""
        worker = self._workers[index]
        worker.taken += places
        self._running += places
        self._list(index)

    def _list(self, index: int) -> None:
        worker = self._workers[index]
        if worker.stopped or worker.taken >= self.fleet.places:
            if (place := self._listed.pop(index, None)) is not None:
                last = self._open.pop()
                if last != index:
                    self._open[place], self._listed[last] = last, place
        elif index not in self._listed:
            self._listed[index] = len(self._open)
            self._open.append(index)

    def _offer(self, now: float) -> None:
        if not self._open:
            self.outcome.refused += 1
            return
        index = self.random.choice(self._open)
        worker = self._workers[index]
        self._take(index, 1)
        self.outcome.most_at_once = max(self.outcome.most_at_once, self._running)
        if worker.ready:
            worker.ready -= 1
            self._start(now, now, index)
        else:
            worker.waiting.append(now)
        worker.owed += 1
        self._spawn(now, index)

    def _spawn(self, now: float, index: int) -> None:
        worker = self._workers[index]
        while worker.owed and worker.starting < self.fleet.at_once:
            worker.owed -= 1
            worker.starting += 1
            self._at(now + self.fleet.spawn, "warm", index)

    def _warm(self, now: float, index: int) -> None:
        worker = self._workers[index]
        worker.starting -= 1
        if worker.waiting:
            self._start(worker.waiting.popleft(), now, index)
        else:
            worker.ready += 1
        self._spawn(now, index)

    def _start(self, came: float, now: float, index: int) -> None:
        self.outcome.waits.append(now - came)
        self.outcome.joins.append(now - came + ASK + self.fleet.connect)
        self._begin(now + ASK + self.fleet.connect, index, counted=True)

    def _begin(self, now: float, index: int, *, counted: bool = False) -> None:
        if not counted:
            self._take(index, 1)
        self._number += 1
        self._workers[index].calls.add(self._number)
        self._at(now + self.random.expovariate(1 / self.fleet.talk), "end", index, self._number)

    def _end(self, index: int, call: int) -> None:
        worker = self._workers[index]
        if call in worker.calls:  # else it has gone elsewhere
            worker.calls.remove(call)
            self._take(index, -1)

    def _leave(self, now: float, index: int) -> None:
        worker = self._workers[index]
        left = len(worker.calls) + len(worker.waiting)
        self.outcome.handed_on += left
        worker.calls.clear()
        worker.waiting.clear()
        self._take(index, -left)
        for _ in range(left):
            self._offer(now)


def pool(rate: float, spawn: float, *, burst: int = 0, quantile: float = QUANTILE) -> int:
    """Processes that one worker keeps warm so that so many of its calls find one ready.

    `rate` is calls a second that come to this worker, `spawn` seconds to warm a process. While a call comes, as many
    processes are being warmed as calls came within `spawn` before it: Poisson of mean rate x spawn. The pool is the
    least number that this stays below in `quantile` of all cases, and what comes in one burst.
    """
    mean = rate * spawn
    if mean > MANY:
        return math.ceil(NormalDist(mean, math.sqrt(mean)).inv_cdf(quantile)) + 1 + burst
    chance, below, number = math.exp(-mean), 0.0, 0
    while True:
        below += chance
        number += 1
        if below >= quantile:
            return number + burst
        chance *= mean / number


def steady(fleet: Fleet, rate: float, *, seconds: float, seed: int = 1) -> Outcome:
    """A fleet in its usual state, for so long: as many calls as `rate` and their length make, and those that come."""
    game = Game(fleet, seed)
    game.fill(min(round(rate * fleet.talk), fleet.workers * fleet.places))
    game.arrive_evenly_at_random(rate, seconds)
    return game.play(seconds + PATIENCE * fleet.spawn)


def burst(fleet: Fleet, calls: int, *, seed: int = 1) -> Outcome:
    """So many calls at the same moment, on a fleet that has nothing to do."""
    game = Game(fleet, seed)
    game.arrive(*[0.0] * calls)
    return game.play()
