"""The table of `make bench`: ratios round by round, quartiles, bars, and that nobody is left out of it silently."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import environments
from bench.environments import PEERS, THEIRS, versions
from bench.rows import LIMIT, OURS, Bar, NotHere, Plan, Recorded, Result, Round, Row, Spread, take
from bench.table import MINUTES, ROWS, describe
from bench.table_page import lines, page, picture, shown


def row_of(*rounds: Round, **fields: object) -> Row:
    """A row that is measured in these rounds, and then fails."""

    def measure(_plan: Plan) -> Generator[Round, None, None]:
        yield from rounds
        raise AssertionError("asked for more rounds than there are")

    told: dict[str, object] = {
        "name": "r",
        "what": "something",
        "unit": "ms",
        "better": "less",
        "limit": "nothing",
        "measure": measure,
        "rounds": len(rounds),
        "minutes": 1000,
    }
    return Row(**(told | fields))  # type: ignore[arg-type]


def unmeasured() -> Row:
    """A row that cannot be measured here."""

    def measure(_plan: Plan) -> Generator[Round, None, None]:
        raise NotHere("nobody is here")
        yield {}

    return row_of({OURS: 1}, measure=measure)


def test_the_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(3, 2, 4)
    assert Spread.of([1, 2]) == Spread(1.5, 1.25, 1.75)
    assert Spread.of([7]) == Spread(7, 7, 7)


def test_ratios_are_of_one_round_so_that_a_busy_moment_meets_both() -> None:
    result = take(row_of({LIMIT: 10, OURS: 20}, {LIMIT: 100, OURS: 200}, {LIMIT: 1, OURS: 3}), Plan())
    assert result.ratios() == {LIMIT: Spread(2, 2, 2.5)}
    assert result.spread(OURS).median == 20


def test_a_round_in_which_somebody_did_not_get_on_has_no_ratio() -> None:
    result = take(row_of({LIMIT: 0.0, OURS: 20}, {LIMIT: 10, OURS: 0.0}, {LIMIT: 10, OURS: 20}), Plan())
    assert result.ratios() == {LIMIT: Spread(2, 2, 2)}
    ET.fromstring(picture([result]))


def test_rounds_in_which_ours_did_not_come_count_against_its_bar() -> None:
    bars = (Bar("≤", 2, LIMIT), Bar("≤", 50), Bar("≤", 4, "the first of ours"))
    came: Round = {LIMIT: 10, OURS: 20, "the first of ours": 10}
    once_lost = take(row_of(came, {LIMIT: 10}, came, bars=bars), Plan())
    assert [judged.reached for judged in once_lost.judged()] == [True, True, True]
    often_lost = take(row_of(came, {LIMIT: 10}, {LIMIT: 10}, bars=bars), Plan())
    assert [judged.reached for judged in often_lost.judged()] == [False, False, False]
    assert "NOT reached" in page(describe([often_lost], command="", minutes=1, load=0), [often_lost])
    json.dumps(describe([often_lost], command="", minutes=1, load=0), allow_nan=False)
    slow = take(
        row_of({LIMIT: 10, OURS: 20}, {LIMIT: 10}, {LIMIT: 10}, better="more", bars=(Bar("≥", 1, LIMIT),)), Plan()
    )
    assert [judged.reached for judged in slow.judged()] == [False]


def test_a_recorded_figure_is_compared_with_and_is_no_contestant() -> None:
    row = row_of({OURS: 300}, {OURS: 600}, recorded={"Dograh": Recorded(150, "elsewhere")}, better="more")
    result = take(row, Plan())
    assert result.contestants == [OURS]
    assert result.ratios()["Dograh"] == Spread(3, 2.5, 3.5)


@pytest.mark.parametrize(
    ("bar", "figure", "reached"),
    [
        (Bar("≤", 2, LIMIT), 2.0, True),
        (Bar("≤", 1.9, LIMIT), 2.0, False),
        (Bar("≥", 2, LIMIT), 2.0, True),
        (Bar("≤", 25), 20.0, True),
        (Bar("≥", 25), 20.0, False),
        (Bar("≥", 1, "somebody else"), None, None),
    ],
)
def test_a_bar_is_judged_by_the_median(bar: Bar, figure: float | None, reached: bool | None) -> None:
    result = take(row_of({LIMIT: 10, OURS: 20}, bars=(bar,)), Plan())
    [judged] = result.judged()
    assert (judged.figure, judged.reached) == (figure, reached)


def test_a_row_that_was_not_measured_reaches_no_bar() -> None:
    result = take(replace(unmeasured(), bars=(Bar("≤", 25),)), Plan())
    assert result.failed == "nobody is here"
    assert [each.reached for each in result.judged()] == [None]


def test_rounds_end_with_the_time_but_there_is_one() -> None:
    moments = iter([0.0, 0.0, 50.0, 50.0, 100.0, 100.0])
    row = row_of({OURS: 1}, {OURS: 2}, {OURS: 3}, minutes=2)
    # Each takes 50 s: a third would end after 150 s of 120.
    assert len(take(row, Plan(), clock=lambda: next(moments)).rounds) == 2
    assert len(take(replace(row, minutes=0), Plan()).rounds) == 1


def test_a_quick_run_has_fewer_rounds_and_leaves_rows_out() -> None:
    row = row_of({OURS: 1}, {OURS: 2}, {OURS: 3}, quick_rounds=1)
    assert len(take(row, Plan(quick=True)).rounds) == 1
    assert take(replace(row, quick_rounds=0), Plan(quick=True)).failed == "left out of quick runs"


def test_a_row_that_fails_keeps_its_rounds_and_says_why() -> None:
    result = take(replace(row_of({OURS: 1}), rounds=5), Plan())
    assert result.rounds == [{OURS: 1}]
    assert result.failed == "AssertionError: asked for more rounds than there are"


def test_the_measure_of_a_row_is_closed_when_its_rounds_are_enough() -> None:
    ended = []

    def measure(_plan: Plan) -> Generator[Round, None, None]:
        try:
            while True:
                yield {OURS: 1}
        finally:
            ended.append(True)

    assert len(take(row_of(measure=measure, rounds=3), Plan()).rounds) == 3
    assert ended == [True]


def test_whoever_is_not_here_is_told_in_the_table() -> None:
    def measure(plan: Plan) -> Generator[Round, None, None]:
        plan.missing["Pipecat"] = "it could not be installed"
        while True:
            yield {LIMIT: 10, OURS: 20}

    plan = Plan()
    row = row_of(measure=measure, rounds=1, peers=("Pipecat", "OpenRTC"), bars=(Bar("≤", 1, "Pipecat"),))
    result = take(row, plan)
    assert plan.missing == {}
    assert list(lines(result)) == [
        (LIMIT, "10", "2", ""),
        ("Pipecat", "not here", "", "≤ 1 × Pipecat: not told"),
        ("OpenRTC", "not measured", "", ""),
        (OURS, "20", "", ""),
    ]
    assert "  * Pipecat: it could not be installed." in page(_whole(result), [result])


def test_nothing_can_be_measured_without_its_tool() -> None:
    def measure(_plan: Plan) -> Generator[Round, None, None]:
        raise NotHere("wrk is not installed")
        yield {}

    result = take(row_of(measure=measure, rounds=2), Plan())
    assert (result.failed, result.rounds) == ("wrk is not installed", [])
    assert list(lines(result)) == [(LIMIT, "not measured", "", ""), (OURS, "not measured", "", "")]


def _whole(*results: Result) -> dict[str, object]:
    return describe(list(results), command="make bench", minutes=1.0, load=0.5)


def test_the_result_has_machine_versions_date_rounds_ratios_and_bars_and_can_be_drawn() -> None:
    bars = (Bar("≥", 0.5, LIMIT), Bar("≥", 3, "Dograh"))
    recorded = {"Dograh": Recorded(100, "elsewhere")}
    first = take(row_of({LIMIT: 1000, OURS: 400}, better="more", bars=bars, recorded=recorded), Plan())
    second = take(row_of({LIMIT: 1, OURS: 250}, {LIMIT: 2, OURS: 500}, name="s"), Plan())
    kept = json.loads(json.dumps(_whole(first, second, take(unmeasured(), Plan()))))
    assert kept["machine"]["cores"] > 0
    assert set(PEERS) | {"Parley", "Python"} <= set(kept["versions"])
    assert kept["rows"][0]["ours as a multiple of"]["Dograh"]["median"] == 4
    assert [each["reached"] for each in kept["rows"][0]["bars"]] == [False, True]
    assert kept["rows"][1]["figures"][OURS] == {"median": 375, "low": 312.5, "high": 437.5}
    drawn = ET.fromstring(picture([first, second]))
    dots = [each.get("fill") for each in drawn if each.tag.endswith("circle")]
    assert dots == ["#9ca3af", "#16a34a", "#9ca3af"]
    assert shown([first, second]).row_count == 5


def test_a_picture_of_nothing_can_be_drawn() -> None:
    ET.fromstring(picture([take(unmeasured(), Plan())]))


def test_rows_have_names_of_their_own_and_bars_about_somebody_in_them() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    for row in ROWS:
        for bar in row.bars:
            assert bar.of in ("", LIMIT, *row.peers, *row.recorded), row.name
    assert sum(row.minutes for row in ROWS) <= MINUTES


def test_a_peer_that_cannot_be_installed_is_tried_once_and_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fail(peer: str, _venv: Path) -> Path:
        tried.append(peer)
        raise NotHere("no such version")

    monkeypatch.setattr(environments, "install", fail)
    monkeypatch.setattr(environments, "cache_dir", lambda: Path("/nowhere"))
    environments._made_once.cache_clear()
    for _ in range(2):
        with pytest.raises(NotHere, match="no such version"):
            environments.python_of("openrtc")
    environments._made_once.cache_clear()
    assert tried == ["openrtc"]


def test_peers_are_pinned_with_hashes() -> None:
    assert "unknown" not in versions().values()
    for lock in THEIRS.glob("*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert lock.with_suffix(".in").exists()
