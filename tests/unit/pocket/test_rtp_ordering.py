"""Packets into order, without delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket.rtp.counters import Counters
from pocket.rtp.ordering import JUMP, MOST_CONCEALED, PATIENCE, WAIT, Ordering

SOURCE = 7


class Line:
    """An ordering whose items are their own sequence numbers."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.ordering: Ordering[int] = Ordering(self.counters)

    def put(self, *sequences: int, ssrc: int = SOURCE, now: float = 0.0) -> list[int | None]:
        return [out for each in sequences for out in self.ordering.put(each, ssrc, each, now)]

    def tick(self, now: float) -> list[int | None]:
        return self.ordering.tick(now)


@pytest.fixture
def line():
    return Line()


def test_packets_in_order_are_handed_on_as_they_come(line):
    for sequence in range(10, 20):
        assert line.put(sequence) == [sequence]


def test_two_that_changed_places_are_put_right(line):
    assert line.put(1, 3) == [1]
    assert line.put(2) == [2, 3]
    assert line.counters == Counters()


def test_a_missing_packet_is_concealed_when_three_later_ones_are_here(line):
    assert line.put(1, 3, 4) == [1]
    assert line.put(5) == [None, 3, 4, 5]
    assert (line.counters.lost, line.counters.concealed) == (1, 1)


def test_a_missing_packet_is_concealed_after_60_ms(line):
    line.put(1, now=0.0)
    line.put(3, now=0.02)
    assert line.tick(0.07) == []
    assert line.tick(0.02 + WAIT) == [None, 3]


def test_two_holes_are_waited_for_one_after_the_other(line):
    line.put(1, now=0.0)
    line.put(3, now=0.02)
    line.put(5, now=0.06)
    assert line.tick(0.09) == [None, 3]
    assert line.tick(0.10) == []
    assert line.tick(0.13) == [None, 5]


def test_a_long_hole_is_concealed_for_five_packets_only(line):
    line.put(0)
    assert line.put(100, 101, 102) == [None] * MOST_CONCEALED + [100, 101, 102]
    assert (line.counters.lost, line.counters.concealed) == (99, MOST_CONCEALED)


def test_duplicates_are_dropped_whether_they_wait_or_were_handed_on(line):
    assert line.put(1, 1, 3, 3, 2, 3, 2) == [1, 2, 3]
    assert line.counters.duplicate == 4


def test_one_that_comes_after_it_was_given_up_is_dropped_as_late(line):
    line.put(1, 3, 4, 5)
    assert line.put(2) == []
    assert line.put(2) == []
    assert (line.counters.late, line.counters.duplicate) == (1, 1)


def test_numbers_wrap(line):
    assert line.put(65534, 0, 65535, 1) == [65534, 65535, 0, 1]


def test_another_source_starts_anew_and_what_waited_is_not_lost(line):
    line.put(1, 3)
    assert line.put(500, ssrc=8) == [3, 500]
    assert line.put(501, ssrc=8) == [501]
    assert line.counters.restarted == 1


@pytest.mark.parametrize("sequence", [5000 - 200, 5000 + JUMP + 2])
def test_a_sender_that_jumps_is_followed_from_its_second_packet_on(line, sequence):
    line.put(5000)
    assert line.put(sequence) == []
    assert line.put(sequence + 1, sequence + 2) == [sequence + 1, sequence + 2]
    assert line.counters.restarted == 1


def test_one_stray_packet_changes_nothing(line):
    line.put(5000)
    assert line.put(40_000, 5001, 40_001, 5002) == [5001, 5002]
    assert line.counters.restarted == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF) | st.integers(0, 40) | st.integers(65500, 65535), st.sampled_from([1, 1, 1, 2])
        ),
        max_size=200,
    ),
    st.sampled_from([0.0, 0.005, 0.02, 0.1]),
)
def test_whatever_comes_nothing_is_handed_on_twice_and_little_is_held(packets, pace):
    line = Line()
    handed: list[tuple[int, int] | None] = []
    ordering: Ordering[tuple[int, int]] = Ordering(line.counters)
    for number, (sequence, ssrc) in enumerate(packets):
        out = ordering.put(sequence, ssrc, (number, sequence), number * pace) + ordering.tick(number * pace)
        assert len(out) <= MOST_CONCEALED * PATIENCE + PATIENCE + 1
        handed += out
    held = [item for item in ordering.tick(1e9) if item is not None]
    assert len(held) < PATIENCE
    real = [item for item in handed if item is not None] + held
    assert len(set(real)) == len(real)


@given(st.data(), st.integers(0, 0xFFFF), st.integers(2, 60))
def test_of_a_stream_with_losses_repeats_and_small_swaps_each_packet_is_handed_on_in_order(data, first, length):
    line = Line()
    order = list(range(1, length))
    for place in range(0, length - 2, 2):
        if data.draw(st.booleans()):
            order[place], order[place + 1] = order[place + 1], order[place]
    lost = data.draw(st.sets(st.sampled_from(order), max_size=length // 2))
    sent = [0] + [number for number in order if number not in lost]
    out: list[int | None] = []
    for number in sent:
        for _ in range(data.draw(st.integers(1, 2))):
            out += line.put((first + number) & 0xFFFF)
    out += line.tick(1e9)
    heard = [(item - first) & 0xFFFF for item in out if item is not None]
    assert heard == sorted(heard)
    assert len(heard) + line.counters.late == len(sent)
