"""What a killed recorder left behind, made one whole file without encoding it anew.

Parts are read to their last whole packet, in the time they were recorded at; between them is silence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from pocket.recorder.encoding import BROKEN, FORMATS, Kind, Writer
from pocket.recorder.voice import RATE

TIME: Final = Fraction(1, RATE)
SHORTEST: Final = 0.03
"""Seconds between parts that are not worth a silence."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a recording; a recorder that takes over from a killed one begins another."""

    path: Path
    starts: float
    """Seconds since the first part began."""


def length(path: Path) -> float:
    """The seconds of a file that can be read; 0 where nothing can."""
    try:
        with av.open(str(path)) as source:
            return sum(duration for _, duration in _packets(source)) / RATE
    except (*BROKEN, IndexError):
        return 0.0


def join(parts: Sequence[Part], kind: Kind, into: Path) -> float:
    """Write the parts into a file, in place and whole; how long it is. Raises one of `BROKEN`."""
    made, end = FORMATS[kind], 0
    with av.open(str(into), "w", format=made.container, options=made.options) as target:
        stream: Any = None
        for part in parts:
            with av.open(str(part.path)) as source:
                heard = source.streams.audio[0]
                if stream is None:
                    stream = target.add_stream_from_template(heard)
                elif part.starts - end / RATE > SHORTEST:
                    hole = Path(f"{into}.silence")
                    end = _silence(hole, kind, heard, part.starts - end / RATE, target, stream, end)
                end = _append(source, target, stream, end)
    return end / RATE


def remux(parts: Sequence[Part], kind: Kind, into: Path) -> float:
    """Write the last of the parts, its pictures with its sound, into a file; how long it is. Raises one of `BROKEN`."""
    path, made = parts[-1].path, FORMATS[kind]
    with av.open(str(path)) as source, av.open(str(into), "w", format=made.container) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        try:
            for packet in source.demux():
                if packet.size and packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        except av.error.InvalidDataError:
            pass  # cut off within a packet: what was before it is there
    return length(into)


def _append(source: Any, target: Any, stream: Any, end: int) -> int:
    try:
        for packet, duration in _packets(source):
            packet.stream, packet.time_base = stream, TIME
            packet.pts = packet.dts = end
            packet.duration = duration
            target.mux(packet)
            end += duration
    except av.error.InvalidDataError:
        pass  # cut off within a packet: what was before it is there
    return end


def _silence(path: Path, kind: Kind, like: Any, seconds: float, target: Any, stream: Any, end: int) -> int:
    """Append silence, encoded as the rest was."""
    channels = like.codec_context.layout.nb_channels
    try:
        writer = Writer(path, kind, stereo=channels == 2, bitrate=like.codec_context.bit_rate or 0)
        second = np.zeros(RATE * channels, np.int16)
        for _ in range(int(seconds)):
            writer.write(second)
        writer.write(second[: int(seconds % 1 * RATE) * channels])
        writer.close()
        with av.open(str(path)) as source:
            return _append(source, target, stream, end)
    finally:
        path.unlink(missing_ok=True)


def _packets(source: Any) -> Iterator[tuple[Any, int]]:
    """The packets of the sound, or of pictures without one, and how many samples at `RATE` each has."""
    heard = (source.streams.audio or source.streams.video)[0]
    for packet in source.demux(heard):
        if packet.size:
            yield packet, round(packet.duration * packet.time_base * RATE) if packet.duration else 960
