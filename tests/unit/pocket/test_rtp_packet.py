"""The RTP header."""

from hypothesis import given
from hypothesis import strategies as st

from pocket.rtp.packet import Packet, parse

PACKETS = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(min_size=1, max_size=200),
    marker=st.booleans(),
)
PACKET = Packet(0, 1, 2, 3, b"hello")


@given(PACKETS)
def test_what_was_packed_is_read_again(packet):
    assert parse(packet.pack()) == packet


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"\xbf\x00" + tail))
def test_whatever_comes_is_a_packet_with_a_payload_or_none(datagram):
    packet = parse(datagram)
    assert packet is None or packet.payload


def test_sources_extension_and_padding_are_no_payload():
    packed = PACKET.pack()
    sources = bytes(8)
    extension = b"\xbe\xde\x00\x01" + bytes(4)
    padding = b"\x00\x00\x03"
    datagram = bytes([0x80 | 0x20 | 0x10 | 2]) + packed[1:12] + sources + extension + b"hello" + padding
    assert parse(datagram) == PACKET


def test_a_packet_without_payload_is_none():
    packed = PACKET.pack()
    assert parse(packed[:12]) is None
    assert parse(b"\xa0" + packed[1:12] + b"\x00\x02") is None  # all padding
    assert parse(b"\x90" + packed[1:12] + b"\xbe\xde\xff\xff") is None  # an extension longer than the datagram
    assert parse(b"\x40" + packed[1:]) is None  # another version
