"""Encrypted RTP (RFC 3711), by libsrtp."""

from typing import Final

from pylibsrtp import Error, Policy, Session

from pocket.rtp.keys import CryptoKey

MOST_SOURCES: Final = 16
"""SSRCs a far end may have at once: libsrtp keeps state for each."""

_PROFILES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


class Srtp:
    """Both directions of one stream. What libsrtp counts for a key must live as long as the key is in use."""

    def __init__(self, send: CryptoKey, receive: CryptoKey) -> None:
        self._send, self._receive = send, receive
        self._outbound = _session(send, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _session(receive, Policy.SSRC_ANY_INBOUND)
        self._sources: dict[int, None] = {}

    def use(self, send: CryptoKey, receive: CryptoKey) -> None:
        """Change keys; a direction whose key is the same goes on."""
        if (send.suite, send.key) != (self._send.suite, self._send.key):
            self._send, self._outbound = send, _session(send, Policy.SSRC_ANY_OUTBOUND)
        if (receive.suite, receive.key) != (self._receive.suite, self._receive.key):
            self._receive, self._inbound = receive, _session(receive, Policy.SSRC_ANY_INBOUND)
            self._sources.clear()

    def protect(self, datagram: bytes) -> bytes:
        """Encrypt and sign an RTP packet of ours."""
        return self._outbound.protect(datagram)

    def unprotect(self, datagram: bytes) -> bytes | None:
        """Return the RTP packet; None where the key is another, or the packet a repetition or no packet at all."""
        try:
            packet = self._inbound.unprotect(datagram)
        except (Error, ValueError):
            return None
        self._remember(int.from_bytes(packet[8:12], "big"))
        return packet

    def _remember(self, ssrc: int) -> None:
        if ssrc not in self._sources:
            if len(self._sources) >= MOST_SOURCES:
                oldest = next(iter(self._sources))
                del self._sources[oldest]
                self._inbound.remove_stream(oldest)
            self._sources[ssrc] = None


def _session(key: CryptoKey, direction: int) -> Session:
    return Session(Policy(key=key.key, ssrc_type=direction, srtp_profile=_PROFILES[key.suite]))
