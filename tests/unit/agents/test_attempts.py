"""A model is waited for by the wall clock, and not from byte to byte."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

from agents.attempts import Limits, WorthlessError, bounded, is_its_fault, reason_of
from tests.support.virtual import run_virtually


async def pieces(*after: float, says: str = "word") -> AsyncIterator[str]:
    for seconds in after:
        await asyncio.sleep(seconds)
        yield says


def taken(source: AsyncIterator[str], **limits: float) -> tuple[list[str], float, bool]:
    """What came, how long it took, and whether it was given up."""

    async def run() -> tuple[list[str], float, bool]:
        came: list[str] = []
        try:
            async for piece in bounded(source, **limits, counts=lambda piece: piece == "word"):  # type: ignore[arg-type]
                came.append(piece)  # noqa: PERF401 - what came before it was given up counts
        except APITimeoutError:
            return came, asyncio.get_running_loop().time(), True
        return came, asyncio.get_running_loop().time(), False

    return run_virtually(run())


def test_what_comes_in_time_is_passed_on() -> None:
    assert taken(pieces(2.9, 0.9, 0.9), first=3, between=1) == (["word"] * 3, pytest.approx(4.7), False)


def test_a_first_piece_that_is_late_is_not_waited_for() -> None:
    assert taken(pieces(3.1), first=3, between=1) == ([], pytest.approx(3.0), True)


def test_a_stream_that_stalls_is_given_up() -> None:
    assert taken(pieces(1, 0.5, 60), first=3, between=2) == (["word"] * 2, pytest.approx(3.5), True)


def test_signs_of_life_that_say_nothing_do_not_count() -> None:
    came, seconds, given_up = taken(pieces(*[0.9] * 50, says="ping"), first=3, between=3)
    assert given_up
    assert (len(came), seconds) == (3, pytest.approx(3.0))


def test_whoever_reads_slowly_costs_the_model_nothing() -> None:
    async def run() -> int:
        count = 0
        async for _ in bounded(pieces(0.5, 0.5, 0.5), first=1, between=1):
            await asyncio.sleep(5)
            count += 1
        return count

    assert run_virtually(run()) == 3


def test_the_last_model_is_given_more_time() -> None:
    limits = Limits(first=3, between=3, last=10)
    assert (limits.to_first(is_last=False), limits.to_first(is_last=True)) == (3, 10)
    assert Limits(first=30, between=3, last=10).to_first(is_last=True) == 30


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (APITimeoutError(), True),
        (APIConnectionError(), True),
        (TimeoutError(), True),
        (APIStatusError("", status_code=500), True),
        (APIStatusError("", status_code=429), True),
        (APIStatusError("", status_code=401), True),
        (APIStatusError("", status_code=400), False),
        (WorthlessError("its answer is empty"), False),
        (APIError("no audio frames were pushed for text: a secret"), False),
        (ValueError(), False),
    ],
)
def test_other_calls_hear_of_faults_of_the_model_and_not_of_the_request(error: Exception, is_fault: bool) -> None:
    assert is_its_fault(error) is is_fault


def test_a_reason_holds_nothing_of_what_was_said() -> None:
    assert reason_of(APIError("no audio frames were pushed for text: a secret")) == "APIError"
    assert reason_of(WorthlessError("its answer is empty")) == "its answer is empty"
