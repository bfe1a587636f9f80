"""Every fault of every kind of model, in virtual time: who takes over, how soon, and what is heard meanwhile."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from agents.breaker import Breakers
from agents.contract import ProviderChanged
from agents.noted import FaultSeen
from tests.support.scripted import FAULTS, FRAME, Fault, Person, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import LIMITS, Call, at, chained, our_call

LINE = (1.0, 2.0, 1)
"""A person speaks from the first to the third second."""
ENDED = 3.0
ANSWER = "The garage costs twelve euros a day. You may leave it at any time. We are glad to help you."
SILENT: tuple[Fault, ...] = ("hang", "drip")
HOP = 0.1
"""Seconds that going on to the next model may cost besides the time-out."""
DEAD_AIR = 2.5


class Outcome:
    """What came of a call with one line."""

    def __init__(self, call: Call, models: dict[str, list[Any]], end: float) -> None:
        self.call, self.models, self.end = call, models, end
        self.silences = call.room.silences(ENDED, end)
        self.items = [item for item in call.session.history.items if item.type == "message"]

    @property
    def answer(self) -> str:
        return " ".join(item.text_content or "" for item in self.items if item.role == "assistant")

    @property
    def spoken(self) -> str:
        """By those that can."""
        return " ".join(text for model in self.models["tts"] if model.fault is None for text in model.asked)


def run(
    folder: Path,
    *,
    llm: list[Fault | None] | None = None,
    tts: list[Fault | None] | None = None,
    stt: list[Fault | None] | None = None,
    until: float = 24.0,
    lines: list[tuple[float, float, int]] | None = None,
    breakers: Breakers | None = None,
    **options: Any,
) -> Outcome:
    """A call whose models have these faults, in their order."""
    models: dict[str, list[Any]] = {
        "llm": [ScriptedLLM(f"llm{n}", ANSWER, fault=f, **options) for n, f in enumerate(llm or [None])],
        "tts": [ScriptedTTS(f"tts{n}", fault=f) for n, f in enumerate(tts or [None])],
        "stt": [ScriptedSTT(f"stt{n}", ["what does it cost"] * 9, fault=f) for n, f in enumerate(stt or [None])],
    }

    async def talk() -> Outcome:
        def make(tell: Any) -> Any:
            return chained(models["llm"], models["tts"], models["stt"], tell, breakers)

        async with our_call(make, Person(lines or [LINE], until + 5), folder) as call:
            await at(until)
            return Outcome(call, models, until)

    return run_virtually(talk())


def sentences(text: str) -> list[str]:
    return [each.strip().casefold() for each in text.replace("?", ".").split(".") if each.strip()]


def positions(fault: Fault, models: int) -> list[list[Fault | None]]:
    """The fault at each number of models from the first on, with one behind them that works where there is room."""
    return [[fault] * broken + [None] * (models - broken) for broken in range(1, models + 1)]


CASES = [
    pytest.param(service, fault, chain, id=f"{service}-{fault}-{sum(1 for f in chain if f)}of{len(chain)}")
    for service, fault, count in itertools.product(("llm", "tts", "stt"), FAULTS, (1, 2, 3))
    for chain in positions(fault, count)
]


@pytest.mark.parametrize(("service", "fault", "chain"), CASES)
def test_a_fault(service: str, fault: Fault, chain: list[Fault | None], tmp_path: Path) -> None:
    broken = sum(1 for each in chain if each)
    is_lost = broken == len(chain)
    chains: dict[str, Any] = {service: chain}
    outcome = run(tmp_path, until=24.0 if fault in SILENT else 17.0, **chains)
    # Whatever happens: nobody waits in silence, and no sentence is heard twice.
    heard = [each for each in outcome.silences if each[0] + each[1] < outcome.end]
    assert all(long <= DEAD_AIR for _, long in heard), outcome.silences
    said = sentences(outcome.spoken if service == "tts" and not is_lost else outcome.answer)
    assert len(said) == len(set(said)), said
    assert outcome.call.room.heard, "somebody says something"
    told = [each for each in outcome.call.told.of(ProviderChanged) if each.service == service]
    faults = [each for each in outcome.call.told.of(FaultSeen) if each.service == service]
    if not is_lost:
        assert "any time" in outcome.answer
        assert "glad to help" in outcome.answer
        assert [change.used for change in told] == [f"{service}{broken}"]
        assert [each.source for each in faults][:broken] == [f"{service}{n}" for n in range(broken)]
        assert all(each.recovered for each in faults)
        assert all((item.text_content or "").strip() for item in outcome.items)
        within = broken * (HOP + (_waited(service) if fault in SILENT or _is_deaf(service, fault) else 0.3))
        assert outcome.call.room.first_after(ENDED) - ENDED <= max(1.2 + within, DEAD_AIR)
    else:
        assert not told
        words = outcome.answer.casefold()
        assert "sorry" in words or service == "tts", words


def _waited(service: str) -> float:
    return 1.0 if service == "stt" else LIMITS[service].first


def _is_deaf(service: str, fault: Fault) -> bool:
    return service == "stt" and fault in ("empty", "drip", "hang")


@pytest.mark.parametrize("service", ["llm", "tts"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_model_is_asked_as_soon_as_the_one_before_it_has_failed(
    service: str, fault: Fault, tmp_path: Path
) -> None:
    """By the time at which the second was asked, not by what is heard: fillers may speak meanwhile."""
    asked: list[float] = []
    chains: dict[str, Any] = {service: [fault, None]}

    async def note(model: Any) -> None:
        name = "chat" if service == "llm" else "synthesize"
        given = getattr(model, name)

        def noting(*args: Any, **options: Any) -> Any:
            asked.append(asyncio.get_running_loop().time())
            return given(*args, **options)

        setattr(model, name, noting)

    async def talk() -> None:
        models = {
            "llm": [ScriptedLLM(f"llm{n}", ANSWER, fault=f) for n, f in enumerate(chains.get("llm", [None]))],
            "tts": [ScriptedTTS(f"tts{n}", fault=f) for n, f in enumerate(chains.get("tts", [None]))],
        }
        for model in models[service]:
            await note(model)

        def make(tell: Any) -> Any:
            return chained(models["llm"], models["tts"], [ScriptedSTT(lines=["what does it cost"])], tell)

        async with our_call(make, Person([LINE], 20), tmp_path):
            await at(14)

    run_virtually(talk())
    longest = max(LIMITS[service].first, LIMITS[service].between) + 0.3
    assert asked[1] - asked[0] <= (longest if fault in SILENT else 0.5) + HOP


def test_all_models_away_end_a_call_with_a_word(tmp_path: Path) -> None:
    outcome = run(tmp_path, llm=["error"], tts=["error"], until=24, lines=[LINE, (10.0, 2.0, 1)])
    assert len(outcome.call.lost) == 1
    assert 12.0 < outcome.call.lost[0] < 24.0
    said = [item.text_content for item in outcome.items if item.role == "assistant"]
    assert [text.split(",")[0] for text in said if text] == ["I am sorry", "I am sorry"]
    assert "Goodbye" in str(said[-1])


def test_an_answer_between_two_failures_keeps_the_call(tmp_path: Path) -> None:
    async def talk() -> list[float]:
        model = ScriptedLLM("llm", ANSWER, fault="error")

        def make(tell: Any) -> Any:
            return chained([model], [ScriptedTTS()], [ScriptedSTT(lines=["what does it cost"])], tell)

        lines = [LINE, (12.0, 2.0, 1), (30.0, 2.0, 1)]
        async with our_call(make, Person(lines, 60), tmp_path) as call:
            await at(10)
            model.fault = None
            await at(28)
            model.fault = "error"
            await at(40)
            return call.lost

    assert run_virtually(talk()) == []


def test_somebody_whom_nobody_understands_is_told_so_twice_and_then_not_kept(tmp_path: Path) -> None:
    lines = [(1.0, 2.0, 1), (12.0, 2.0, 1), (24.0, 2.0, 1)]
    outcome = run(tmp_path, stt=["hang"], until=40, lines=lines)
    said = [item.text_content or "" for item in outcome.items if item.role == "assistant"]
    assert [text for text in said if "catch" in text] == said[:2]
    assert len(outcome.call.lost) == 1
    assert outcome.models["stt"][0].opened == 3, "each time on a new line, as the one before may be dead"


def test_a_model_that_fell_silent_is_not_waited_for_by_the_next_call(tmp_path: Path) -> None:
    breakers = Breakers()

    async def talk() -> list[tuple[int, float]]:
        found = []
        first, second = ScriptedLLM("a", ANSWER, fault="hang"), ScriptedLLM("b", ANSWER)
        for _ in range(2):

            def make(tell: Any) -> Any:
                return chained([first, second], [ScriptedTTS()], [ScriptedSTT(lines=["what is it"])], tell, breakers)

            began = asyncio.get_running_loop().time()
            person = Person([(began + 1.0, 2.0, 1)], began + 30)
            person._frame = int(began / FRAME)
            async with our_call(make, person, tmp_path) as call:
                await at(began + 6.9)
                found.append((len(first.asked), call.room.first_after(began + ENDED) - began - ENDED))
        return found

    (asked, slow), (asked_again, quick) = run_virtually(talk())
    assert (asked, asked_again) == (1, 1)
    assert slow > 1.5
    assert quick < 1.2
