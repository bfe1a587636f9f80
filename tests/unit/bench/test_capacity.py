"""The capacity model and its simulation: what must hold of them whatever the costs are."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.agents.ipc import proc_pool

from bench import capacity
from bench.capacity import CALLS, Cost, Costs, Node, compare, limits, measure, plan, read_costs
from bench.capacity_page import page, picture
from bench.simulation import Fleet, Game, Outcome, burst, pool, steady

FLEET = Fleet(workers=1, places=20, warm=4, spawn=1.0, at_once=2, connect=0.4, talk=60.0)


def test_a_burst_within_the_warm_processes_waits_for_nothing_and_the_rest_for_their_turn() -> None:
    found = burst(FLEET, 10)
    # Four are warm; two are warmed at a time, a second each: six more come in three pairs.
    assert sorted(found.waits) == pytest.approx([0, 0, 0, 0, 1, 1, 2, 2, 3, 3])
    assert found.refused == 0
    assert len(found.joins) == 10


def test_what_no_worker_has_a_place_for_is_refused_and_counted() -> None:
    assert burst(FLEET, 25).refused == 5


def test_calls_that_outlast_a_drain_go_on_elsewhere_and_none_is_lost() -> None:
    game = Game(replace(FLEET, workers=2, talk=1e9), seed=1)
    game.arrive(*[0.0] * 10)
    game.stop(0, 5.0, drain=10.0)
    found = game.play()
    assert 0 < found.handed_on < 10
    assert len(found.waits) == 10 + found.handed_on
    assert found.most_at_once == 10


def test_a_worker_that_is_stopped_is_offered_nothing() -> None:
    game = Game(replace(FLEET, workers=2), seed=1)
    game.stop(0, 0.0, drain=1e6)
    game.arrive(*[1.0] * 21)
    assert game.play().refused == 1


@settings(max_examples=30)
@given(calls=st.integers(0, 60), warm=st.integers(0, 8), workers=st.integers(1, 4), seed=st.integers(0, 100))
def test_every_call_is_taken_or_refused_and_none_waits_for_ever(calls: int, warm: int, workers: int, seed: int) -> None:
    found = burst(replace(FLEET, workers=workers, warm=warm), calls, seed=seed)
    assert len(found.waits) + found.refused == calls
    assert all(0 <= wait <= calls * FLEET.spawn for wait in found.waits)


@pytest.mark.parametrize(("rate", "spawn"), [(0.01, 1.3), (0.3, 1.3), (1.0, 2.0), (3.0, 1.5)])
def test_the_pool_of_the_formula_lets_99_of_100_find_a_process_ready(rate: float, spawn: float) -> None:
    warm = pool(rate, spawn)
    fleet = replace(FLEET, places=10_000, warm=warm, spawn=spawn, at_once=1_000, talk=20.0)
    assert steady(fleet, rate, seconds=2_000 / rate).wait(0.985) == 0
    if warm > 1:  # and is not larger than it must be
        assert sum(math.exp(-rate * spawn) * (rate * spawn) ** n / math.factorial(n) for n in range(warm - 1)) < 0.99


def test_the_pool_grows_with_the_calls_and_holds_a_burst() -> None:
    assert pool(0, 1.3) == 1
    sizes = [pool(rate, 1.3) for rate in (0.1, 1, 10, 100)]
    assert sizes == sorted(sizes)
    assert pool(0.1, 1.3, burst=10) == pool(0.1, 1.3) + 10
    assert abs(pool(501, 1) - pool(499.9, 1)) <= 3, "where the other way of computing begins"


def test_more_calls_never_need_less() -> None:
    plans = [plan(calls, Costs(), Node()) for calls in CALLS]
    for kind in ("workers", "worker_nodes", "livekit_nodes", "serve_processes", "databases", "regions"):
        counts = [each[kind] for each in plans]
        assert counts == sorted(counts), kind
    assert all(each["workers"] * Node().places > each["calls"] for each in plans), "one may be lost"
    assert len({len(each["limits_reached"]) for each in plans}) > 1


def test_control_planes_are_counted_by_what_workers_report_and_not_by_tokens_alone() -> None:
    costs = Costs(reports_per_second=Cost(95, "test"), tokens_per_second=Cost(1e9, "test"))
    reports = 1_000 * costs.lines_per_second.value * costs.reports_per_line.value
    assert plan(1_000, costs, Node(busy=1.0))["serve_processes"] == math.ceil(reports / 95)
    several = replace(costs, tokens_per_second=Cost(1, "test"))
    assert plan(1_000, several, Node(busy=1.0))["serve_processes"] > math.ceil(reports / 95)


def test_the_database_is_asked_by_each_report_and_by_each_workers_heartbeat() -> None:
    costs = Costs(call_seconds=Cost(1e9, "test"))  # none begins
    reports = 1_000 * costs.lines_per_second.value * costs.reports_per_line.value
    assert plan(1_000, costs, Node(places=50))["writes_per_second"] == pytest.approx(reports + 1_000 / 50 / 3)


def test_a_played_worker_begins_no_more_processes_at_once_than_the_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Fleet] = []

    def play(fleet: Fleet, rate: float, **options: float) -> Outcome:
        played.append(fleet)
        return Outcome()

    monkeypatch.setattr(capacity, "steady", play)
    capacity.validate(1_000, Costs(), Node(cores=64))
    assert "cpu_count()), 4)" in Path(proc_pool.__file__).read_text(), "it begins as many as it has cores, or 4"
    assert played[0].at_once == 4


def test_the_page_names_everything_that_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.capacity.CALLS", (10, 10_000))
    monkeypatch.setattr("bench.capacity.SIMULATED", 200)
    result = measure(Costs(), Node())
    assert len(result["plans"][1]["limits_reached"]) > 1
    short = next(line for line in page(result).splitlines() if line.startswith("| short as well |"))
    for planned, named in zip(result["plans"], short.split("|")[2:-1], strict=True):
        others = [name.partition(":")[0] for name in planned["limits_reached"][1:]]
        assert named.strip() == (", ".join(others) or "nothing")


def test_a_dearer_call_needs_more_machines_and_names_what_binds_them() -> None:
    lean = plan(10_000, Costs(worker_cores=Cost(0.02, "test"), worker_mb=Cost(25, "test")), Node(places=1_000))
    dear = plan(10_000, Costs(worker_cores=Cost(0.5, "test")), Node())
    hungry = plan(10_000, Costs(worker_mb=Cost(4_000, "test")), Node())
    assert lean["worker_nodes"] < plan(10_000, Costs(), Node())["worker_nodes"] < dear["worker_nodes"]
    assert (dear["worker_nodes_are_bound_by"], hungry["worker_nodes_are_bound_by"]) == ("cores", "memory")


def test_a_limit_is_reached_where_its_demand_meets_its_capacity() -> None:
    found = limits(Costs(), Node())
    assert [each.reached() for each in found] == sorted(each.reached() for each in found)
    for each in found:
        assert each.demand(each.reached() - 2) <= each.capacity <= each.demand(each.reached() + 2)


def test_a_cost_is_a_placeholder_until_a_measure_has_left_its_file(tmp_path: Path) -> None:
    assert not any(getattr(read_costs(tmp_path), each.name).measured for each in fields(Costs))
    left = {"kinds": {"isolated": {"cores_per_call": 0.1, "mb_per_call": 20}, "dense": {"cores_per_call": 0.05}}}
    (tmp_path / "load.json").write_text(json.dumps(left))
    (tmp_path / "start.json").write_text("{torn")
    costs = read_costs(tmp_path)
    assert (costs.worker_cores.value, costs.worker_mb.value) == (0.1, 20)
    assert costs.worker_cores.measured
    assert costs.spawn_seconds.source.startswith("placeholder")


def test_what_a_limit_rests_on_are_costs_and_every_source_says_what_it_is() -> None:
    costs = Costs()
    names = {each.name for each in fields(Costs)}
    assert all(set(each.rests_on) <= names for each in limits(costs, Node()))
    for name in names:
        assert getattr(costs, name).source.startswith(("placeholder", "counted", "an assumption")), name


def test_a_real_burst_is_close_within_a_fifth_and_not_beyond() -> None:
    real = {"warm": 4, "spawn_s": 1.0, "connect_s": 0.4, "at_once": 2}
    simulated = burst(FLEET, 10).joins
    near = [each * 1.1 for each in simulated]
    far = [each * 1.5 for each in simulated]
    verdicts = compare(real | {"bursts": [{"calls": 10, "joins_s": near}, {"calls": 10, "joins_s": far}]})
    assert [each["close"] for each in verdicts] == [True, False]


def test_the_page_names_its_placeholders_and_the_picture_has_a_line_for_each_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.capacity.CALLS", (10, 100))
    monkeypatch.setattr("bench.capacity.SIMULATED", 200)
    result = measure(Costs(), Node())
    shown = page(result)
    assert "most of them are" in shown
    assert "placeholder: stock job process" in shown
    assert "was not yet compared with real calls" in shown
    assert picture(result).count("<polyline") == 4


def test_what_is_written_down_says_the_same_as_the_code() -> None:
    results = Path(__file__).parents[3] / "bench" / "results"
    kept = json.loads((results / "capacity.json").read_text())
    assert (results / "capacity.md").read_text() == page(kept)
    assert (results / "capacity.svg").read_text() == picture(kept)
    assert [each["calls"] for each in kept["plans"]] == list(CALLS)
    assert all(each["p99_wait_s"] <= 1.0 and each["refused"] == 0 for each in kept["validated"])
