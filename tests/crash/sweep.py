"""A scenario is played once to find its points, and then once for each point, at which the process is killed.

A process that has imported everything forks the one that is killed, and the one that comes after it, and is itself the
world outside of both. Each kill has a database of its own, copied from where the scenario begins.
"""

import asyncio
import copy
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from fastapi import FastAPI

from tests.crash.clock import SharedClock
from tests.crash.invariants import violations
from tests.crash.line import Caller, serve
from tests.crash.points import ANSWERED, Watch
from tests.crash.scenarios import Scenario
from tests.crash.servers import Servers
from tests.crash.stage import Stage, StepFailed, open_stage, settings_of
from tests.crash.world import Asked, World

WITHIN: Final = 90.0
"""Seconds of silence after which a process hangs."""
IDLE_ROUNDS: Final = 3
AFTER: Final = (4.0, 6.0, 20.0, 75.0, 400.0, 1200.0, 60.0)
"""Seconds that pass after the script, one after the other, until nothing is wrong any more."""
GAPS: Final = (2.0, 40.0)
"""Seconds until the killed process runs again: within all leases, and beyond them."""


@dataclass(frozen=True)
class Kill:
    """Where the process ends: at a point, when it is reached for the `time`-th time. `lossy`: LiveKit's hooks that were
    on their way are lost with it. It runs again after `gap` seconds."""

    point: str
    time: int = 1
    lossy: bool = False
    gap: float = GAPS[0]

    def __str__(self) -> str:
        return f"{self.point} ({self.time}. time{', hooks lost' * self.lossy}, back after {self.gap:g} s)"


