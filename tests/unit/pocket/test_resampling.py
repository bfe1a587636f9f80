"""Between the rate of a phone and that of a room."""

import numpy as np
import pytest

from pocket.bridge.resampling import Doubler, Halver


def tone(hertz: float, rate: int) -> np.ndarray:
    return (np.sin(2 * np.pi * hertz * np.arange(rate) / rate) * 9000).astype(np.int16)


def in_pieces(change: Doubler | Halver, sound: np.ndarray, piece: int) -> np.ndarray:
    return np.concatenate([change(sound[start : start + piece]) for start in range(0, len(sound), piece)])


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound[500:].astype(float) ** 2)) * np.sqrt(2) / 9000)


@pytest.mark.parametrize("hertz", [200, 1000, 2000, 3000, 3400])
def test_a_phone_hears_what_is_below_3400_hertz_as_loud_as_it_was_said(hertz: int) -> None:
    halved = in_pieces(Halver(), tone(hertz, 16_000), 320)
    assert len(halved) == 8000
    assert loudness(halved) == pytest.approx(1, abs=0.01)
    assert loudness(in_pieces(Doubler(), halved, 160)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("hertz", [4700, 6000, 7500])
def test_a_phone_hears_nothing_of_what_is_too_high_for_it(hertz: int) -> None:
    assert loudness(in_pieces(Halver(), tone(hertz, 16_000), 320)) < 0.002


def test_pieces_make_the_same_sound_as_the_whole() -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 16_000).astype(np.int16)
    assert np.array_equal(in_pieces(Halver(), noise, 320), Halver()(noise))
