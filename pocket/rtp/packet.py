"""The RTP header (RFC 3550, section 5.1)."""

import struct
from dataclasses import dataclass
from typing import Final

HEADER: Final = struct.Struct("!BBHII")
VERSION: Final = 0x80
MARKER: Final = 0x80


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet; `sequence` has 16 bits, `timestamp` and `ssrc` have 32."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def pack(self) -> bytes:
        """Return the datagram."""
        second = self.payload_type | (MARKER if self.marker else 0)
        return HEADER.pack(VERSION, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def parse(datagram: bytes) -> Packet | None:
    """Read a datagram; None where it is no RTP packet or carries nothing."""
    if len(datagram) < HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    if first & 0xC0 != VERSION:
        return None
    start = HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if end <= start:
        return None
    return Packet(second & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(second & MARKER))
