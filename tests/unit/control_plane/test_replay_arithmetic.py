"""Words are spread over their line, and the parts of a gap sum to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.timing import TurnMarks
from control_plane.replays.spreading import following_of, length_of, spread
from control_plane.replays.waterfall import waterfall


def test_words_take_the_time_of_their_letters_within_the_line() -> None:
    assert spread("We are open", 1000, 1200) == [
        {"text": "We", "start_ms": 1000, "end_ms": 1300},
        {"text": "are", "start_ms": 1300, "end_ms": 1700},
        {"text": "open", "start_ms": 1700, "end_ms": 2200},
    ]
    assert spread("  ", 1000, 500) == []


@given(text=st.text(max_size=200), begin=st.integers(0, 10**7), duration=st.integers(0, 10**6))
def test_words_follow_one_another_and_none_is_outside_its_line(text: str, begin: int, duration: int) -> None:
    words = spread(text, begin, duration)
    assert [word["text"] for word in words] == text.split()
    edges = [begin, *(edge for word in words for edge in (word["start_ms"], word["end_ms"])), begin + duration]
    assert edges == sorted(edges)


def test_a_line_of_unknown_length_ends_before_the_next() -> None:
    assert length_of("Hello there, good morning", 0, 0, 900) == 900
    assert length_of("Hello there, good morning", 0, 0, None) == 1666
    assert length_of("Hello there, good morning", 0, 2400, 900) == 2400
    assert following_of([0, 500, 500, 900]) == [500, 900, 900, None]


def test_what_no_part_explains_is_named() -> None:
    bars = waterfall({"recognition_ms": 100.0, "model_ms": None, "playout_ms": 50.0}, 400.0)
    assert [(bar.part, bar.begin_ms, bar.ms) for bar in bars] == [
        ("recognition", 0.0, 100.0),
        ("transport", 100.0, 50.0),
        ("other", 150.0, 250.0),
    ]


parts = st.dictionaries(
    st.sampled_from(["recognition_ms", "endpointing_ms", "model_ms", "tools_ms", "playout_ms", "other_ms", "else"]),
    st.none() | st.floats(-100, 5000),
)


@given(parts=parts, gap=st.floats(0, 20_000))
def test_bars_sum_to_the_gap_whatever_was_measured(parts: dict[str, float | None], gap: float) -> None:
    bars = waterfall(parts, gap)
    assert abs(sum(bar.ms for bar in bars) - gap) < 5
    assert all(bar.ms >= 0 for bar in bars)


moments = st.floats(0, 5).map(lambda offset: 1000 + offset)


@given(marks=st.lists(st.none() | moments, min_size=5, max_size=5), end=st.floats(0.1, 10))
def test_what_a_worker_measured_sums_to_the_gap_that_was_heard(marks: list[float | None], end: float) -> None:
    names = ("transcribed", "committed", "retrieved", "first_token", "first_frame")
    turn = TurnMarks(speech_ended=1000.0, **dict(zip(names, marks, strict=True)))  # type: ignore[arg-type]
    measured = turn.measure(1000 + end)
    assert measured.audio_started_at is not None
    assert measured.speech_ended_at is not None
    gap = (measured.audio_started_at - measured.speech_ended_at).total_seconds() * 1000
    kept = {name: part for name, part in measured.model_dump().items() if name.endswith("_ms")}
    assert abs(sum(part or 0 for part in kept.values()) - gap) < 5
    assert sum(bar.ms for bar in waterfall(kept, gap)) == pytest.approx(gap, abs=5)
