"""What goes out: one packet every 20 ms, digits before audio. Pure."""

import secrets

import numpy as np

from pocket.rtp.codecs import FRAME_BYTES, PCMU, Codec, Samples, make_coder
from pocket.rtp.digits import DigitSender
from pocket.rtp.packet import Packet


class Sender:
    """One outgoing stream. Sequence and timestamp run on through changes of the codec."""

    def __init__(self) -> None:
        self.digits = DigitSender()
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)
        self._codec, self._coder = PCMU, make_coder(PCMU)
        self._telephone_event: int | None = None

    def use(self, codec: Codec, telephone_event: int | None) -> None:
        """Send with this codec, and digits under this payload type; without one queued digits are dropped."""
        if codec != self._codec:
            self._codec, self._coder = codec, make_coder(codec)
        self._telephone_event = telephone_event

    def step(self, pcm: Samples | None) -> bytes:
        """Return the packet of these 20 ms, silence for None. `ValueError` where `pcm` is not 20 ms."""
        if pcm is not None and (pcm.shape != (self._codec.frame_samples,) or pcm.dtype != np.int16):
            raise ValueError(f"a frame has {self._codec.frame_samples} samples of int16")
        packet = self._digit(pcm) if self.digits.busy else self._audio(pcm)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.skip()
        return packet.pack()

    def skip(self) -> None:
        """Let 20 ms pass without a packet."""
        self._timestamp = (self._timestamp + FRAME_BYTES) & 0xFFFFFFFF

    def _audio(self, pcm: Samples | None) -> Packet:
        payload = self._coder.encode(np.zeros(self._codec.frame_samples, np.int16) if pcm is None else pcm)
        return Packet(self._codec.payload_type, self._sequence, self._timestamp, self._ssrc, payload)

    def _digit(self, pcm: Samples | None) -> Packet:
        if self._telephone_event is None:
            self.digits.clear()
            return self._audio(pcm)
        event = self.digits.step(self._timestamp)
        if event is None:
            return self._audio(None)  # scraps of speech between digits would spoil them
        return Packet(
            self._telephone_event, self._sequence, event.timestamp, self._ssrc, event.payload, marker=event.marker
        )
