"""Files of sound. Whatever is written can be read after a crash, up to the last fifth of a second."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import av
from livekit.protocol import models

from pocket.recorder.voice import RATE
from pocket.rooms.native import Pcm

Kind = Literal[
    "ogg", "mp3", "mp4", "mp4 opus", "wav", "mp4 video", "webm video", "hls", "hls video", "flv", "flv video"
]

BROKEN: Final = (OSError, av.FFmpegError)
"""What a full disk or a damaged file raises."""
LIVE: Final[Kind] = "flv"
LIVE_PICTURES: Final[Kind] = "flv video"
"""What is streamed, without pictures and with them."""
STREAM: Final = "stream.m3u8"
SEGMENT: Final = "stream"
"""The list of pieces and how their names begin, in the folder of an HLS recording."""
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
    picture_codec: str = ""
    picture_options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of pictures, and how many there are a second."""

    width: int
    height: int
    rate: int
    bitrate: int
    """Bits a second."""


_MP4: Final = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": str(PIECE)}
_HLS: Final = {"hls_list_size": "0", "hls_playlist_type": "event", "hls_flags": "independent_segments+temp_file"}
_FLV: Final = {"flvflags": "no_duration_filesize"}
_H264: Final = {"preset": "veryfast", "tune": "zerolatency"}
_OPUS: Final = {"compression_level": "5", "frame_duration": "20"}

FORMATS: Final[dict[Kind, Format]] = {
    "ogg": Format(".ogg", "ogg", "libopus", models.OPUS, 64_000, "audio/ogg", {"page_duration": str(PIECE)}, _OPUS),
    "mp3": Format(".mp3", "mp3", "libmp3lame", models.AC_MP3, 64_000, "audio/mpeg"),
    "mp4": Format(".mp4", "mp4", "aac", models.AAC, 64_000, "audio/mp4", _MP4),
    "mp4 opus": Format(".mp4", "mp4", "libopus", models.OPUS, 64_000, "audio/mp4", _MP4, _OPUS),
    "wav": Format(".wav", "wav", "pcm_s16le", -1, 0, "audio/wav"),
    "mp4 video": Format(
        ".mp4",
        "mp4",
        "aac",
        models.AAC,
        64_000,
        "video/mp4",
        _MP4,
        {},
        "libx264",
        _H264,
    ),
    "hls": Format(".m3u8", "hls", "aac", models.AAC, 64_000, "application/vnd.apple.mpegurl", _HLS),
    "hls video": Format(
        ".m3u8",
        "hls",
        "aac",
        models.AAC,
        64_000,
        "application/vnd.apple.mpegurl",
        _HLS,
        {},
        "libx264",
        _H264,
    ),
    "flv": Format(".flv", "flv", "aac", models.AAC, 64_000, "video/x-flv", _FLV),
    "flv video": Format(".flv", "flv", "aac", models.AAC, 64_000, "video/x-flv", _FLV, {}, "libx264", _H264),
    "webm video": Format(
        ".webm",
        "webm",
        "libopus",
        models.OPUS,
        64_000,
        "video/webm",
        {"cluster_time_limit": "200"},
        _OPUS,
        "libvpx",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "error-resilient": "1"},
    ),
}


class Writer:
    """Encodes sound, and pictures, into a file or whatever takes its bytes. Every method may raise one of `BROKEN`."""

    def __init__(
        self,
        target: Path | BinaryIO,
        kind: Kind,
        *,
        stereo: bool,
        bitrate: int = 0,
        frame: Frame | None = None,
        sound: bool = True,
        segment: int = 0,
    ) -> None:
        made = FORMATS[kind]
        self.samples = self.pictures = 0
        self._layout = "stereo" if stereo else "mono"
        self._apart = min(2, segment) if segment else 2
        options = {"flush_packets": "1"} | made.options
        if isinstance(target, Path) and made.container == "hls":
            target.mkdir()
            options |= {"hls_time": str(segment), "hls_segment_filename": str(target / f"{SEGMENT}_%05d.ts")}
            target = target / STREAM
        self._container: Any = av.open(target, "w", format=made.container, options=options)
        self._picture = self._picture_of(made, frame) if frame is not None else None
        self._sound = self._sound_of(made, bitrate) if sound else None

    def _sound_of(self, made: Format, bitrate: int) -> Any:
        stream: Any = self._container.add_stream(made.codec, rate=RATE, options=made.codec_options)
        stream.layout = self._layout
        if made.bitrate:
            stream.bit_rate = bitrate or made.bitrate * (3 if self._layout == "stereo" else 2) // 2
        return stream

    def _picture_of(self, made: Format, frame: Frame) -> Any:
        stream: Any = self._container.add_stream(made.picture_codec, rate=frame.rate, options=made.picture_options)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
        stream.bit_rate, stream.gop_size = frame.bitrate, self._apart * frame.rate
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, frame.rate)
        self._rate = frame.rate
        return stream

    @property
    def seconds(self) -> float:
        """How much has been written."""
        return self.samples / RATE

    @property
    def next_picture(self) -> int | None:
        """How many samples after the beginning the next picture is due; None where there are none."""
        return None if self._picture is None else self.pictures * RATE // self._rate

    def write(self, pcm: Pcm) -> None:
        """Append sound; two channels alternate."""
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate, frame.pts = RATE, self.samples
        self.samples += frame.samples
        if self._sound is not None:
            for packet in self._sound.encode(frame):
                self._container.mux(packet)

    def show(self, picture: av.VideoFrame) -> None:
        """Append a picture."""
        assert self._picture is not None
        picture.pts, picture.time_base = self.pictures, Fraction(1, self._rate)
        self.pictures += 1
        for packet in self._picture.encode(picture):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        try:
            for stream in (self._picture, self._sound):
                for packet in stream.encode(None) if stream is not None else ():
                    self._container.mux(packet)
        finally:
            self._container.close()
