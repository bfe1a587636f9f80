"""The arithmetic of calls on one core: what is carried, within which limit, and what does not count."""

import json

import pytest

from bench.load import carried, is_open, kept, limit_of, mb_a_call, show, summary, verdict
from bench.load_steps import DISTURBED, SATURATED, Step


def step(calls: int, *answers_ms: float, **more: float) -> Step:
    told = {"cores": 0.2 * calls, "pss_mb": 300.0 + 100 * calls} | more
    return Step(calls=calls, answers_ms=list(answers_ms), **told)  # type: ignore[arg-type]


STOCK = [
    [step(1, *[900.0] * 20), step(2, *[950.0] * 20), step(4, *[1100.0] * 20), step(6, *[2000.0] * 20)],
    [step(1, *[910.0] * 20), step(2, *[960.0] * 20), step(4, *[1120.0] * 20)],
]
DENSE = [
    [step(1, *[900.0] * 20, cores=0.1, pss_mb=300), step(8, *[1000.0] * 20, cores=0.8, pss_mb=440)],
    [step(1, *[900.0] * 20, cores=0.1, pss_mb=310), step(8, *[1000.0] * 20, cores=0.8, pss_mb=450)],
]


def test_a_worker_carries_what_it_answers_within_the_limit_of_all() -> None:
    limit = limit_of(STOCK)
    assert limit == 910 + 250
    assert (carried(STOCK, limit), carried(DENSE, limit)) == (4, 8)
    assert not is_open(STOCK, limit)
    assert is_open(DENSE, limit), "nobody knows what more it carries"


def test_more_calls_do_not_count_after_too_many() -> None:
    rounds = [[step(1, 900.0), step(2, 5000.0), step(4, 900.0)]]
    assert carried(rounds, 1150) == 1


def test_a_question_without_an_answer_is_one_that_came_too_late() -> None:
    fine = Step(calls=2, answers_ms=[900.0] * 39, unanswered=1)
    bad = Step(calls=2, answers_ms=[900.0] * 18, unanswered=2)
    assert carried([[step(1, 900.0), fine]], 1150) == 2
    assert carried([[step(1, 900.0), bad]], 1150) == 1


@pytest.mark.parametrize("broken", [{"callers": SATURATED + 0.01}, {"others": DISTURBED + 0.01}])
def test_nothing_is_concluded_from_callers_who_were_late_themselves(broken: dict[str, float]) -> None:
    rounds = [[step(1, *[900.0] * 20), step(2, *[950.0] * 20), step(4, *[9000.0] * 20, **broken)]]
    assert carried(rounds, 1150) == 2
    assert is_open(rounds, 1150), "it may carry four"
    assert "core" in rounds[0][-1].refused


def test_what_is_kept_is_told_for_each_kind_beside_the_first() -> None:
    found = {"stock": STOCK, "dense": DENSE}
    limit = limit_of(STOCK)
    result = json.loads(json.dumps(kept(found, limit, 0.5), allow_nan=False))
    assert result["kinds"]["dense"]["calls_carried"] == 8
    assert result["kinds"]["dense"]["times_the_first"] == 2.0
    assert result["kinds"]["dense"]["mb_per_call"] == 20
    assert result["kinds"]["stock"]["cores_per_call"] == pytest.approx(0.2)
    assert result["rounds"]["stock"][0][3]["p95_ms"] == 2000
    assert show(found, limit).row_count == 6
    assert verdict(found, limit).row_count == 2


def test_a_round_in_which_nothing_was_measured_is_told_as_nothing() -> None:
    found: dict[str, list[list[Step]]] = {"stock": [[]], "dense": [[]]}
    limit = limit_of(found["stock"])
    assert summary(found, limit)["dense"]["calls_carried"] == 0
    assert json.dumps(kept(found, limit, 0.5), allow_nan=False)
    assert mb_a_call([[]], "pss_mb") != mb_a_call([[]], "pss_mb"), "not a number"
