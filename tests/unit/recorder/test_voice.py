import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket.recorder.mixing import Mixer
from pocket.recorder.sources import Channel
from pocket.recorder.voice import GAP, OFF_BY, OFF_FOR, RATE, Voice, spliced

FRAME = RATE // 20


def frame(value: int) -> np.ndarray:
    return np.full(FRAME, value, np.int16)


def voice(channel: Channel = Channel.BOTH) -> Voice:
    made = Voice(0.0, channel)
    made.delay = 0.0
    return made


def taken(source: Voice, low: int, high: int) -> np.ndarray:
    total = np.zeros(high - low, np.int32)
    source.take(low, high, total)
    return total


def test_frames_follow_each_other_whenever_they_arrive() -> None:
    heard = voice()
    for number in range(20):
        heard.put(1 + (number + 1) * 0.05 + (0.03 if number % 3 else 0), frame(number + 1))
    total = taken(heard, RATE, 2 * RATE)
    assert [int(piece[0]) for piece in total.reshape(20, FRAME)] == list(range(1, 21))


def test_what_the_jitter_buffer_held_back_is_taken_off() -> None:
    heard = voice()
    heard.delay = 0.2
    heard.put(1.25, frame(7))
    assert heard.begins == RATE
    assert list(np.flatnonzero(taken(heard, 0, 2 * RATE))[[0, -1]]) == [RATE, RATE + FRAME - 1]


def test_a_buffer_that_grows_moves_what_comes_after_to_where_it_was_said() -> None:
    heard = voice()
    arrived = 1.0
    for _ in range(20):
        arrived += 0.05
        heard.put(arrived, frame(1))
    for _ in range(OFF_FOR + 1):  # the buffer plays 60 ms more than it got, and says so
        arrived += 0.05
        heard.delay = 0.06
        heard.put(arrived, frame(1))
    assert heard.corrections == 2, "a frame is never cut by more than a half"
    assert heard.reached == pytest.approx((arrived - 0.06) * RATE, abs=OFF_BY)


def test_a_stall_that_is_made_up_for_leaves_no_hole_and_a_hole_is_silence() -> None:
    heard = voice()
    for number in range(10):
        heard.put(1 + (number + 1) * 0.05, frame(1))
    for _ in range(10):
        heard.put(2.0, frame(1))  # half a second at once
    assert heard.holes == 0
    assert np.count_nonzero(taken(heard, RATE, 2 * RATE)) == RATE
    for number in range(20, 30):
        heard.put(3 + (number - 19) * 0.05, frame(1))
    assert heard.holes == 1
    total = taken(heard, 2 * RATE, 4 * RATE)
    assert not total[:RATE].any()
    assert total[RATE : RATE + 10 * FRAME].all()


def test_what_comes_too_late_for_its_place_is_cut() -> None:
    heard = voice()
    heard.put(1.05, frame(3))
    total = taken(heard, RATE + 100, RATE + 200)
    assert (total == 3).all()
    assert heard.empty is False
    assert np.count_nonzero(taken(heard, RATE + 200, 2 * RATE)) == FRAME - 200


def test_a_voice_that_nobody_takes_is_bounded() -> None:
    heard = voice()
    for number in range(1000):
        heard.put(1 + (number + 1) * 0.05, frame(1))
    assert np.count_nonzero(taken(heard, 0, 60 * RATE)) == 400 * FRAME


@given(st.integers(-2 * FRAME, 5 * GAP))
def test_a_splice_is_as_long_as_it_says_and_never_takes_more_than_half(by: int) -> None:
    pcm = np.arange(FRAME, dtype=np.int16)
    assert len(spliced(pcm, by)) == FRAME + max(by, -FRAME // 2)


def test_a_splice_is_where_it_is_quiet() -> None:
    pcm = frame(5000)
    pcm[1000:1500] = 0
    shorter = spliced(pcm, -300)
    assert np.count_nonzero(shorter == 5000) == FRAME - 500
    longer = spliced(pcm, 300)
    assert np.count_nonzero(longer) == FRAME - 500


def test_voices_are_summed_on_their_sides_and_clipped() -> None:
    mixer = Mixer(stereo=True)
    for value, channel in ((20_000, Channel.LEFT), (20_000, Channel.BOTH), (-30_000, Channel.RIGHT)):
        each = voice(channel)
        each.put(1.05, frame(value))
        mixer.add(each)
    assert mixer.behind() == RATE + FRAME
    pcm = mixer.mix(RATE, RATE + 10).reshape(-1, 2)
    assert pcm.tolist() == [[32767, -10_000]] * 10


def test_what_somebody_said_before_going_is_still_heard() -> None:
    mixer = Mixer(stereo=False)
    each = voice()
    each.put(1.05, frame(9))
    mixer.add(each)
    mixer.end(each)
    assert mixer.behind() is None
    assert (mixer.mix(RATE, RATE + FRAME) == 9).all()
    assert not mixer.mix(RATE + FRAME, RATE + 2 * FRAME).any()
