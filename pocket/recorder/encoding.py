"""Files of sound. Whatever is written can be read after a crash, up to the last fifth of a second."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import av
from livekit.protocol import models

from pocket.recorder.voice import RATE
from pocket.rooms.native import Pcm

Kind = Literal["ogg", "mp3", "mp4", "mp4 opus", "wav"]

BROKEN: Final = (OSError, av.FFmpegError)
"""What a full disk or a damaged file raises."""
PIECE: Final = 160_000
"""Microseconds of an Ogg page or an MP4 fragment: what is lost when the process is killed."""


@dataclass(frozen=True, slots=True)
class Format:
    """How FFmpeg makes a kind of file."""

    ending: str
    container: str
    codec: str
    codec_number: int
    """`livekit.AudioCodec`; of none of them: -1."""
    bitrate: int
    """Bits a second of one channel; two have half as much again."""
    mime: str
    options: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)


_MP4: Final = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": str(PIECE)}
_OPUS: Final = {"compression_level": "5", "frame_duration": "20"}

FORMATS: Final[dict[Kind, Format]] = {
    "ogg": Format(".ogg", "ogg", "libopus", models.OPUS, 64_000, "audio/ogg", {"page_duration": str(PIECE)}, _OPUS),
    "mp3": Format(".mp3", "mp3", "libmp3lame", models.AC_MP3, 64_000, "audio/mpeg"),
    "mp4": Format(".mp4", "mp4", "aac", models.AAC, 64_000, "audio/mp4", _MP4),
    "mp4 opus": Format(".mp4", "mp4", "libopus", models.OPUS, 64_000, "audio/mp4", _MP4, _OPUS),
    "wav": Format(".wav", "wav", "pcm_s16le", -1, 0, "audio/wav"),
}


class Writer:
    """Encodes sound into a file. Every method may raise one of `BROKEN`."""

    def __init__(self, path: Path, kind: Kind, *, stereo: bool, bitrate: int = 0) -> None:
        made = FORMATS[kind]
        self.path, self.samples = path, 0
        self._layout = "stereo" if stereo else "mono"
        self._container = av.open(str(path), "w", format=made.container, options={"flush_packets": "1"} | made.options)
        stream: Any = self._container.add_stream(made.codec, rate=RATE, options=made.codec_options)
        stream.layout = self._layout
        if made.bitrate:
            stream.bit_rate = bitrate or made.bitrate * (3 if stereo else 2) // 2
        self._stream = stream

    @property
    def seconds(self) -> float:
        """How much has been written."""
        return self.samples / RATE

    def write(self, pcm: Pcm) -> None:
        """Append sound; two channels alternate."""
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate, frame.pts = RATE, self.samples
        self.samples += frame.samples
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
        finally:
            self._container.close()
