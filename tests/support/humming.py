"""Files in which somebody hums, and how loud a frequency of them is."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

RATE: Final = 48_000
SECONDS: Final = 6.0
VOICE: Final = 300
"""Hertz of what stands for a voice."""


def record(path: Path, codec: str, *, pictures: bool = False, layout: str = "mono") -> None:
    """A file in which somebody hums all the time."""
    with av.open(str(path), "w") as made:
        stream: Any = made.add_stream(codec, rate=RATE)
        stream.codec_context.layout = layout
        shown: Any = made.add_stream("mpeg4", rate=10) if pictures else None
        if shown is not None:
            shown.width, shown.height, shown.pix_fmt = 64, 48, "yuv420p"
            for number in range(int(SECONDS * 10)):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 4, np.uint8), "rgb24")
                made.mux(shown.encode(picture))
            made.mux(shown.encode(None))
        stream.codec_context.open(strict=False)
        fit = av.AudioResampler(
            stream.codec_context.format, layout, RATE, frame_size=stream.codec_context.frame_size or 1024
        )
        hum = 0.3 * np.sin(2 * np.pi * VOICE * np.arange(int(RATE * SECONDS)) / RATE)
        channels = 2 if layout == "stereo" else 1
        frame = av.AudioFrame.from_ndarray(np.tile(hum, (channels, 1)).astype(np.float32), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for each in (frame, None):
            for fitting in fit.resample(each):
                made.mux(stream.encode(fitting))
        made.mux(stream.encode(None))


def listen(path: Path) -> np.ndarray[Any, Any]:
    """The sound of a file: channels × samples."""
    with av.open(str(path)) as given:
        flat = av.AudioResampler("fltp", given.streams.audio[0].layout, RATE)
        parts = [each.to_ndarray() for frame in given.decode(audio=0) for each in flat.resample(frame)]
        parts += [each.to_ndarray() for each in flat.resample(None)]
    return np.concatenate(parts, axis=1)


def energy(sound: np.ndarray[Any, Any], hertz: int, begin: float, end: float) -> float:
    """How loud one frequency is, of the softest channel: its amplitude."""
    part = sound[:, int(begin * RATE) : int(end * RATE)]
    wave = np.exp(-2j * np.pi * hertz * np.arange(part.shape[1]) / RATE)
    return float(np.min(np.abs(part @ wave)) * 2 / part.shape[1])


def loudest(sound: np.ndarray[Any, Any], hertz: int, begin: float, end: float) -> float:
    part = sound[:, int(begin * RATE) : int(end * RATE)]
    wave = np.exp(-2j * np.pi * hertz * np.arange(part.shape[1]) / RATE)
    return float(np.max(np.abs(part @ wave)) * 2 / part.shape[1])
