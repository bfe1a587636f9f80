"""Telephone or not, by the sound."""

import numpy as np
import pytest

from parley.offline.audio import resampled
from parley.offline.bandwidth import Bandwidth
from parley.offline.flite import load_flite


@pytest.fixture(scope="module", params=["rms", "slt", "awb"])
def voice(request: pytest.FixtureRequest) -> np.ndarray:
    return load_flite().speak("My brother plays the guitar in a small band.", voice=request.param)


def judged(sound: np.ndarray) -> Bandwidth:
    bandwidth = Bandwidth()
    for start in range(0, len(sound), 800):
        bandwidth.hear(sound[start : start + 800])
    return bandwidth


@pytest.mark.parametrize("louder", [0.2, 1.0])
def test_a_voice_is_told_from_the_same_voice_over_a_telephone(voice: np.ndarray, louder: float) -> None:
    wide = (voice * louder).astype(np.int16)
    narrow = resampled(resampled(wide, 16_000, 8_000), 8_000, 16_000)
    assert judged(wide).sure
    assert not judged(wide).narrow
    assert judged(narrow).sure
    assert judged(narrow).narrow


def test_a_click_on_the_line_does_not_make_it_wide(voice: np.ndarray) -> None:
    narrow = resampled(resampled(voice, 16_000, 8_000), 8_000, 16_000)
    narrow[12_000] = 20_000
    assert judged(narrow).narrow


def test_silence_is_no_evidence() -> None:
    bandwidth = judged(np.zeros(16_000, np.int16))
    assert not bandwidth.sure
    assert not bandwidth.narrow
