"""Streams over the loopback: two that hear each other, and what strangers can do to them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from pocket.rtp.codecs import CODECS, G722, PCMA, PCMU, Codec, Samples, make_coder
from pocket.rtp.digits import KEYS
from pocket.rtp.keys import SUITES, make_key
from pocket.rtp.packet import Packet
from pocket.rtp.ports import NoPort, Ports
from pocket.rtp.sdp import NOWHERE, Agreement, SrtpKeys
from pocket.rtp.stream import MOST_BYTES, MediaStream

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
SILENCE = bytes([0xFF]) * 160


class Telephone:
    """A stream, what it heard, and a clock that only moves when told."""

    def __init__(self) -> None:
        self.stream: MediaStream
        self.heard: list[Samples] = []
        self.digits: list[str] = []
        self.now = 1000.0

    async def open(self, ports: Ports) -> "Telephone":
        self.stream = await MediaStream.open(
            ports, HOST, on_audio=self._on_audio, on_digit=self._on_digit, clock=lambda: self.now
        )
        return self

    def agree(self, port: int, *, address: str = HOST, codec: Codec = PCMU, **changes) -> None:
        values = {"telephone_event": 101, "send": True, "receive": True, "srtp": None, **changes}
        self.stream.agree(Agreement(codec=codec, address=address, port=port, **values))

    def audio(self) -> Samples:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.int16)

    def _on_audio(self, pcm: Samples) -> None:
        self.heard.append(pcm)

    def _on_digit(self, digit: str) -> None:
        self.digits.append(digit)


class Gate:
    """A bare socket that sends to a stream."""

    def __init__(self, to: Telephone, host: str = HOST) -> None:
        self._to = to
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    async def say(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            before = taken(self._to)
            self._socket.sendto(datagram, (HOST, self._to.stream.port))
            await until(lambda before=before: taken(self._to) > before)

    async def get(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, 2000)

    def close(self) -> None:
        self._socket.close()


def taken(telephone: Telephone) -> int:
    """Datagrams that came to something."""
    counters = telephone.stream.counters
    return (
        counters.received
        + counters.stranger
        + counters.malformed
        + counters.unauthentic
        + counters.unknown
        + counters.flood
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def rtp(sequence: int, payload: bytes = SILENCE, *, payload_type: int = 0, ssrc: int = 5, timestamp: int = 0) -> bytes:
    return Packet(payload_type, sequence & 0xFFFF, timestamp, ssrc, payload).pack()


@pytest.fixture
def ports() -> Ports:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        first = min(probe.getsockname()[1], 64_000)
    return Ports(first, first + 100)


@pytest.fixture
async def telephone(ports) -> AsyncIterator[Callable[[], Awaitable[Telephone]]]:
    opened: list[Telephone] = []

    async def make() -> Telephone:
        opened.append(await Telephone().open(ports))
        return opened[-1]

    yield make
    for each in opened:
        each.stream.close()
    await asyncio.sleep(0)


@pytest.fixture
async def alone(telephone) -> AsyncIterator[tuple[Telephone, Gate]]:
    """A telephone that agreed with a bare socket on PCMU."""
    one = await telephone()
    gate = Gate(one)
    one.agree(gate.port)
    yield one, gate
    gate.close()


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


# Strangers


async def test_strangers_are_neither_heard_nor_followed(alone):
    one, gate = alone
    await gate.say(rtp(1))
    same_host, other_host = Gate(one), Gate(one, "127.0.0.2")
    await same_host.say(rtp(2))
    await other_host.say(rtp(2))
    assert one.stream.counters.stranger == 2
    assert one.stream.counters.received == 1
    one.stream.tick(None)
    assert len(await gate.get()) == 172
    same_host.close()
    other_host.close()


async def test_another_port_of_the_host_is_followed_once_until_the_first_packet(telephone):
    one = await telephone()
    behind, later, elsewhere = Gate(one), Gate(one), Gate(one, "127.0.0.2")
    one.agree(9)
    await elsewhere.say(rtp(1))
    await behind.say(rtp(1))
    await later.say(rtp(2))
    assert (one.stream.counters.received, one.stream.counters.stranger) == (1, 2)
    one.stream.tick(None)
    assert len(await behind.get()) == 172

    one.agree(9)  # nothing new: still locked
    await later.say(rtp(2))
    assert one.stream.counters.stranger == 3
    one.agree(later.port)
    await later.say(rtp(2))
    assert one.stream.counters.received == 2
    for gate in (behind, later, elsewhere):
        gate.close()


async def test_garbage_does_not_lock_the_source(telephone):
    one = await telephone()
    gate, noise = Gate(one), Gate(one)
    one.agree(gate.port)
    await noise.say(b"x", bytes(200), rtp(1, payload_type=77), rtp(1, b"\x01", payload_type=101), rtp(1, bytes(481)))
    await gate.say(rtp(1))
    counters = one.stream.counters
    assert (counters.malformed, counters.unknown, counters.received) == (4, 1, 1)
    assert one.stream.heard_at is not None
    gate.close()
    noise.close()


async def test_everyone_is_a_stranger_before_an_agreement(telephone):
    one = await telephone()
    gate = Gate(one)
    await gate.say(rtp(1))
    assert one.stream.counters.stranger == 1
    gate.close()


async def test_a_packet_under_the_wrong_key_is_not_heard(telephone):
    one, other = await telephone(), await telephone()
    mine, theirs, wrong = (make_key(SUITES[1]) for _ in range(3))
    one.agree(other.stream.port, srtp=SrtpKeys(mine, theirs))
    other.agree(one.stream.port, srtp=SrtpKeys(wrong, mine))
    other.stream.tick(None)
    await until(lambda: one.stream.counters.unauthentic == 1)
    assert (one.stream.counters.received, one.stream.heard_at, one.heard) == (0, None, [])


async def test_a_flood_is_cut_off_and_the_call_goes_on(alone):
    one, gate = alone
    await gate.say(*(rtp(sequence) for sequence in range(200)))
    received = one.stream.counters.received
    assert received == MOST_BYTES // 172
    assert one.stream.counters.flood == 200 - received
    for sequence in range(200, 240):
        one.now += 0.02
        one.stream.tick(None)
        await gate.say(rtp(sequence))
    assert one.stream.counters.received == received + 40


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
