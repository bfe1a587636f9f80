"""Parts of a recording overwritten by a tone: its sound is decoded and encoded anew, its pictures are copied."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

HERTZ: Final = 1000
LOUDNESS: Final = 0.25
"""Of the tone: -12 dB."""
CODECS: Final = {"ogg": "libopus", "webm": "libopus", "mp3": "libmp3lame", "mp4": "aac", "wav": "pcm_s16le"}
BITS: Final = {"libopus": 64_000, "libmp3lame": 128_000, "aac": 128_000}
"""A second, of one channel."""
GAP: Final = 0.02
"""Seconds that may be missing between two frames; more is filled with silence, so that times stay as they are."""
BLOCK: Final = 1024

Spans = Sequence[tuple[float, float]]
"""From and to when, in seconds from a file's beginning."""


def joined(spans: Iterable[tuple[float, float]], *, length: float) -> list[tuple[float, float]]:
    """Spans in order, within a file of `length` seconds, those that touch as one."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted((max(0.0, begin), min(length, end)) for begin, end in spans):
        if end <= begin:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def overwrite(source: Path, target: Path, spans: Spans, *, format: str) -> None:
    """Write `source` to `target` with a tone of 1 kHz in place of all sound within the spans. Raises `av.FFmpegError`
    for what is no file of sound."""
    with av.open(str(source)) as given, av.open(str(target), "w", format=format) as made:
        heard = given.streams.audio[0]
        codec = CODECS[format]
        rate = 48_000 if codec == "libopus" else heard.rate
        kept: Any = made.add_stream(codec, rate=rate)
        kept.codec_context.layout = heard.layout
        if codec in BITS:
            kept.codec_context.bit_rate = BITS[codec] * heard.channels
        pictures = {each.index: made.add_stream_from_template(each) for each in given.streams.video}
        kept.codec_context.open(strict=False)
        sound = _Sound(kept, rate, heard.layout, spans)
        streams = [heard, *given.streams.video]
        for packet in given.demux(streams):
            if packet.stream.index in pictures:
                if packet.dts is not None:
                    packet.stream = pictures[packet.stream.index]
                    made.mux(packet)
                continue
            for frame in packet.decode():
                made.mux(sound.take(frame))
        made.mux(sound.finish())


class _Sound:
    """Frames of sound on their way: overwritten where a span is, and encoded."""

    def __init__(self, stream: Any, rate: int, layout: Any, spans: Spans) -> None:
        self._stream, self._rate, self._layout = stream, rate, layout
        self._spans = [(round(begin * rate), round(end * rate)) for begin, end in spans]
        self._flat = av.AudioResampler("fltp", layout, rate)
        context = stream.codec_context
        self._fit = av.AudioResampler(context.format, layout, rate, frame_size=context.frame_size or BLOCK)
        self._place = 0
        """Samples so far."""
        self._began: float | None = None

    def take(self, frame: Any) -> list[Any]:
        """Packets that are complete by this frame."""
        packets = []
        at = float(frame.pts * frame.time_base) if frame.pts is not None else None
        if self._began is None:
            self._began = at or 0.0
        if at is not None:
            missing = round((at - self._began) * self._rate) - self._place
            if missing > GAP * self._rate:
                packets += self._write(np.zeros((self._channels, missing), np.float32))
        for flat in self._flat.resample(frame):
            packets += self._write(flat.to_ndarray())
        return packets

    def finish(self) -> list[Any]:
        """The packets that are left."""
        packets = []
        for flat in self._flat.resample(None):
            packets += self._write(flat.to_ndarray())
        for fitting in self._fit.resample(None):
            packets += self._stream.encode(fitting)
        return [*packets, *self._stream.encode(None)]

    @property
    def _channels(self) -> int:
        return len(self._layout.channels)

    def _write(self, samples: Any) -> list[Any]:
        begin, end = self._place, self._place + samples.shape[1]
        samples = np.ascontiguousarray(samples, np.float32)
        for first, last in self._spans:
            if first < end and last > begin:
                at = np.arange(max(first, begin), min(last, end))
                samples[:, at[0] - begin : at[-1] + 1 - begin] = LOUDNESS * np.sin(2 * np.pi * HERTZ * at / self._rate)
        self._place = end
        frame = av.AudioFrame.from_ndarray(samples, "fltp", self._layout.name)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, begin, Fraction(1, self._rate)
        return [packet for fitting in self._fit.resample(frame) for packet in self._stream.encode(fitting)]
