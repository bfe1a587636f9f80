"""Several voices in one channel."""

import numpy as np

from agents.bots.mixing import FIRST, MOST, Mixer, Voice

RATE, FRAME = 16_000, 640


def samples(value: int, seconds: float = 0.02) -> np.ndarray:
    return np.full(round(seconds * RATE), value, np.int16)


def said(voice: Voice, value: int, seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        voice.take(samples(value), 0.0)


def mixed(mixer: Mixer) -> set[int]:
    return set(np.frombuffer(mixer.mix(FRAME), "<i2").tolist())


def test_voices_are_added_up() -> None:
    mixer = Mixer(RATE)
    said(mixer.add("a"), 100, 0.1)
    said(mixer.add("b"), 20, 0.1)
    assert mixed(mixer) == {120}


def test_too_much_of_them_is_as_loud_as_can_be() -> None:
    mixer = Mixer(RATE)
    for name in ("a", "b", "c"):
        said(mixer.add(name), -20_000, 0.1)
    assert mixed(mixer) == {-32768}


def test_where_nobody_speaks_there_is_silence() -> None:
    mixer = Mixer(RATE)
    mixer.add("a")
    assert mixed(mixer) == {0}


def test_a_voice_begins_when_enough_of_it_is_there_to_go_on_without_a_break() -> None:
    mixer = Mixer(RATE)
    voice = mixer.add("a")
    said(voice, 7, FIRST - 0.02)
    assert mixed(mixer) == {0}
    said(voice, 7, 0.02)
    assert mixed(mixer) == {7}


def test_of_a_voice_that_is_not_mixed_in_time_the_oldest_is_lost() -> None:
    mixer = Mixer(RATE)
    voice = mixer.add("a")
    said(voice, 1, 5)
    said(voice, 2, MOST)
    assert mixed(mixer) == {2}


def test_a_voice_that_was_removed_is_not_heard() -> None:
    mixer = Mixer(RATE)
    said(mixer.add("a"), 100, 0.1)
    mixer.remove("a")
    assert mixed(mixer) == {0}
