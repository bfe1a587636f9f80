"""A person who asks one thing after the other in virtual time, and what is heard of the answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.client import KnowledgeUnavailable
from tests.support.scripted import Person, Room, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import (
    Call,
    MainProcess,
    at,
    bare_call,
    chained,
    our_call,
    virtual_job,
    whole_call,
)

Line = tuple[float, float, int]
"""When it begins, how long it is, and which it is."""
TURN = 6.0
LINES = ["what does the garage cost for a day", "when do you open on sundays", "may I bring my dog"]
ANSWERS = [
    "The garage costs twelve euros. You may leave it at any time.",
    "We open at nine. On holidays we open at ten.",
    "Dogs are welcome in all rooms.",
]


class Knowledge:
    """Finds nothing, after a while; None: never, and from the moment `frozen` on never again."""

    def __init__(self, after: float | None, *, frozen: float = float("inf")) -> None:
        self.after, self.frozen = after, frozen

    async def search(self, capability: str, query: str, top_k: int, timeout: float) -> list[Any]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(self.after or 0)
                if self.after is None or loop.time() >= self.frozen:
                    await loop.create_future()
        except TimeoutError as error:
            raise KnowledgeUnavailable("late") from error
        return []


def lines_of(count: int) -> list[Line]:
    """So many lines; each third interrupts the answer before it."""
    spoken, begin = [], 1.0
    for turn in range(count):
        line = turn % len(LINES)
        spoken.append((begin, 2.0, line + 1))
        begin += 3.4 if turn % 3 == 2 else TURN
    return spoken


@dataclass
class Played:
    """What came of a call."""

    answered: list[float]
    """Seconds from the end of each line to the first sound of its answer."""
    heard: list[tuple[float, float]]
    """From when to when the persona was heard."""
    asked: int
    """How often the model was."""


@dataclass
class Models:
    """What both kinds of a call are given."""

    llm: ScriptedLLM
    tts: ScriptedTTS
    stt: ScriptedSTT

    @classmethod
    def usual(cls, *, each: float = 0.0, guesses: bool = False) -> "Models":
        """200 ms to recognise, 300 to the first word of an answer, 100 to its first sound."""
        return cls(
            ScriptedLLM(answer=ANSWERS, first=0.3, each=each),
            ScriptedTTS(first=0.1),
            ScriptedSTT(lines=LINES, after=0.2, guesses=guesses),
        )


def _heard(room: Room) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for piece in sorted(room.heard, key=lambda each: each.begin):
        if piece.end <= piece.begin:
            continue
        if merged and piece.begin <= merged[-1][1] + 1e-6:
            merged[-1] = merged[-1][0], max(merged[-1][1], piece.end)
        else:
            merged.append((piece.begin, piece.end))
    return [(round(begin, 6), round(end, 6)) for begin, end in merged]


def _played(call: Call, lines: Sequence[Line], models: Models) -> Played:
    answered = [round(call.room.first_after(begin + long) - begin - long, 6) for begin, long, _ in lines]
    return Played(answered, _heard(call.room), len(models.llm.asked))


def _person(lines: Sequence[Line]) -> tuple[Person, float]:
    end = lines[-1][0] + 9
    return Person(lines, end + 3), end


def play_bare(lines: Sequence[Line], models: Models | None = None, **fields: Any) -> Played:
    """With the framework's own session; `fields` are of the job, for its turn taking."""

    async def run() -> Played:
        each = models or Models.usual()
        person, end = _person(lines)
        async with bare_call(each.llm, each.tts, each.stt, person, **fields) as call:
            await at(end)
            return _played(call, lines, each)

    return run_virtually(run())


def play_ours(lines: Sequence[Line], folder: Path, models: Models | None = None, knowledge: Any = None) -> Played:
    """With our session, and what listens to it."""

    async def run() -> Played:
        each = models or Models.usual()
        person, end = _person(lines)

        def make(tell: Any) -> Any:
            return chained([each.llm], [each.tts], [each.stt], tell)

        async with our_call(make, person, folder, knowledge=knowledge) as call:
            await at(end)
            return _played(call, lines, each)

    return run_virtually(run())


def play_whole(
    lines: Sequence[Line],
    folder: Path,
    models: Models | None = None,
    knowledge: Any = None,
    *,
    stuck: float | None = None,
    **fields: Any,
) -> Played:
    """With a whole conversation; `stuck`: from when on its main process takes no report any more."""

    async def run() -> Played:
        each = models or Models.usual()
        person, end = _person(lines)
        main = MainProcess()
        if stuck is not None:
            asyncio.get_running_loop().call_at(stuck, main.stop)
        job = virtual_job(**{"knowledge_capability": "k" if knowledge else None} | fields)
        chains = chained([each.llm], [each.tts], [each.stt], lambda _: None)
        line = main.reader, main
        async with whole_call(job, chains, person, folder, knowledge=knowledge, main=line) as call:
            await at(end)
            return _played(call, lines, each)

    return run_virtually(run())
