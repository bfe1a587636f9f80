"""Encrypted RTP."""

import pytest

from pocket.rtp.keys import SUITES, make_key, make_keys, parse_key
from pocket.rtp.packet import Packet
from pocket.rtp.srtp import MOST_SOURCES, Srtp


def packet(sequence: int, ssrc: int = 1) -> bytes:
    return Packet(0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, bytes(160)).pack()


@pytest.fixture(params=SUITES)
def keys(request):
    return make_key(request.param), make_key(request.param)


@pytest.fixture
def pair(keys):
    near, far = keys
    return Srtp(near, far), Srtp(far, near)


def test_each_side_reads_the_other_and_a_listener_nothing(pair):
    one, other = pair
    for sequence in range(5):
        protected = one.protect(packet(sequence))
        assert bytes(80) not in protected
        assert other.unprotect(protected) == packet(sequence)
        assert one.unprotect(other.protect(packet(sequence))) == packet(sequence)


def test_the_wrong_key_a_repetition_and_garbage_are_dropped(pair, keys):
    one, other = pair
    stranger = Srtp(make_key(keys[0].suite), keys[1])
    assert other.unprotect(stranger.protect(packet(1))) is None
    protected = one.protect(packet(1))
    assert other.unprotect(protected) is not None
    assert other.unprotect(protected) is None
    for garbage in (b"", b"\x80", packet(2), packet(2)[:20], bytes(3000), b"\x9f" * 40):
        assert other.unprotect(garbage) is None


def test_the_same_keys_go_on_over_the_wrap_of_the_sequence(pair, keys):
    one, other = pair
    for sequence in range(65500, 65600):
        assert other.unprotect(one.protect(packet(sequence))) == packet(sequence)
    one.use(*keys)
    other.use(keys[1], keys[0])
    assert other.unprotect(one.protect(packet(65600))) == packet(65600)


def test_a_new_key_takes_the_place_of_the_old_one(pair, keys):
    one, other = pair
    before = one.protect(packet(1))
    new = make_key(keys[0].suite)
    one.use(new, keys[1])
    assert other.unprotect(one.protect(packet(2))) is None
    other.use(keys[1], new)
    assert other.unprotect(before) is None
    assert other.unprotect(one.protect(packet(3))) == packet(3)
    assert one.unprotect(other.protect(packet(4))) == packet(4)


def test_a_far_end_may_change_its_source_for_ever(pair):
    one, other = pair
    for ssrc in range(1, 3 * MOST_SOURCES):
        assert other.unprotect(one.protect(packet(1, ssrc))) == packet(1, ssrc)


def test_a_key_is_read_as_it_was_written():
    for key in make_keys():
        assert parse_key(key.attribute) == key
        assert parse_key(key.attribute + "|2^31") == key
        assert key.attribute.split(":")[1] not in repr(key)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 AES_CM_128_HMAC_SHA1_80",
        "1 AES_CM_128_HMAC_SHA1_80 inline:tooshort",
        "1 AES_256_CM_HMAC_SHA1_80 inline:" + "A" * 40,
        "x AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40,
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "|1:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "|2^20|1:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + " UNENCRYPTED_SRTP",
    ],
)
def test_a_key_that_asks_for_what_we_do_not_do_is_passed_over(value):
    assert parse_key(value) is None
