"""What the platform itself costs a turn: the same models and the same person, with the bare session and with ours."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from knowledge.client import KnowledgeUnavailable
from tests.support.scripted import Person, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import at, bare_call, chained, our_call

TURN = 6.0
LINES = ["what does the garage cost for a day", "when do you open on sundays", "may I bring my dog"]
ANSWERS = [
    "The garage costs twelve euros. You may leave it at any time.",
    "We open at nine. On holidays we open at ten.",
    "Dogs are welcome in all rooms.",
]


class Knowledge:
    """Finds nothing, after a while; None: never."""

    def __init__(self, after: float | None) -> None:
        self.after = after

    async def search(self, capability: str, query: str, top_k: int, timeout: float) -> list[Any]:
        try:
            async with asyncio.timeout(timeout):
                if self.after is None:
                    await asyncio.get_running_loop().create_future()
                await asyncio.sleep(self.after or 0)
        except TimeoutError as error:
            raise KnowledgeUnavailable("late") from error
        return []


def lines_of(count: int) -> list[tuple[float, float, int]]:
    """When each line begins, how long it is, and which it is; each third interrupts the answer before it."""
    spoken, begin = [], 1.0
    for turn in range(count):
        line = turn % len(LINES)
        spoken.append((begin, 2.0, line + 1))
        begin += 3.4 if turn % 3 == 2 else TURN
    return spoken


def answered_after(call: Any, lines: list[tuple[float, float, int]]) -> list[float]:
    """Seconds from the end of each line to the first sound of its answer."""
    return [round(call.room.first_after(begin + long) - begin - long, 6) for begin, long, _ in lines]


def run_bare(count: int) -> list[float]:
    async def run() -> list[float]:
        lines = lines_of(count)
        person = Person(lines, lines[-1][0] + 12)
        async with bare_call(ScriptedLLM(answer=ANSWERS), ScriptedTTS(), ScriptedSTT(lines=LINES), person) as call:
            await at(lines[-1][0] + 9)
            return answered_after(call, lines)

    return run_virtually(run())


def run_ours(count: int, folder: Path, knowledge: Any = None) -> list[float]:
    async def run() -> list[float]:
        lines = lines_of(count)
        person = Person(lines, lines[-1][0] + 12)

        def make(tell: Any) -> Any:
            return chained([ScriptedLLM(answer=ANSWERS)], [ScriptedTTS()], [ScriptedSTT(lines=LINES)], tell)

        async with our_call(make, person, folder, knowledge=knowledge) as call:
            await at(lines[-1][0] + 9)
            return answered_after(call, lines)

    return run_virtually(run())


@pytest.fixture(scope="module")
def bare() -> list[float]:
    return run_bare(50)


def test_the_platform_adds_nothing_to_fifty_turns(bare: list[float], tmp_path: Path) -> None:
    ours = run_ours(50, tmp_path)
    assert len(bare) == 50
    assert max(bare) < 1.5, "the models take 0.6 s, the end of the turn 0.2"
    assert [round(our - their, 6) for our, their in zip(ours, bare, strict=True)] == [0.0] * 50


@pytest.mark.parametrize("after", [0.0, 0.15, 0.35])
def test_knowledge_costs_a_turn_no_more_than_its_own_time(after: float, bare: list[float], tmp_path: Path) -> None:
    ours = run_ours(12, tmp_path, Knowledge(after))
    assert all(our - their <= after + 1e-6 for our, their in zip(ours, bare, strict=False))


def test_knowledge_that_hangs_costs_no_turn_anything(bare: list[float], tmp_path: Path) -> None:
    ours = run_ours(12, tmp_path, Knowledge(None))
    assert [round(our - their, 6) for our, their in zip(ours, bare, strict=False)] == [0.0] * 12
