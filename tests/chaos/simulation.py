"""Chaos in one process and in stepped time: calls through the real control plane over a real PostgreSQL, and everything
around them failing as a seed decides.

`python -m tests.chaos.simulation --seeds 50` plays fifty games; `--seed 7` plays one of them again, `--until 900` up to
its 900th step. Nothing sleeps, and no second passes but those that are stepped: minutes are played in seconds.

Who plays: `world`, `simulation_processes`, `simulation_duties`, `simulation_workers`, `simulation_callers`; what goes
wrong: `simulation_faults`; what must be true in the end: `simulation_invariants`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from control_plane.db.database import Database
from control_plane.db.leadership import connect
from control_plane.telephony import dialling
from tests.chaos import simulation_invariants as invariants
from tests.chaos.simulation_agenda import Dead
from tests.chaos.simulation_game import Simulation
from tests.chaos.simulation_stage import furnish, settings_of
from tests.support.database import Clone, cloned, serving

SHOWN = 50
"""Steps that are shown of a game in which something is wrong, before it was noticed."""


@dataclass(frozen=True)
class Played:
    """What came of a seed."""

    seed: int
    wrong: list[str]
    told: list[str]
    """Every step."""
    last: int
    """How many there were when the first thing was noticed that is wrong."""
    steps: int
    stepped: float
    took: float
    figures: dict[str, int]


async def play(seed: int, clone: Clone, *, until: int = 0, calm: bool = False) -> Played:
    """Play a seed on a database of its own."""
    began, now = time.monotonic(), datetime.now(UTC)
    settings = settings_of(clone)
    database = Database(settings.sqlalchemy_url, pool=12)
    asyncio.get_running_loop().set_exception_handler(_ignore_the_dead)
    options = "-c parley.project=all"
    with tempfile.TemporaryDirectory(prefix="parley-simulation-", dir=_in_memory()) as folder:
        async with await connect(clone.app, options=options) as stamping, await connect(clone.superuser) as looking:
            caller, line = await furnish(database, now)
            game = Simulation(
                seed, database, caller, line, settings, Path(folder), (stamping, looking), began=now, calm=calm
            )
            with mock.patch("os.fdatasync", game.synced), mock.patch.object(dialling, "PHONE_WITHIN", -1.0):
                await game.play(until=until)
                wrong = [*game.agenda.faults, *(await invariants.check(game) if not until else [])]
                last = game.agenda.faulty_at or len(game.agenda.told)
            await game.agenda.close()
            for worker in game.workers:
                worker.spool.close()
    await database.close()
    took = time.monotonic() - began
    return Played(seed, wrong, game.agenda.told, last, game.agenda.done, game.agenda.now, took, game.figures())


def _ignore_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Dead):
        loop.default_exception_handler(context)


def _in_memory() -> str | None:
    """A folder that is in memory, where there is one: fifty games write a great deal."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log lines of all that is meant to go wrong."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def play_alone(seed: int, clone: Clone, until: int, calm: bool) -> Played:
    """Play a seed in a process of its own."""
    with quiet():
        return asyncio.run(play(seed, clone, until=until, calm=calm))


def _report(played: Played, *, steps: bool, about: str) -> None:
    verdict = "WRONG" if played.wrong else "well"
    figures = ", ".join(f"{name} {count}" for name, count in played.figures.items())
    print(  # noqa: T201
        f"seed {played.seed}: {verdict}, {played.steps} steps, {played.stepped:.0f} s in {played.took:.1f} s;",
        figures,
        flush=True,
    )
    shown = played.told[max(0, played.last - SHOWN) : played.last] if played.wrong or steps else []
    shown = [each for each in played.told if about in each] if about else shown
    for each in (*shown, *played.wrong):
        print(f"  {each}", flush=True)  # noqa: T201


def main() -> int:
    """Play; 1 where a seed came out wrong."""
    reader = argparse.ArgumentParser(prog="python -m tests.chaos.simulation", description=__doc__)
    reader.add_argument("--seeds", type=int, default=50, help="play seeds 1 to this")
    reader.add_argument("--seed", type=int, action="append", help="play this one")
    reader.add_argument("--until", type=int, default=0, help="only so many steps, and show the last of them")
    reader.add_argument("--processes", type=int, default=2, help="games at once")
    reader.add_argument("--calm", action="store_true", help="nothing goes wrong")
    reader.add_argument("--about", default="", help="show the steps that say this")
    given = reader.parse_args()
    seeds = given.seed or list(range(1, given.seeds + 1))
    began, wrong = time.monotonic(), []
    with serving() as (server, secrets), ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:

        def one(seed: int) -> Played:
            with cloned(server, secrets) as clone:
                return pool.submit(play_alone, seed, clone, given.until, given.calm).result()

        with ThreadPoolExecutor(given.processes) as threads:
            for played in threads.map(one, seeds):
                _report(played, steps=bool(given.until), about=given.about)
                if played.wrong:
                    wrong.append(played.seed)
    print(f"{len(seeds)} seeds in {time.monotonic() - began:.0f} s; wrong: {wrong or 'none'}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
