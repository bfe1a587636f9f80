"""Who is asked when somebody does not answer, and who is not blamed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from livekit.agents import APITimeoutError

from agents import timing
from agents.attempts import bounded
from agents.breaker import Breakers
from agents.chains import AGAIN, Chain, Member

pytestmark = pytest.mark.anyio


async def silence() -> AsyncIterator[str]:
    await asyncio.Event().wait()
    yield ""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(timing, "STILL", 0.1)


async def ask(*, still: int) -> tuple[int, list[Any], bool]:
    """How often the only model is asked that never answers, the first times by a process that stands still meanwhile;
    what is told of it, and whether it is left alone then."""
    told: list[Any] = []
    member: Member[None] = Member("a", None, Breakers().of("llm", "a"))
    chain, asked = Chain("llm", [member], told.append), 0
    for each, _ in chain.to_ask():
        with suppress(APITimeoutError), chain.asking(each, is_last=False):
            asked += 1
            if asked <= still:
                asyncio.get_running_loop().call_later(0.05, time.sleep, 0.4)
            async for _ in bounded(silence(), first=0.3, between=1):
                pass
    return asked, told, member.breaker.is_open()


async def test_whoever_does_not_answer_is_left_alone() -> None:
    asked, told, left_alone = await ask(still=0)
    assert (asked, len(told), left_alone) == (1, 1, True)


async def test_whom_a_process_could_not_hear_that_stood_still_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "JUST", 0.2)
    asked, told, left_alone = await ask(still=1)
    assert (asked, len(told), left_alone) == (2, 1, True), "what it does then is its own"


async def test_a_process_that_stands_still_again_and_again_does_not_ask_for_ever() -> None:
    asked, told, left_alone = await ask(still=100)
    assert (asked, told, left_alone) == (AGAIN + 1, [], False)
