"""Nobody waits in silence while a tool works, however long, in virtual time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import RunContext, llm
from livekit.agents.llm import function_tool

from agents.noted import ToolUsed
from tests.support.scripted import Person, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import Call, at, chained, our_call

ENDED = 3.0
"""When the person has spoken."""
DEAD_AIR = 2.5
ANSWER = "Your parcel is in the van."


class CallingLLM(ScriptedLLM):
    """Calls a tool first, after some words where it has any, and answers then."""

    before = ""

    def chat(self, *, chat_ctx: llm.ChatContext, tools: Any = None, conn_options: Any, **options: Any) -> llm.LLMStream:
        self.asked.append(chat_ctx.copy())
        return _Calling(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Calling(llm.LLMStream):
    async def _run(self) -> None:
        model: Any = self._llm
        await asyncio.sleep(model.first)
        is_first = not any(item.type == "function_call_output" for item in self._chat_ctx.items)
        said = model.before if is_first else model.answer
        if said:
            delta = llm.ChoiceDelta(role="assistant", content=said)
            self._event_ch.send_nowait(llm.ChatChunk(id="c", delta=delta))
        if is_first:
            call = llm.FunctionToolCall(name="find_parcel", arguments='{"number": "7"}', call_id="call_1")
            delta = llm.ChoiceDelta(role="assistant", tool_calls=[call])
            self._event_ch.send_nowait(llm.ChatChunk(id="c", delta=delta))


def run(folder: Path, *, takes: float, first: float = 0.3, before: str = "", fails: bool = False) -> Call:
    """A call with one line, which a tool is asked about."""

    async def find_parcel(context: RunContext[None], number: str) -> str:
        """Find a parcel."""
        assert (type(context), number) == (RunContext, "7")
        await asyncio.sleep(takes)
        if fails:
            raise llm.ToolError("There is no such parcel.")
        return "in the van"

    async def talk() -> Call:
        model = CallingLLM("llm", ANSWER, first=first)
        model.before = before

        def make(tell: Any) -> Any:
            return chained([model], [ScriptedTTS()], [ScriptedSTT(lines=["where is my parcel"])], tell)

        until = ENDED + takes + 14
        person = Person([(1.0, 2.0, 1)], until + 2)
        async with our_call(make, person, folder, tools=[function_tool(find_parcel)]) as call:
            await at(until)
            return call

    return run_virtually(talk())


def heard_until_answer(call: Call) -> list[float]:
    """Silences from the end of the line to the answer, which is the last that is heard."""
    last = max(piece.end for piece in call.room.heard)
    return [long for _, long in call.room.silences(ENDED, last)]


@pytest.mark.parametrize("first", [0.3, 1.8, 2.6])
@pytest.mark.parametrize("takes", [0.1, 1.9, 2.1, 4.0, 9.0, 31.0])
def test_a_caller_is_never_left_in_silence_while_a_tool_works(takes: float, first: float, tmp_path: Path) -> None:
    call = run(tmp_path, takes=takes, first=first)
    assert max(heard_until_answer(call)) <= DEAD_AIR
    assert call.session.history.items[-1].text_content == ANSWER
    (used,) = call.told.of(ToolUsed)
    assert (used.name, used.result, used.failed) == ("find_parcel", "in the van", False)


@pytest.mark.parametrize("takes", [1.0, 8.0])
def test_what_is_said_before_a_tool_is_no_silence(takes: float, tmp_path: Path) -> None:
    before = "Let me look that up for you."
    call = run(tmp_path, takes=takes, before=before)
    assert max(heard_until_answer(call)) <= DEAD_AIR
    said = [item.text_content for item in call.session.history.items if item.type == "message"]
    assert said[-2:] == [before, ANSWER]


def test_a_quick_tool_has_nothing_said_for_it(tmp_path: Path) -> None:
    call = run(tmp_path, takes=0.2)
    seconds = sum(piece.end - piece.begin for piece in call.room.heard)
    assert seconds == pytest.approx(len(ANSWER) / 15, abs=0.1)


def test_a_tool_that_fails_after_a_while_is_answered_as_well(tmp_path: Path) -> None:
    call = run(tmp_path, takes=6.0, fails=True)
    assert max(heard_until_answer(call)) <= DEAD_AIR
    (used,) = call.told.of(ToolUsed)
    assert (used.failed, used.result) == (True, "There is no such parcel.")
