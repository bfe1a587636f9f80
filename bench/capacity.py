"""How many of each part so many calls need, what is short first, and how many processes to keep warm.

`python -m bench capacity` writes `bench/results/capacity.{json,md,svg}`. It takes the costs that other measures left in
`bench/results/`; where there is none it takes a placeholder, says so beside the figure, and marks what rests on it.
`python -m bench capacity --real FILE` compares the simulation with bursts of real calls instead:
`{"warm": 4, "spawn_s": 1.3, "connect_s": 0.4, "at_once": 2, "bursts": [{"calls": 10, "joins_s": [0.5, …]}]}`.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.capacity_page import page, picture
from bench.simulation import QUANTILE, Fleet, at, burst, pool, steady

RESULTS: Final = Path(__file__).parent / "results"
CALLS: Final = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
CLOSE: Final = 0.2
"""A simulated burst may differ from a real one by this part."""
SIMULATED: Final = 20_000
"""Calls that the simulation of a fleet lets come at least, and those of twenty seconds."""
AT_ONCE: Final = 4
"""Processes that livekit-agents begins at the same time, however many cores there are."""
REGION: Final = 100_000
"""Calls at once of one region: an assumption, as far as one LiveKit cluster with its one Redis is to be trusted."""


@dataclass(frozen=True)
class Cost:
    """A figure, and where it is from."""

    value: float
    source: str
    measured: bool = False


@dataclass(frozen=True)
class Costs:
    """What calls cost. Cores are of the machine that measured; rows and events are counted in the code."""

    call_seconds: Cost = Cost(180, "an assumption: choose your own with --seconds")
    worker_cores: Cost = Cost(0.22, "placeholder: stock job process, steady; bench load will say")
    worker_mb: Cost = Cost(140, "placeholder: stock job process; bench load will say")
    spawn_seconds: Cost = Cost(1.3, "placeholder: warming a job process on one core")
    connect_seconds: Cost = Cost(0.4, "placeholder: a process with its job to a persona that is there")
    livekit_cores: Cost = Cost(0.024, "placeholder: livekit-server, one caller and one persona")
    tokens_per_second: Cost = Cost(200, "placeholder: POST /token of one serve process")
    reports_per_second: Cost = Cost(500, "placeholder: reports of workers that one serve process writes")
    events_per_second: Cost = Cost(10_000, "placeholder: the sequencer, one process")
    webhooks_per_second: Cost = Cost(1_000, "placeholder: the sender of webhooks, one process")
    database_writes: Cost = Cost(5_000, "placeholder: transactions a second of one PostgreSQL with synchronous commits")
    lines_per_second: Cost = Cost(0.3, "counted: a line of each side in each turn of some seven seconds")
    reports_per_line: Cost = Cost(3, "counted: of each turn two lines, its times, and what each of three models used")
    rows_per_line: Cost = Cost(4, "counted: line, session, event, its number")
    rows_per_call: Cost = Cost(25, "counted: slot, session, job, participants, usage, events and their numbers")
    events_per_call: Cost = Cost(8, "counted: room, session, participants, dispatch")
    webhooks_per_call: Cost = Cost(6, "an assumption: one endpoint that takes all but lines")
    bytes_per_event: Cost = Cost(900, "placeholder: a row of event with its indexes")
    heartbeat_seconds: Cost = Cost(3, "counted: each is one transaction, which renews the leases of its worker's jobs")
    admission_microseconds: Cost = Cost(0.1, "placeholder: counting one running job as a token asks for a place")
    rooms_per_second: Cost = Cost(500, "placeholder: rooms that the reconciler asks LiveKit about, one process")


@dataclass(frozen=True)
class Node:
    """A machine that parts run on."""

    cores: int = 16
    memory_mb: int = 64_000
    busy: float = 0.7
    """How much of it may be used: the rest is for bursts, and for what comes of a neighbour that dies."""
    places: int = 50
    """Calls of one worker at most: it is one main process."""


@dataclass(frozen=True)
class Limit:
    """Something that there is one of, or that grows with the square."""

    name: str
    demand: Callable[[float], float]
    """Of so many calls at once."""
    capacity: float
    cure: str
    rests_on: tuple[str, ...]
    """Costs that it is made of."""

    def reached(self) -> float:
        """Calls at once at which it is; found by halving."""
        low, high = 1.0, 1e9
        if self.demand(high) <= self.capacity:
            return math.inf
        while high - low > 1:
            middle = (low + high) / 2
            low, high = (middle, high) if self.demand(middle) <= self.capacity else (low, middle)
        return low


def limits(costs: Costs, node: Node) -> list[Limit]:
    """What one installation with one database has once, the tightest first."""
    talk = costs.call_seconds.value
    lines = costs.lines_per_second.value

    def writes(calls: float) -> float:
        heartbeats = calls / node.places / costs.heartbeat_seconds.value
        return heartbeats + calls * lines * costs.reports_per_line.value + calls / talk * costs.rows_per_call.value / 4

    found = [
        Limit(
            "PostgreSQL: transactions that write",
            writes,
            costs.database_writes.value,
            "reports of a turn in one transaction also where none waits; then projects by hash over several databases",
            ("database_writes", "heartbeat_seconds", "lines_per_second", "reports_per_line", "rows_per_call"),
        ),
        Limit(
            "admission: running jobs are counted for each token",
            lambda calls: calls / talk * calls * costs.admission_microseconds.value / 1e6,
            0.5,
            "free places kept by worker or region",
            ("admission_microseconds", "call_seconds"),
        ),
        Limit(
            "reconciler: rooms that LiveKit is asked about every four seconds",
            lambda calls: calls / 4,
            costs.rooms_per_second.value,
            "only rooms that hooks are silent about; one for each region",
            ("rooms_per_second",),
        ),
        Limit(
            "sequencer: events numbered by one process",
            lambda calls: calls * lines + calls / talk * costs.events_per_call.value,
            costs.events_per_second.value,
            "a sequence for each shard of projects",
            ("events_per_second", "lines_per_second", "events_per_call"),
        ),
        Limit(
            "webhooks: sent by one process",
            lambda calls: calls / talk * costs.webhooks_per_call.value,
            costs.webhooks_per_second.value,
            "a sender for each shard of endpoints",
            ("webhooks_per_second", "webhooks_per_call"),
        ),
    ]
    return sorted(found, key=Limit.reached)


def plan(calls: int, costs: Costs, node: Node) -> dict[str, Any]:
    """What so many calls at once need."""
    talk = costs.call_seconds.value
    starts = calls / talk
    by_cores = node.cores * node.busy / costs.worker_cores.value
    by_memory = node.memory_mb * node.busy / costs.worker_mb.value
    per_node = int(min(by_cores, by_memory))
    # Three deviations of how many run at once, and a worker that may be lost or be stopped.
    workers = math.ceil((calls + 3 * math.sqrt(calls)) / min(per_node, node.places)) + 1
    warm = pool(starts / workers, costs.spawn_seconds.value)
    first, *_ = all_limits = limits(costs, node)
    writes = next(limit for limit in all_limits if limit.name.startswith("PostgreSQL")).demand(calls)
    lines = calls * costs.lines_per_second.value
    events = 86_400 * (lines + starts * costs.events_per_call.value)
    # Whoever gives out tokens takes what workers report as well, which is most of what there is to do.
    reports = lines * costs.reports_per_line.value
    serving = starts / costs.tokens_per_second.value + reports / costs.reports_per_second.value
    reached = [limit for limit in all_limits if limit.demand(calls) > limit.capacity]
    waiting = [limit for limit in all_limits if limit not in reached]
    return {
        "calls": calls,
        "starts_per_second": starts,
        "workers": workers,
        "worker_nodes": max(2, math.ceil(workers * min(per_node, node.places) / per_node)),
        "worker_nodes_are_bound_by": "cores" if by_cores <= by_memory else "memory",
        "warm_processes_each": warm,
        "livekit_nodes": max(
            1 if calls <= 100 else 2, math.ceil(calls * costs.livekit_cores.value / node.cores / node.busy)
        ),
        "serve_processes": max(2, math.ceil(serving / node.busy)),
        "databases": max(1, math.ceil(writes / costs.database_writes.value / node.busy)),
        "regions": max(1, math.ceil(calls / REGION)),
        "writes_per_second": writes,
        "rows_per_second": lines * costs.rows_per_line.value + starts * costs.rows_per_call.value,
        "events_per_day": events,
        "event_gb_per_day": events * costs.bytes_per_event.value / 1e9,
        "first_limit": first.name if first in reached else None,
        "limits_reached": [limit.name for limit in reached],
        "next_limit": waiting[0].name if waiting else None,
    }


def validate(calls: int, costs: Costs, node: Node, *, seed: int = 1) -> dict[str, Any]:
    """The wait of this plan's calls in the simulation, with all of its workers."""
    planned = plan(calls, costs, node)
    rate = planned["starts_per_second"]
    fleet = Fleet(
        workers=planned["workers"],
        places=node.places,
        warm=planned["warm_processes_each"],
        spawn=costs.spawn_seconds.value,
        at_once=min(node.cores, AT_ONCE),
        connect=costs.connect_seconds.value,
        talk=costs.call_seconds.value,
    )
    found = steady(fleet, rate, seconds=max(20.0, SIMULATED / rate), seed=seed)
    return {
        "calls": calls,
        "simulated_workers": fleet.workers,
        "simulated_calls": len(found.waits),
        "warm": fleet.warm,
        "p99_wait_s": found.wait(QUANTILE),
        "longest_wait_s": max(found.waits, default=0.0),
        "refused": found.refused,
    }


