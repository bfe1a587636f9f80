"""Where the time of an answer went: parts along the critical path add up to the whole."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.timing import PARTS, TurnMarks


def test_parts_in_order_are_the_times_between_their_marks() -> None:
    marks = TurnMarks(
        speech_ended=100.0, transcribed=100.2, committed=100.25, retrieved=100.27, first_token=100.3, first_frame=100.4
    )
    measured = marks.measure(100.41)
    assert measured.recognition_ms == 200.0
    assert measured.endpointing_ms == 50.0
    assert measured.retrieval_ms == pytest.approx(20.0)
    assert measured.model_ms == pytest.approx(30.0)
    assert measured.speech_ms == pytest.approx(100.0)
    assert measured.playout_ms == pytest.approx(10.0)


def test_what_was_done_before_the_turn_was_committed_costs_nothing() -> None:
    marks = TurnMarks(
        speech_ended=100.0, transcribed=100.1, retrieved=100.12, first_token=100.15, first_frame=100.2, committed=100.3
    )
    measured = marks.measure(100.31)
    assert (measured.retrieval_ms, measured.model_ms, measured.speech_ms) == (0.0, 0.0, 0.0)


def test_what_nobody_saw_is_a_part_of_its_own() -> None:
    said_by_itself = TurnMarks(speech_ended=100.0, transcribed=100.2, committed=100.3).measure(101.0)
    assert (said_by_itself.recognition_ms, said_by_itself.endpointing_ms) == (200.0, 100.0)
    assert (said_by_itself.model_ms, said_by_itself.playout_ms, said_by_itself.other_ms) == (None, None, 700.0)


def test_a_mark_that_came_after_the_sound_does_not_lengthen_the_gap() -> None:
    measured = TurnMarks(
        speech_ended=100.0, transcribed=100.2, committed=100.3, first_token=100.4, first_frame=103.0
    ).measure(100.5)
    assert sum(getattr(measured, part) or 0.0 for part in PARTS) == pytest.approx(500.0, abs=1)


moments = st.floats(0, 5).map(lambda offset: 1000 + offset)


@given(marks=st.lists(st.none() | moments, min_size=5, max_size=5), end=st.floats(5, 10))
def test_the_parts_add_up_to_the_gap_that_was_heard(marks: list[float | None], end: float) -> None:
    names = ("transcribed", "committed", "retrieved", "first_token", "first_frame")
    turn = TurnMarks(speech_ended=1000.0, **dict(zip(names, marks, strict=True)))  # type: ignore[arg-type]
    measured = turn.measure(1000 + end)
    total = sum(getattr(measured, part) or 0.0 for part in PARTS)
    assert measured.audio_started_at is not None
    assert measured.speech_ended_at is not None
    gap = (measured.audio_started_at - measured.speech_ended_at).total_seconds() * 1000
    assert abs(total - gap) < 5


ENDS_IF_DEAD = """
import asyncio, sys
from agents import timing
timing.LOOK_EVERY, timing.SILENCE = 0.05, 3.0
async def main():
    watch = asyncio.create_task(timing.end_if_dead())
    loop = asyncio.get_running_loop()
    while True:
        print("here", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""


def test_a_process_that_stood_still_for_too_long_ends_as_it_goes_on() -> None:
    command, pipe = [sys.executable, "-c", ENDS_IF_DEAD], subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for still, goes_on in ((0.3, True), (3.5, False)):
                assert process.stdout.readline() == "here\n"
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(still)  # the fault itself: for how long it stands still
                os.kill(process.pid, signal.SIGCONT)
                if goes_on:
                    process.stdin.write("\n")
                    process.stdin.flush()
            assert process.wait(10) == 1
        finally:
            process.kill()
