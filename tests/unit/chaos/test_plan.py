"""Faults are drawn before a run, and by nothing but the seed."""

from itertools import pairwise

import pytest

from tests.chaos.plan import AT_ONCE, LAST, LASTS, MOMENTARY, WEIGHTS, draw


def test_one_seed_draws_the_same_faults_again_and_another_seed_others() -> None:
    assert draw(7, 300) == draw(7, 300)
    assert draw(7, 300) != draw(8, 300)


@pytest.mark.parametrize("seed", range(30))
def test_faults_come_in_order_end_in_time_and_are_never_too_many(seed: int) -> None:
    faults = draw(seed, 600)
    assert len(faults) > 15
    for one, next_one in pairwise(faults):
        assert one.at <= next_one.at
    for fault in faults:
        assert fault.ends <= 600 - LAST + 0.1
        others = [each for each in faults if each is not fault and each.at <= fault.at < each.ends]
        assert len(others) < AT_ONCE
        assert fault.part not in {each.part for each in others}
        if fault.kind not in MOMENTARY:
            assert fault.seconds <= LASTS[fault.kind][1]


def test_everything_is_drawn_sooner_or_later() -> None:
    drawn = {(fault.kind, fault.part) for seed in range(100) for fault in draw(seed, 1800)}
    assert drawn == set(WEIGHTS)


def test_a_run_may_be_of_some_faults_alone() -> None:
    assert {fault.name for fault in draw(1, 600, only=["kill control_plane"])} == {"kill control_plane"}
    assert {fault.part for fault in draw(1, 3600, only=["worker"])} == {"worker"}
    with pytest.raises(ValueError, match="no fault is called"):
        draw(1, 600, only=["earthquake"])
