"""What comes in: packets to audio in order and to digits. Pure."""

from collections.abc import Callable, Sequence, Set
from typing import Final

import numpy as np

from pocket.rtp.codecs import PCMA, PCMU, Codec, Samples, make_coder
from pocket.rtp.counters import Counters
from pocket.rtp.digits import EVENT, DigitReceiver
from pocket.rtp.ordering import Ordering
from pocket.rtp.packet import Packet

LONGEST: Final = 480
"""Bytes of audio in a packet: 60 ms."""
COMFORT_NOISE: Final = 13
"""RFC 3389. A silence to us."""
QUIET: Final = 0.2
"""Seconds without audio after which silence is handed on, so that the listener's clock does not stand still."""
FADE: Final = 0.6
"""Each packet that fills a hole is the last one heard, this much softer."""


class Receiver:
    """One incoming stream. Hands on audio in whole pieces of 10 ms, and each digit once."""

    def __init__(
        self, counters: Counters, on_audio: Callable[[Samples], None], on_digit: Callable[[str], None]
    ) -> None:
        self._counters, self._on_audio, self._on_digit = counters, on_audio, on_digit
        self._digits = DigitReceiver()
        self._audible = True
        self._audio_at: float | None = None
        self._begin(PCMU)

    def use(self, codec: Codec, events: Set[int], *, audible: bool) -> None:
        """Take audio of this codec and digits under these payload types; audio is dropped unless `audible`."""
        if codec != self._codec:
            self._begin(codec)
        self._events = events - self._coders.keys()
        self._audible = audible

    def accepts(self, packet: Packet) -> bool:
        """Whether this is a packet of the stream; if not, it is counted."""
        if packet.payload_type in self._events:
            well_formed = len(packet.payload) >= EVENT.size
        elif packet.payload_type in self._coders:
            well_formed = len(packet.payload) <= LONGEST
        elif packet.payload_type == COMFORT_NOISE:
            well_formed = True
        else:
            self._counters.unknown += 1
            return False
        self._counters.malformed += not well_formed
        return well_formed

    def take(self, packet: Packet, now: float) -> None:
        """Take in an accepted packet."""
        if packet.payload_type in self._events:
            digit = self._digits.receive(packet.ssrc, packet.timestamp, packet.payload)
            if digit is not None:
                self._on_digit(digit)
            if packet.ssrc != self._ordering.ssrc:
                return  # some send digits as a stream of their own; else they have their place in the order of audio
        self._hand_on(self._ordering.put(packet.sequence, packet.ssrc, packet, now), now)

    def tick(self, now: float) -> None:
        """Let time pass: 20 ms since the last time."""
        self._hand_on(self._ordering.tick(now), now)
        if self._audio_at is not None and now - self._audio_at >= QUIET:
            self._on_audio(np.zeros(self._codec.frame_samples, np.int16))

    def _begin(self, codec: Codec) -> None:
        self._codec = codec
        # One who named both kinds of G.711 may send either.
        codecs = (PCMU, PCMA) if codec in (PCMU, PCMA) else (codec,)
        self._coders = {each.payload_type: make_coder(each) for each in codecs}
        self._ordering: Ordering[Packet] = Ordering(self._counters)
        self._last = self._rest = np.zeros(0, np.int16)

    def _hand_on(self, packets: Sequence[Packet | None], now: float) -> None:
        for packet in packets:
            if packet is None:
                self._last = (self._last * FADE).astype(np.int16)
            elif packet.payload_type in self._coders:
                self._last = self._coders[packet.payload_type].decode(packet.payload)
            else:
                continue
            if self._audible:
                self._audio_at = now
                self._in_pieces(self._last)

    def _in_pieces(self, pcm: Samples) -> None:
        """Hand on whole pieces; what remains waits for the next packet."""
        piece = self._codec.sample_rate // 100
        if len(self._rest):
            pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % piece
        self._rest = pcm[whole:]
        if whole:
            self._on_audio(pcm[:whole])
