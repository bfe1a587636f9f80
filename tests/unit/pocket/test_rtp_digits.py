"""Keys of a telephone: one who presses, one who listens, and a line between them that loses packets."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket.rtp.digits import KEYS, MOST_WAITING, DigitReceiver, DigitSender, EventPacket


def press(text: str, timestamp: int = 1000) -> list[EventPacket | None]:
    """Every 20 ms until all is sent."""
    sender = DigitSender()
    sender.push(text)
    steps = []
    while sender.busy:
        steps.append(sender.step(timestamp & 0xFFFFFFFF))
        timestamp += 160
    return steps


def hear(packets: list[EventPacket | None], ssrc: int = 1) -> str:
    receiver = DigitReceiver()
    heard = [receiver.receive(ssrc, packet.timestamp, packet.payload) for packet in packets if packet]
    return "".join(digit for digit in heard if digit)


def test_every_key_is_heard():
    assert hear(press(KEYS)) == KEYS


def test_a_digit_is_a_tone_of_160_ms_three_ends_and_a_gap():
    steps = press("5")
    packets = [packet for packet in steps if packet]
    fields = [struct.unpack("!BBH", packet.payload) for packet in packets]
    assert {event for event, _, _ in fields} == {5}
    assert [duration for _, _, duration in fields] == [160 * n for n in range(1, 9)] + [1280] * 3
    assert [bool(flags & 0x80) for _, flags, _ in fields] == [False] * 8 + [True] * 3
    assert [packet.marker for packet in packets] == [True] + [False] * 10
    assert {packet.timestamp for packet in packets} == {1000}
    assert steps[11:] == [None] * 4


def test_a_pause_lasts_half_a_second():
    assert len(press("w")) == 25
    assert hear(press("1ww2")) == "12"


def test_what_is_no_key_is_passed_over_and_small_letters_are_keys():
    assert hear(press("+1 (a)-2é")) == "1A2"


def test_a_sender_holds_only_so_many():
    assert len(hear(press("12" * MOST_WAITING))) == MOST_WAITING


@given(st.text(KEYS, min_size=1, max_size=4), st.data())
def test_each_digit_is_heard_once_whichever_of_its_packets_are_lost(text, data):
    packets = [packet for packet in press(text, 0xFFFFFC00) if packet]
    kept = []
    for start in range(0, len(packets), 11):
        of_digit = packets[start : start + 11]
        kept += [of_digit[place] for place in sorted(data.draw(st.sets(st.integers(0, 10), min_size=1)))]
    assert hear(kept) == text


@pytest.mark.parametrize("lost", range(22))
def test_the_loss_of_any_one_packet_changes_nothing(lost):
    packets = [packet for packet in press("55") if packet]
    del packets[lost]
    assert hear(packets) == "55"


def test_a_late_end_of_a_digit_is_no_digit():
    packets = [packet for packet in press("12") if packet]
    late = packets.pop(10)
    assert hear([*packets[:13], late, *packets[13:]]) == "12"


def test_a_key_held_for_ten_seconds_is_one_digit():
    def packet(timestamp, duration, end=False):
        return EventPacket(struct.pack("!BBH", 5, 0x80 if end else 0, duration), timestamp, False)

    held = [packet(0, 0xFFFF), packet(0xFFFF, 160), packet(0xFFFF, 14_000, end=True)]
    assert hear(held) == "5"


def test_a_sender_that_started_again_is_heard():
    receiver = DigitReceiver()
    one = press("1", timestamp=900_000)[0]
    two = press("2", timestamp=10)[0]
    assert receiver.receive(1, one.timestamp, one.payload) == "1"
    assert receiver.receive(2, two.timestamp, two.payload) == "2"
    assert receiver.receive(2, two.timestamp, two.payload) is None


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=8))))
def test_whatever_comes_is_a_digit_or_nothing(events):
    receiver = DigitReceiver()
    for timestamp, payload in events:
        digit = receiver.receive(1, timestamp, payload)
        assert digit is None or digit in KEYS
