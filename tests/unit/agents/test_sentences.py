"""Cutting a stream into sentences, and knowing when each was said."""

import numpy as np
import pytest

from agents.bots.recognition import TimedWord, within
from agents.bots.sentences import BEFORE, LONGEST, PAUSE, RATE, SURE, WINDOW, Cutter, Sentence, StreamClock

SECONDS = WINDOW / RATE


def loud(windows: int) -> np.ndarray:
    return np.full(windows * WINDOW, 1000, np.int16)


def quiet(windows: int) -> np.ndarray:
    return np.zeros(windows * WINDOW, np.int16)


def cut(*pieces: np.ndarray, began: float = 1000.0, frame: int = 320) -> list[Sentence]:
    """What is cut out of a stream that comes in frames, in time."""
    found: list[Sentence] = []
    cutter = Cutter(lambda window: float(np.abs(window).max() > 500), found.append)
    stream = np.concatenate(pieces)
    for start in range(0, len(stream), frame):
        piece = stream[start : start + frame]
        cutter.push(piece, began + (start + len(piece)) / RATE)
    cutter.finish()
    return found


def test_a_sentence_is_what_is_said_between_two_silences() -> None:
    (first, second) = cut(quiet(40), loud(30), quiet(40), loud(10), quiet(40))
    assert len(first.samples) == (BEFORE + 30 + PAUSE) * WINDOW
    assert first.began == pytest.approx(1000 + (40 - BEFORE) * SECONDS)
    assert second.began == pytest.approx(1000 + (110 - BEFORE) * SECONDS)


def test_a_short_silence_is_a_part_of_a_sentence() -> None:
    assert len(cut(quiet(20), loud(20), quiet(PAUSE - 1), loud(20), quiet(40))) == 1


def test_a_click_is_no_sentence() -> None:
    assert cut(quiet(20), loud(SURE - 1), quiet(40)) == []


def test_what_is_being_said_at_the_end_counts() -> None:
    (only,) = cut(quiet(20), loud(20))
    assert len(only.samples) == (BEFORE + 20) * WINDOW


def test_who_never_pauses_is_cut_before_recognition_has_too_much() -> None:
    found = cut(quiet(20), loud(3 * LONGEST))
    assert all(sentence.seconds < 30 for sentence in found)
    assert sum(sentence.seconds for sentence in found) == pytest.approx((BEFORE + 3 * LONGEST) * SECONDS)


def test_a_long_speech_is_cut_where_its_speaker_takes_a_breath() -> None:
    found = cut(quiet(20), loud(500), quiet(5), loud(100), quiet(40))
    assert len(found) == 2


def test_frames_that_come_late_do_not_make_what_they_bring_later() -> None:
    clock = StreamClock()
    clock.note(RATE, 101.0)
    clock.note(2 * RATE, 102.2)
    assert clock.at(RATE) == 101.0


def test_sound_that_was_left_out_makes_what_follows_later() -> None:
    clock = StreamClock()
    clock.note(RATE, 101.0)
    clock.note(RATE + 160, 111.01)
    assert clock.at(RATE) == pytest.approx(111.0)


def test_words_are_kept_in_order_and_within_their_sentence() -> None:
    said = [
        TimedWord(word=" one", start=0.5, end=0.9),
        TimedWord(word="two", start=0.4, end=9),
        TimedWord(word=" ", start=1, end=1),
    ]
    assert [(each.word, each.start, each.end) for each in within(said, 2.0)] == [("one", 0.5, 0.9), ("two", 0.5, 2.0)]
