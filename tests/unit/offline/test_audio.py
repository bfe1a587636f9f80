"""Resampling, trimming and the ear: numbers in, numbers out."""

import numpy as np
import pytest

from parley.offline.audio import Resampler, Samples, Trimmer, decode, encode, resampled, trimmed
from parley.offline.errors import InvalidRequest
from parley.offline.listening import Began, Ended, Listener

RATE = 16_000


def tone(frequency: float, seconds: float, *, rate: int = RATE, level: int = 8_000) -> Samples:
    return (np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate) * level).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.int16)


def test_resampling_in_pieces_gives_the_same_sound_as_at_once() -> None:
    sound = np.random.default_rng(7).normal(0, 3000, 24_000).astype(np.int16)
    resampler = Resampler(24_000, RATE)

    pieces = [resampler.push(piece) for piece in np.split(sound, [1, 700, 701, 9_000, 9_480, 23_000])]

    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), resampled(sound, 24_000, RATE))


def test_resampling_keeps_speech_and_removes_what_would_alias() -> None:
    kept = resampled(tone(3_000, 1, rate=24_000), 24_000, RATE)[2_000:12_000].astype(float)
    removed = resampled(tone(10_000, 1, rate=24_000), 24_000, RATE)[2_000:12_000].astype(float)

    assert kept.std() == pytest.approx(8_000 / 2**0.5, rel=0.01)
    assert removed.std() < 5


def test_trimming_while_the_sound_arrives_is_the_same_as_afterwards() -> None:
    sound = np.concatenate([silence(0.3), tone(300, 0.4), silence(0.2), tone(300, 0.3), silence(0.5)])
    trimmer = Trimmer(RATE)

    pieces = [trimmer.push(piece) for piece in np.array_split(sound, 23)]

    arrived = np.concatenate([*pieces, trimmer.flush()])
    assert np.array_equal(arrived, trimmed(sound, RATE))
    assert len(arrived) == pytest.approx((0.9 + 0.07) * RATE, abs=RATE * 0.005)


def test_silence_alone_is_trimmed_to_nothing() -> None:
    assert len(trimmed(silence(1), RATE)) == 0


def test_a_pause_inside_an_utterance_does_not_end_it_and_a_longer_one_does() -> None:
    sound = np.concatenate([silence(0.3), tone(300, 0.5), silence(0.1), tone(300, 0.5), silence(0.4)])
    listener = Listener(lambda frame: True, silence_ms=120)

    heard = [event for piece in np.array_split(sound, 31) for event in listener.push(piece)]

    assert [type(event) for event in heard if isinstance(event, Began | Ended)] == [Began, Ended]
    ended = next(event for event in heard if isinstance(event, Ended))
    assert ended.at_ms == pytest.approx(1_400, abs=20)


def test_a_click_is_not_speech_and_endless_sound_is_cut() -> None:
    listener = Listener(lambda frame: True, longest_ms=1_000)

    assert not list(listener.push(np.concatenate([silence(0.2), tone(300, 0.02), silence(0.5)])))
    ends = [event for event in listener.push(tone(300, 2.5)) if isinstance(event, Ended)]
    assert len(ends) == 2


def test_steady_noise_is_not_taken_for_speech() -> None:
    noise = np.random.default_rng(3).normal(0, 60, RATE * 4).astype(np.int16)
    listener = Listener(lambda frame: True)

    assert not [event for event in listener.push(noise) if isinstance(event, Began)]


@pytest.mark.parametrize("container", ["wav", "mp3"])
def test_what_is_encoded_can_be_decoded(container: str) -> None:
    sound = tone(440, 1.0)

    decoded = decode(encode(sound, RATE, container))

    assert len(decoded) == pytest.approx(len(sound), abs=RATE * 0.1)
    assert np.abs(decoded.astype(int)).max() == pytest.approx(8_000, rel=0.2)


def test_a_file_that_is_no_recording_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="wav"):
        decode(b"certainly not a recording")
