"""Streams over the loopback: two that hear each other, and one beside a bare socket."""

import asyncio
import socket

import numpy as np
import pytest

from pocket.rtp.codecs import CODECS, G722, PCMA, PCMU, Codec, Samples, make_coder
from pocket.rtp.digits import KEYS
from pocket.rtp.keys import SUITES, make_key
from pocket.rtp.ports import NoPort, Ports
from pocket.rtp.sdp import NOWHERE, SrtpKeys
from tests.support.rtp import HOST, SILENCE, Telephone, rtp, until

pytestmark = pytest.mark.anyio


async def talk(one: Telephone, other: Telephone, frames: list[Samples | None]) -> None:
    """The one speaks, the other is silent."""
    for frame in frames:
        received = one.stream.counters.received, other.stream.counters.received
        one.stream.tick(frame)
        other.stream.tick(None)
        await until(lambda before=received[0]: one.stream.counters.received > before)
        await until(lambda before=received[1]: other.stream.counters.received > before)


def tone(codec: Codec, pitch: int, frames: int = 25) -> list[Samples]:
    samples = np.arange(frames * codec.frame_samples)
    wave = (8000 * np.sin(2 * np.pi * pitch * samples / codec.sample_rate)).astype(np.int16)
    return np.split(wave, frames)


def pitch_of(pcm: Samples, sample_rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * sample_rate / len(pcm))


# Two that hear each other


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
async def test_two_hear_each_other(telephone, codec, encrypted):
    one, other = await telephone(), await telephone()
    keys = SrtpKeys(make_key(SUITES[0]), make_key(SUITES[0])) if encrypted else None
    one.agree(other.stream.port, codec=codec, srtp=keys)
    other.agree(one.stream.port, codec=codec, srtp=SrtpKeys(*reversed(keys)) if keys else None)

    await talk(one, other, tone(codec, 440))
    assert pitch_of(other.audio(), codec.sample_rate) == pytest.approx(440, abs=4)
    one.heard.clear()
    await talk(other, one, tone(codec, 1000))
    assert pitch_of(one.audio(), codec.sample_rate) == pytest.approx(1000, abs=4)

    assert one.stream.sample_rate == codec.sample_rate
    assert len(one.audio()) == 25 * codec.frame_samples
    assert (one.stream.counters.sent, other.stream.counters.received) == (50, 50)


async def test_keys_pressed_while_speaking_arrive_once_each_and_speech_goes_on(telephone):
    one, other = await telephone(), await telephone()
    one.agree(other.stream.port)
    other.agree(one.stream.port)
    one.stream.send_digits(KEYS)
    assert one.stream.digits_pending
    speech = tone(PCMU, 440, 1)[0]
    while one.stream.digits_pending:
        await talk(one, other, [speech])
    assert "".join(other.digits) == KEYS
    assert not np.any(other.audio())
    await talk(one, other, [speech])
    assert np.any(other.audio())
    assert other.stream.counters.lost == 0


async def test_digits_are_dropped_where_the_far_end_takes_none(alone):
    one, gate = alone
    one.agree(gate.port, telephone_event=None)
    one.stream.send_digits("123")
    one.stream.tick(None)
    assert not one.stream.digits_pending
    assert (await gate.get())[1] == PCMU.payload_type


async def test_digits_under_the_number_of_our_offer_are_heard_too(alone):
    one, gate = alone
    one.agree(gate.port, telephone_event=96)
    await gate.say(rtp(1, b"\x03\x0a\x00\xa0", payload_type=101, timestamp=1))
    await gate.say(rtp(2, b"\x04\x0a\x00\xa0", payload_type=96, timestamp=9000))
    assert one.digits == ["3", "4"]


async def test_codec_and_rate_may_change_in_a_call(telephone):
    one, other = await telephone(), await telephone()
    for codec in (PCMU, G722, PCMA):
        one.agree(other.stream.port, codec=codec)
        other.agree(one.stream.port, codec=codec)
        other.heard.clear()
        await talk(one, other, tone(codec, 440))
        assert pitch_of(other.audio(), codec.sample_rate) == pytest.approx(440, abs=4)


# The rhythm


async def test_each_tick_sends_one_packet_and_the_stream_never_breaks(alone):
    one, gate = alone
    packets = []
    for frame in (None, tone(PCMU, 440, 1)[0], None):
        one.stream.tick(frame)
        packets.append(await gate.get())
    sequences = [int.from_bytes(packet[2:4], "big") for packet in packets]
    times = [int.from_bytes(packet[4:8], "big") for packet in packets]
    assert [(later - sequences[0]) & 0xFFFF for later in sequences] == [0, 1, 2]
    assert [(later - times[0]) & 0xFFFFFFFF for later in times] == [0, 160, 320]
    assert not np.any(make_coder(PCMU).decode(packets[0][12:]))


