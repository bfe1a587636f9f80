"""The sound of the demo's conversation, as a recorder would have kept it: the persona left, the caller right."""

import io
from collections.abc import Sequence
from typing import Final

import av
import numpy as np

from parley.offline.audio import Resampler
from parley.offline.flite import RATE, load_flite

OPUS_RATE: Final = 48_000
VOICES: Final = {"agent": (0, "slt"), "user": (1, "rms")}
"""Channel and voice of each side."""


def speak_conversation(lines: Sequence[tuple[str, str, int]], *, seconds: float) -> bytes:
    """Ogg with Opus of what `agent` and `user` say, each line at its milliseconds. Raises `FliteMissing`."""
    flite = load_flite()
    sound = np.zeros((2, int(seconds * OPUS_RATE)), np.float32)
    for speaker, words, milliseconds in lines:
        channel, voice = VOICES[speaker]
        spoken = Resampler(RATE, OPUS_RATE)
        samples = np.concatenate([spoken.push(flite.speak(words, voice=voice)), spoken.flush()])
        begin = milliseconds * OPUS_RATE // 1000
        part = sound[channel, begin : begin + len(samples)]
        part += samples[: len(part)].astype(np.float32) / 32768
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.rate = OPUS_RATE
        for each in (frame, None):
            container.mux(stream.encode(each))
    return file.getvalue()
