"""Sounds of our own."""

import numpy as np

from pocket.rooms.native import Pcm


def tone(hertz: float, seconds: float, sample_rate: int, *, loudness: float = 0.3) -> Pcm:
    """A sine."""
    moments = np.arange(int(seconds * sample_rate)) / sample_rate
    return (np.sin(2 * np.pi * hertz * moments) * loudness * 32767).astype(np.int16)


def silence(seconds: float, sample_rate: int) -> Pcm:
    """Nothing."""
    return np.zeros(int(seconds * sample_rate), np.int16)


def ringback(sample_rate: int) -> Pcm:
    """What one hears while another phone rings (ITU-T E.180: 425 Hz, 1 s in 5), half a minute of it."""
    return np.concatenate((tone(425, 1, sample_rate), silence(4, sample_rate)) * 6)