def compare(real: dict[str, Any], *, seed: int = 1) -> list[dict[str, Any]]:
    """Each real burst beside the simulated one: median and last join, and whether both are within 20 %."""
    compared = []
    for each in real["bursts"]:
        fleet = Fleet(
            workers=1,
            places=max(each["calls"], 1),
            warm=real["warm"],
            spawn=real["spawn_s"],
            at_once=real["at_once"],
            connect=real["connect_s"],
            talk=60.0,
        )
        simulated = burst(fleet, each["calls"], seed=seed).joins
        pairs = [(at(simulated, 0.5), statistics.median(each["joins_s"])), (max(simulated), max(each["joins_s"]))]
        compared.append(
            {
                "calls": each["calls"],
                "median_s": pairs[0],
                "last_s": pairs[1],
                "close": all(abs(ours - theirs) <= CLOSE * theirs for ours, theirs in pairs),
            }
        )
    return compared


def read_costs(folder: Path = RESULTS, *, seconds: float | None = None) -> Costs:
    """The costs that measures left in a folder, and placeholders for the others."""
    found: dict[str, Cost] = {}

    def take(name: str, file: str, pick: Callable[[Any], float]) -> None:
        try:
            found[name] = Cost(pick(json.loads((folder / file).read_text())), f"measured: {file}", measured=True)
        except (OSError, LookupError, TypeError, ValueError):
            return

    def token(result: Any) -> float:
        row = next(row for row in result["rows"] if row["what"].startswith("POST /token, an agent"))
        return float(statistics.median(row["rates"]["ours"]))

    take("tokens_per_second", "api.json", token)
    take("webhooks_per_second", "webhooks.json", lambda it: statistics.median(first for first, _ in it["ours"]))
    # Of measures to come: what they must leave is said in docs/operations/scale.md.
    take("worker_cores", "load.json", lambda it: float(it["kinds"]["isolated"]["cores_per_call"]))
    take("worker_mb", "load.json", lambda it: float(it["kinds"]["isolated"]["mb_per_call"]))
    take("spawn_seconds", "start.json", lambda it: it["spawn_s"])
    take("connect_seconds", "start.json", lambda it: it["connect_s"])
    if seconds is not None:
        found["call_seconds"] = Cost(seconds, "given")
    return Costs(**found)


