"""Whom a stream hears: nobody but the far end of its agreement, in the right key, at a sane pace."""

import pytest

from pocket.rtp.keys import SUITES, make_key
from pocket.rtp.sdp import SrtpKeys
from pocket.rtp.stream import MOST_BYTES
from tests.support.rtp import Gate, rtp, until

pytestmark = pytest.mark.anyio


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