async def test_nothing_is_sent_while_held_and_the_clock_runs_on(alone):
    one, gate = alone
    one.stream.tick(None)
    before = await gate.get()
    one.agree(gate.port, address=NOWHERE, send=False)
    one.stream.send_digits("1")
    for _ in range(10):
        one.stream.tick(None)
    assert one.stream.held
    assert one.stream.digits_pending
    one.agree(gate.port)
    one.stream.tick(None)
    after = await gate.get()
    assert (int.from_bytes(after[2:4], "big") - int.from_bytes(before[2:4], "big")) & 0xFFFF == 1
    assert (int.from_bytes(after[4:8], "big") - int.from_bytes(before[4:8], "big")) & 0xFFFFFFFF == 11 * 160


async def test_nothing_is_sent_before_an_agreement_or_after_the_end(telephone):
    one = await telephone()
    one.stream.tick(None)
    one.agree(9)
    one.stream.close()
    one.stream.tick(None)
    one.stream.close()
    assert one.stream.counters.sent == 0


async def test_a_frame_of_another_length_is_refused(alone):
    one, _ = alone
    with pytest.raises(ValueError, match="160 samples"):
        one.stream.tick(np.zeros(320, np.int16))


async def test_a_hole_is_concealed_after_60_ms_and_fades(alone):
    one, gate = alone
    loud = make_coder(PCMU).encode(tone(PCMU, 440, 1)[0])
    await gate.say(rtp(1, loud), rtp(3, loud))
    assert len(one.audio()) == 160
    one.now += 0.061
    one.stream.tick(None)
    before, concealed, after = np.split(one.audio(), 3)
    assert 0.4 < np.abs(concealed).max() / np.abs(before).max() < 0.8
    assert np.array_equal(before, after)
    assert one.stream.counters.lost == one.stream.counters.concealed == 1


async def test_when_audio_stops_silence_keeps_the_rooms_clock_going(alone):
    one, gate = alone
    one.stream.tick(None)
    assert one.heard == []  # nothing flowed yet
    await gate.say(rtp(1))
    one.now += 0.19
    one.stream.tick(None)
    assert len(one.audio()) == 160
    one.now += 0.02
    one.stream.tick(None)
    one.stream.tick(None)
    assert len(one.audio()) == 3 * 160


async def test_what_is_heard_on_hold_is_silence(alone):
    one, gate = alone
    await gate.say(rtp(1))
    one.agree(gate.port, receive=False)
    loud = make_coder(PCMU).encode(tone(PCMU, 440, 1)[0])
    await gate.say(rtp(2, loud), rtp(3, loud))
    one.now += 0.2
    one.stream.tick(None)
    assert len(one.audio()) == 2 * 160
    assert not np.any(one.audio())


@pytest.mark.parametrize("milliseconds", [10, 20, 25, 30, 60])
async def test_packets_of_other_lengths_come_in_whole_pieces_of_10_ms(alone, milliseconds):
    one, gate = alone
    payload = SILENCE[:1] * (8 * milliseconds)
    await gate.say(*(rtp(sequence, payload) for sequence in range(4)))
    assert all(len(piece) % 80 == 0 for piece in one.heard)
    assert len(one.audio()) == 4 * 8 * milliseconds


async def test_one_who_changes_between_both_kinds_of_g711_is_understood(alone):
    one, gate = alone
    frame = tone(PCMU, 440, 1)[0]
    await gate.say(rtp(1, make_coder(PCMA).encode(frame), payload_type=8))
    assert np.abs(one.audio().astype(int) - frame).max() < 300


async def test_the_time_of_the_last_packet_is_known(alone):
    one, gate = alone
    assert one.stream.heard_at is None
    await gate.say(rtp(1))
    one.now += 5
    await gate.say(rtp(2))
    assert one.stream.heard_at == 1005.0


# The port


async def test_a_closed_stream_frees_its_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        first = probe.getsockname()[1] & ~1
    ports = Ports(first, first)
    one = await Telephone().open(ports)
    with pytest.raises(NoPort):
        await Telephone().open(ports)
    one.stream.close()
    await asyncio.sleep(0)
    again = await Telephone().open(ports)
    assert again.stream.port == first
    again.stream.close()
    await asyncio.sleep(0)