def measure(costs: Costs, node: Node) -> dict[str, Any]:
    """The whole result."""
    named = {each.name: getattr(costs, each.name) for each in fields(Costs)}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "node": vars(node),
        "costs": {name: vars(cost) for name, cost in named.items()},
        "plans": [plan(calls, costs, node) for calls in CALLS],
        "limits": [
            {
                "name": limit.name,
                "reached": limit.reached(),
                "cure": limit.cure,
                "placeholders": [
                    name.replace("_", " ") for name in limit.rests_on if named[name].source.startswith("placeholder")
                ],
            }
            for limit in limits(costs, node)
        ],
        "validated": [validate(calls, costs, node) for calls in CALLS],
    }


def main() -> None:
    """Make the page, or compare with real bursts: status 1 where one differs by more than 20 %."""
    parser = argparse.ArgumentParser(prog="python -m bench capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, help="a call's length in the mean")
    parser.add_argument("--real", type=Path, help="real bursts to compare the simulation with")
    asked = parser.parse_args()
    if asked.real is not None:
        compared = compare(json.loads(asked.real.read_text()))
        for each in compared:
            print(f"{each['calls']:>4} calls: median {each['median_s']}, last {each['last_s']}, close: {each['close']}")
        sys.exit(0 if all(each["close"] for each in compared) else 1)
    result = measure(read_costs(seconds=asked.seconds), Node())
    (RESULTS / "capacity.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "capacity.md").write_text(page(result))
    (RESULTS / "capacity.svg").write_text(picture(result))
    print(page(result))


if __name__ == "__main__":
    main()