@dataclass
class Found:
    """The points of a scenario: how often each is reached, and which of them are reached while nothing happens."""

    reached: Counter[str]
    idle: Counter[str]

    @property
    def points(self) -> list[str]:
        """Those that belong to the scenario."""
        return [point for point in self.reached if point not in self.idle]

    def kills(self, each: int) -> list[Kill]:
        """Each point when it is first reached, and up to `each` times in all: the last time next."""
        planned = []
        for number, point in enumerate(self.points):
            times = [1, self.reached[point], *range(2, self.reached[point])]
            for time_ in sorted(set(times[: each if point[-1] != ANSWERED else 1])):
                variant = number + time_
                planned.append(Kill(point, time_, lossy=variant % 2 == 0, gap=GAPS[variant // 2 % 2]))
        return planned


@dataclass
class Outcome:
    """What became of a kill."""

    kill: Kill
    was_killed: bool
    problems: list[str]
    seconds: float


@dataclass
class Theatre:
    """Plays one scenario after the other."""

    servers: Servers
    app: FastAPI
    folder: Path
    clock: SharedClock = field(default_factory=SharedClock)
    _count: int = 0

    def rehearse(self, scenario: Scenario) -> tuple["Stand", Found]:
        """Prepare a scenario and play it to its end, without any harm; it must end well."""
        self.clock.set(0)
        world = World(self.clock, self._new_folder())
        database = self._name("prepared")
        self.servers.clone(database)
        self._demand(self._play(scenario, "prepare", world, database, Watch()), world, scenario, "prepare")
        stand = Stand(database, world, self.clock.ahead)
        with self._begin(stand) as (world, copied):
            self._demand(self._play(scenario, "idle", world, copied, Watch()), world, scenario, "idle")
            idle = Counter(world.memory["reached"])
        with self._begin(stand) as (world, copied):
            self._demand(self._play(scenario, "act", world, copied, Watch()), world, scenario, "act")
            reached = Counter(world.memory["reached"])
            self._demand(self._play(scenario, "recover", world, copied, Watch()), world, scenario, "its end")
        return stand, Found(reached, idle)

    def kill(self, scenario: Scenario, stand: "Stand", kill: Kill) -> Outcome:
        """Kill at a point, start again, and look."""
        begun = time.monotonic()
        with self._begin(stand) as (world, database):
            ended = self._play(scenario, "act", world, database, Watch(kill.point, kill.time))
            if ended not in ("killed", "done"):
                return Outcome(kill, False, [f"before the kill: {ended}"], time.monotonic() - begun)
            if kill.lossy:
                world.lose_hooks()
            world.memory.pop("reached", None)
            self.clock.step(kill.gap)
            after = self._play(scenario, "recover", world, database, Watch())
            problems = world.memory.get("problems", []) if after == "done" else [f"after the kill: {after}"]
        return Outcome(kill, ended == "killed", problems, time.monotonic() - begun)

    def leave(self, stand: "Stand") -> None:
        """A scenario is over."""
        self.servers.drop(stand.database)

    @contextmanager
    def _begin(self, stand: "Stand") -> Iterator[tuple[World, str]]:
        """World and database as they were prepared."""
        database = self._name("killed")
        self.servers.clone(database, stand.database)
        self.servers.flush()
        self.clock.set(stand.ahead)
        world = copy.deepcopy(stand.world)
        world.folder = self._new_folder()
        world.tapes.folder = world.folder / "recordings"
        try:
            yield world, database
        finally:
            self.servers.drop(database)
            shutil.rmtree(world.folder)

    def _play(self, scenario: Scenario, part: str, world: World, database: str, watch: Watch) -> str:
        """Play a part in a process of its own; how that ended."""
        urls = self.servers.urls(database)
        settings = settings_of(urls.app, self.servers.redis_url, str(world.tapes.folder))
        ours, theirs = socket.socketpair()
        log = world.folder / "stderr"
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
                asyncio.run(_perform(self.app, scenario, part, settings, self.clock, Caller(theirs), watch))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        theirs.close()
        world.checks = lambda: self._check(world, scenario, urls.superuser)
        world.passes = lambda seconds: self.servers.age(database, seconds)
        within = serve(ours, world, within=WITHIN)
        if not within:
            os.kill(pid, signal.SIGKILL)
        ours.close()
        status = os.waitpid(pid, 0)[1]
        world.checks = world.passes = None
        said = log.read_text() if log.exists() else ""
        log.unlink(missing_ok=True)
        if not within:
            return f"it hangs\n{said[-900:]}"
        if os.WIFSIGNALED(status):
            return "killed" if os.WTERMSIG(status) == signal.SIGKILL else f"signal {os.WTERMSIG(status)}"
        return "done" if os.WEXITSTATUS(status) == 0 else f"it failed\n{said[-900:]}"

    def _check(self, world: World, scenario: Scenario, url: str) -> list[str]:
        with psycopg.connect(url) as connection:
            return [*violations(connection, world), *scenario.check(connection, world)]

    def _demand(self, ended: str, world: World, scenario: Scenario, part: str) -> None:
        problems = world.memory.get("problems", [])
        if ended != "done" or problems:
            raise StepFailed(f"{scenario.name}, {part}: {ended}\n" + "\n".join(problems))

    def _name(self, what: str) -> str:
        self._count += 1
        return f"crash_{os.getpid()}_{what}_{self._count}"

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))


@dataclass
class Stand:
    """Where a scenario begins: a database, a world, and how far the clock is ahead."""

    database: str
    world: World
    ahead: float


async def _perform(
    app: FastAPI, scenario: Scenario, part: str, settings: Any, clock: SharedClock, caller: Caller, watch: Watch
) -> None:
    watch.install(asyncio.get_running_loop())
    # Tasks that are begun from here on are watched, and this one is not.
    await asyncio.ensure_future(_perform_watched(app, scenario, part, settings, clock, caller, watch))


async def _perform_watched(
    app: FastAPI, scenario: Scenario, part: str, settings: Any, clock: SharedClock, caller: Caller, watch: Watch
) -> None:
    async with open_stage(app, settings, clock, caller) as stage:
        match part:
            case "prepare":
                await stage.settle_in()
                await scenario.prepare(stage)
            case "idle":
                watch.looks = True
                for _ in range(IDLE_ROUNDS):
                    await stage.turn()
            case "act":
                watch.looks = True
                await scenario.act(stage)
            case "recover":
                await scenario.act(stage)
                await scenario.finish(stage)
                await caller.ask("remember", "problems", await _come_to_rest(stage))
        watch.looks = False
        if stage.complaints:
            problems = [f"an exception that nobody foresaw: {each}" for each in stage.complaints]
            _, known = await caller.ask("recall", "problems")
            await caller.ask("remember", "problems", [*(known or []), *problems])
        await caller.ask("remember", "reached", dict(watch.reached))
        sys.stderr.flush()
        os._exit(0)  # nobody says goodbye here


async def _come_to_rest(stage: Stage) -> list[str]:
    """Let time pass until nothing is wrong, or for long; what is wrong then."""
    problems: list[str] = []
    for seconds in AFTER:
        await _pass_time(stage, seconds)
        problems = await stage.caller.ask("check")
        if not problems:
            break
    if not problems:
        problems = await _ask_again(stage)
        await stage.turn()
        problems += await stage.caller.ask("check")
    return problems


async def _pass_time(stage: Stage, seconds: float) -> None:
    if seconds > 30:
        stage.clock.step(seconds - 6)
        await stage.caller.ask("time_passes", seconds)
        seconds = 6
    for _ in range(round(seconds / 2)):
        await stage.turn(2)


async def _ask_again(stage: Stage) -> list[str]:
    """Every request under its key once more: the same answer."""
    problems = []
    asked: dict[str, Asked] = await stage.caller.ask("requests")
    for key, first in asked.items():
        again = await stage.send(key, first.path, first.body)
        if (again.status_code, again.content) != (first.status, first.answer):
            problems.append(f"{key}, asked again: {again.status_code} {again.text} instead of {first.answer!r}")
    return problems
