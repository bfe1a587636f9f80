"""What was recorded, as it is heard and seen."""

from pathlib import Path

import av
import numpy as np

from tests.support.studio import RATE


def heard(path: str | Path) -> np.ndarray:
    """The sound of a file at `RATE`: a row for each channel."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", rate=RATE)
        frames = [out.to_ndarray() for frame in source.decode(stream) for out in resampler.resample(frame)]
        frames += [out.to_ndarray() for out in resampler.resample(None)]
    return np.concatenate(frames, axis=1)


def seen(path: str | Path) -> list[tuple[float, np.ndarray]]:
    """The pictures of a file: when each is shown, and its Y, U and V one above the other."""
    with av.open(str(path)) as source:
        return [(float(frame.time), frame.to_ndarray(format="yuv420p")) for frame in source.decode(video=0)]


def seconds(path: str | Path) -> float:
    """How long a file plays."""
    return heard(path).shape[1] / RATE


def level(sound: np.ndarray, hertz: float) -> float:
    """How loud a tone is in a sound, in dB below a full one; its phase may change."""
    size = RATE // 20
    pieces = sound[: len(sound) // size * size].reshape(-1, size)
    wave = np.exp(-2j * np.pi * hertz * np.arange(size) / RATE)
    parts = abs(pieces @ wave) * 2 / size
    return float(20 * np.log10(max(np.sqrt(np.mean(parts**2)), 1e-9)))
