"""Telephone codecs: G.711 (µ-law and A-law) by tables, G.722 by FFmpeg.

All three send 8 bytes per millisecond, and the RTP clock of all three runs at 8000 Hz, that of G.722 by an old mistake
(RFC 3551, section 4.5.2): 20 ms are 160 bytes and 160 units of timestamp, whatever the number of samples.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
"""Mono audio, one sample per element."""

FRAME_MS: Final = 20
FRAME_BYTES: Final = 160
"""Payload of one frame; also what a frame adds to the RTP timestamp."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec under its static payload type (RFC 3551, section 6)."""

    name: str
    """As in `a=rtpmap`, in capitals."""
    payload_type: int
    clock_rate: int
    """Units of RTP timestamp per second."""
    sample_rate: int
    """Samples per second of the audio."""

    @property
    def frame_samples(self) -> int:
        """Samples in one frame of 20 ms."""
        return self.sample_rate * FRAME_MS // 1000


G722: Final = Codec("G722", 9, 8000, 16000)
PCMU: Final = Codec("PCMU", 0, 8000, 8000)
PCMA: Final = Codec("PCMA", 8, 8000, 8000)

CODECS: Final = (G722, PCMU, PCMA)
"""What we speak, best first."""


class Coder(Protocol):
    """Both directions of one stream. May keep state: one for each stream, frames in order."""

    def encode(self, pcm: Samples) -> bytes:
        """Payload of one frame."""

    def decode(self, payload: bytes) -> Samples:
        """Samples of a payload of any length."""


def make_coder(codec: Codec) -> Coder:
    """Return a coder for one stream."""
    if codec.name == "G722":
        return _G722Coder()
    return _G711Coder(*_TABLES[codec.name])


class _G711Coder:
    """A byte for each sample, looked up."""

    def __init__(self, to_pcm: Samples, to_byte: npt.NDArray[np.uint8]) -> None:
        self._to_pcm, self._to_byte = to_pcm, to_byte

    def encode(self, pcm: Samples) -> bytes:
        return self._to_byte[pcm.view(np.uint16)].tobytes()

    def decode(self, payload: bytes) -> Samples:
        return self._to_pcm[np.frombuffer(payload, np.uint8)]


class _G722Coder:
    """Two bands of ADPCM. Its filters delay by 22 samples (1.4 ms) there and back, and by no frame."""

    def __init__(self) -> None:
        self._encoder = av.AudioCodecContext.create("g722", "w")
        self._encoder.sample_rate = G722.sample_rate
        self._encoder.layout = "mono"
        self._encoder.format = "s16"
        self._decoder = av.AudioCodecContext.create("g722", "r")
        self._decoder.sample_rate = G722.sample_rate
        self._decoder.layout = "mono"

    def encode(self, pcm: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = G722.sample_rate
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))

    def decode(self, payload: bytes) -> Samples:
        if not payload:
            return np.zeros(0, np.int16)  # to FFmpeg an empty packet is the end of the stream
        frames = self._decoder.decode(av.Packet(payload))
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def _mu_law() -> Samples:
    """The value of each byte (ITU-T G.711, table 2)."""
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law() -> Samples:
    """The value of each byte (ITU-T G.711, table 1)."""
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(values: Samples) -> npt.NDArray[np.uint8]:
    """For each sample, taken as an unsigned index, the byte whose value is nearest."""
    order = np.argsort(values, kind="stable")
    known = values[order].astype(np.int32)
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(known, samples), 1, 255)
    below_is_nearer = samples - known[above - 1] <= known[above] - samples
    return order[np.where(below_is_nearer, above - 1, above)].astype(np.uint8)


_TABLES: Final = {name: (table, _nearest(table)) for name, table in (("PCMU", _mu_law()), ("PCMA", _a_law()))}
