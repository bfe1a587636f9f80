"""What is counted of a conversation, exact to the millisecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.analysis.arithmetic import Spoken, count


def test_a_scripted_call_is_counted_exactly() -> None:
    figures = count(
        [
            Spoken("agent", 0, 2_000),
            Spoken("user", 2_500, 4_500),
            Spoken("agent", 4_400, 6_000),  # falls into the caller's word
            Spoken("agent", 9_000, 11_000, interrupted=True),
            Spoken("user", 10_800, 12_800),
            Spoken("system", 30_000, 40_000),
        ]
    )
    assert (figures.agent_ms, figures.people_ms, figures.talk_ratio) == (5_600, 4_000, 0.4167)
    assert (figures.interruptions, figures.barge_ins, figures.lines) == (1, 1, 5)
    assert figures.longest_silence_ms == 3_000


def test_people_who_speak_at_once_are_counted_once() -> None:
    figures = count([Spoken("user", 0, 3_000), Spoken("user", 1_000, 2_000), Spoken("user", 2_900, 5_000)])
    assert (figures.people_ms, figures.talk_ratio, figures.longest_silence_ms) == (5_000, 1.0, 0)


def test_nobody_spoke() -> None:
    assert count([]).talk_ratio is None


SPANS = st.builds(
    lambda who, began, length: Spoken(who, began, began + length),
    st.sampled_from(["agent", "user"]),
    st.integers(0, 10_000),
    st.integers(0, 3_000),
)


@given(st.lists(SPANS, max_size=20), st.randoms())
def test_the_order_of_lines_changes_nothing_and_no_speech_is_counted_twice(lines: list[Spoken], chance: object) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    figures = count(lines)
    assert count(shuffled) == figures
    for who, counted in (("agent", figures.agent_ms), ("user", figures.people_ms)):
        spoken = {moment for line in lines if line.speaker == who for moment in range(line.began, line.ended)}
        assert counted == len(spoken)


@pytest.mark.parametrize("gap", [0, 1, 60_000])
def test_the_longest_silence_is_the_gap_between_lines(gap: int) -> None:
    assert count([Spoken("agent", 0, 10), Spoken("user", 10 + gap, 20 + gap)]).longest_silence_ms == gap
