"""`python -m tests.crash`: kill the platform at each of its crash points and look at what is left."""

import argparse
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from multiprocessing import Process, SimpleQueue
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import configure_mappers

from control_plane.app import create_app
from tests.crash.catalogue import SCENARIOS
from tests.crash.points import all_names
from tests.crash.servers import Servers, running_redis, running_servers
from tests.crash.stage import settings_of
from tests.crash.sweep import Kill, Theatre

MOST_SHOWN: Final = 4
"""Problems of one kill that are written out."""


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="scenarios")
    parser.add_argument("--point", default="", help="kill only at points whose name contains this")
    parser.add_argument("--each", type=int, default=2, help="how often a point is tried, of the times it is reached")
    parser.add_argument("--sample", type=int, default=0, help="so many kills of all, always the same ones")
    parser.add_argument("--list", action="store_true", help="name the points and kill nowhere")
    parser.add_argument(
        "--postgres",
        nargs=2,
        metavar="URL",
        help="of the app and of a superuser, in a server with a migrated database",
    )
    parser.add_argument("-j", "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    return parser.parse_args()


def sample(kills: list[Kill], count: int) -> list[Kill]:
    """So many of them, evenly."""
    if count >= len(kills):
        return kills
    return [kills[place * len(kills) // count] for place in range(count)]


def work(asked: argparse.Namespace, urls: tuple[str, str], redis_url: str, names: Any, told: Any) -> None:
    """Play scenarios until there is none left; runs in a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    app = create_app(settings_of(urls[0], redis_url, "/nowhere"))
    configure_mappers()
    gc.collect()
    gc.freeze()  # what is there is the children's as well, and stays
    gc.disable()  # they do not live long
    assert threading.active_count() == 1, "whoever forks has one thread"
    servers = Servers(*urls, redis_url)
    try:
        with tempfile.TemporaryDirectory(prefix="parley-crash-") as folder:
            theatre = Theatre(servers, app, Path(folder))
            while (name := names.get()) is not None:
                try:
                    play(asked, theatre, name, told)
                except Exception as error:
                    told.put((name, "broken", f"{type(error).__name__}: {error}"))
    finally:
        told.put(("", "leaves", None))


def play(asked: argparse.Namespace, theatre: Theatre, name: str, told: Any) -> None:
    """Kill one scenario at each of the points that were asked for, or at a sample of them."""
    scenario = SCENARIOS[name]()
    stand, found = theatre.rehearse(scenario)
    kills = [kill for kill in found.kills(asked.each) if asked.point in kill.point]
    if asked.sample:
        kills = sample(kills, max(1, asked.sample // len(asked.only or SCENARIOS)))
    told.put((name, "found", (found.points, len(kills))))
    for kill in [] if asked.list else kills:
        told.put((name, "outcome", theatre.kill(scenario, kill=kill, stand=stand)))
    theatre.leave(stand)
    told.put((name, "done", None))


def main() -> int:
    """Run; the exit code is 1 where something is wrong."""
    asked = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = asked.only or list(SCENARIOS)
    begun = time.monotonic()
    names: Any = SimpleQueue()
    told: Any = SimpleQueue()
    for name in [*wanted, *[None] * asked.jobs]:
        names.put(name)
    with ExitStack() as stack:
        urls = asked.postgres or stack.enter_context(running_servers())
        workers = []
        for _ in range(asked.jobs):
            redis_url = stack.enter_context(running_redis())
            workers.append(Process(target=work, args=(asked, urls, redis_url, names, told), daemon=True))
            workers[-1].start()
        report = Report(asked)
        working = len(workers)
        while working:
            name, what, said = told.get()
            working -= what == "leaves"
            report.hear(name, what, said)
        for worker in workers:
            worker.join()
    report.end(time.monotonic() - begun)
    return 1 if report.wrong or any(worker.exitcode for worker in workers) else 0


class Report:
    """What is printed."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.points: dict[str, list[str]] = {}
        self.planned: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.wrong = 0

    def hear(self, name: str, what: str, said: Any) -> None:
        """News of a process."""
        match what:
            case "found":
                self.points[name], self.planned[name] = said
                say(f"{name}: {len(said[0])} points, {said[1]} kills")
                if self.asked.list:
                    say("\n".join(f"  {point}" for point in said[0]))
            case "outcome":
                self._outcome(name, said)
            case "broken":
                self.wrong += 1
                say(f"{name} cannot be played: {said}")

    def _outcome(self, name: str, outcome: Any) -> None:
        self.killed[name] += outcome.was_killed
        self.missed[name] += not outcome.was_killed
        self.seconds[name] += outcome.seconds
        tried = self.killed[name] + self.missed[name]
        if tried % 10 == 0:
            say(f"{name}: {tried} of {self.planned[name]}, {self.seconds[name] / tried:.1f} s each")
        if outcome.problems:
            self.wrong += 1
            self.violations[name] += 1
            say(f"{name}: killed at {outcome.kill}:" if outcome.was_killed else f"{name}, not reached: {outcome.kill}:")
            say("\n".join(f"    {problem}" for problem in outcome.problems[:MOST_SHOWN]))

    def end(self, seconds: float) -> None:
        """A line for each scenario."""
        reached = {point[:-1] for points in self.points.values() for point in points}
        known = all_names()
        say(f"\n{len(known)} awaits have names, of which {len(reached.intersection(known))} are reached")
        if self.asked.list:
            say("not reached:\n" + "\n".join(f"  {point}" for point in sorted(set(known) - reached)))
        say(f"{'scenario':16}{'points':>8}{'killed':>8}{'missed':>8}{'violations':>12}")
        for name, points in self.points.items():
            counted = (self.killed[name], self.missed[name], self.violations[name])
            say(f"{name:16}{len(points):>8}{counted[0]:>8}{counted[1]:>8}{counted[2]:>12}")
        named = len({point for points in self.points.values() for point in points})
        total = (self.killed.total(), self.missed.total(), self.violations.total())
        say(f"{'all':16}{named:>8}{total[0]:>8}{total[1]:>8}{total[2]:>12}   {seconds:.0f} s")


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
