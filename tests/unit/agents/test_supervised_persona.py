"""A persona that a supervisor whispers to, and one that is silent while somebody else has the call."""

from typing import Any

import pytest
from livekit.agents import Agent, ModelSettings, StopResponse, llm

from agents.persona import HINTS, Persona
from parley.offline.answering import HINT as OFFLINE_HINT
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

JOB = persona_job(instructions="You sell bicycles.")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, str]]]:
    """What the model is given, call by call; it says nothing."""
    given: list[list[tuple[str, str]]] = []

    async def model(agent: Agent, chat_ctx: llm.ChatContext, tools: Any, settings: Any) -> Any:
        given.append([(item.role, item.text_content or "") for item in chat_ctx.items if item.type == "message"])
        yield "yes"

    monkeypatch.setattr(Agent.default, "llm_node", staticmethod(model))
    return given


async def answer(persona: Persona, question: str) -> list[Any]:
    context = persona.chat_ctx.copy()
    context.add_message(role="user", content=question)
    return [chunk async for chunk in persona.llm_node(context, [], ModelSettings())]


async def test_a_hint_stands_before_the_question_and_is_none_of_the_conversation(
    asked: list[list[tuple[str, str]]],
) -> None:
    persona = Persona(JOB, None, [])
    persona.take_hint("Offer the red one.")
    await answer(persona, "Which one is cheap?")
    (role, hint), (_, question) = asked[0][-2:]
    assert (role, question) == ("system", "Which one is cheap?")
    assert hint.startswith(OFFLINE_HINT)
    assert hint.endswith("Offer the red one.")
    assert "Offer" not in str(persona.chat_ctx.items)


async def test_the_last_hints_are_kept_in_mind(asked: list[list[tuple[str, str]]]) -> None:
    persona = Persona(JOB, None, [])
    for number in range(HINTS + 2):
        persona.take_hint(f"hint {number}.")
    await answer(persona, "And?")
    hint = asked[0][-2][1]
    assert "hint 1." not in hint
    assert hint.index("hint 2.") < hint.index(f"hint {HINTS + 1}.")


async def test_a_hint_that_comes_while_somebody_speaks_has_the_answer_thought_of_anew() -> None:
    persona = Persona(JOB, None, [])
    context = persona.chat_ctx.copy()
    persona.take_hint("Offer the red one.")
    await persona.on_user_turn_completed(context, llm.ChatMessage(role="user", content=["Which one?"]))
    assert not context.is_equivalent(persona.chat_ctx)


async def test_while_somebody_else_has_the_call_nothing_is_answered_and_all_is_kept_in_mind(
    asked: list[list[tuple[str, str]]],
) -> None:
    persona = Persona(JOB, None, [])
    persona.silent = True
    assert await answer(persona, "Is it ready?") == []
    assert asked == []
    with pytest.raises(StopResponse):
        await persona.on_user_turn_completed(
            persona.chat_ctx.copy(), llm.ChatMessage(role="user", content=["Is it ready?"])
        )
    persona.learn('Dana, your colleague, joined the call and said: "Tomorrow."')
    persona.silent = False
    assert await answer(persona, "Thank you.") == ["yes"]
    said = [text for _, text in asked[0]]
    assert said[-3:] == ["Is it ready?", 'Dana, your colleague, joined the call and said: "Tomorrow."', "Thank you."]
