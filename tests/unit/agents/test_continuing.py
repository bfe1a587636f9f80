"""An answer that was cut off is gone on with by another model: nothing lacks, and nothing is heard twice."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import llm

from agents.breaker import Breakers
from agents.chains import Member
from agents.continuing import Continuation, go_on, is_finished, letters, sentences_of
from agents.replies import Replies
from tests.support.scripted import ScriptedLLM
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import LIMITS

ANSWERS = [
    "The garage costs twelve euros a day. You may leave it at any time. We are glad to help you.",
    "We have two pools. The indoor one is open from seven in the morning; the other costs 3.50. Dogs may not swim!",
    "Yes. It opens at 7 p.m. on Sundays, and at 8 on holidays. Do you want to book? I can do it now.",
    'He said "come in." Then he left. Nobody saw him again, as far as I know.',
    "営業時間は九時からです。日曜日は十時からです。ご予約なさいますか？",
]
NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india")
WORDS = st.lists(st.sampled_from(NAMES), min_size=2, max_size=8)


def sentence(words: list[str], number: int) -> str:
    return f"{words[0].capitalize()} {' '.join(words[1:])} number {number}."


def said_again(answer: str, cut: int, way: str) -> str:
    """How another model goes on: `anew`, with the `sentence` that was cut off, or with the next `word`."""
    before = sentences_of(answer[:cut])
    if way == "anew":
        return answer
    if way == "sentence":
        unfinished = before[-1] if before and not is_finished(before[-1]) else ""
        return answer[cut - len(unfinished) :]
    return answer[cut:]


def gone_on(said: str, further: str, pieces: random.Random) -> str:
    more, heard = Continuation(said), said
    while further:
        size = pieces.randint(1, 12)
        heard += more.push(further[:size])
        further = further[size:]
    return heard + more.flush()


def heard_twice(text: str) -> list[str]:
    told = [letters(each) for each in sentences_of(text) if letters(each)]
    return [each for each in told if told.count(each) > 1]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("way", ["anew", "sentence"])
def test_wherever_an_answer_is_cut_off_the_whole_of_it_is_heard_once(answer: str, way: str) -> None:
    pieces = random.Random(7)
    for cut in range(1, len(answer)):
        heard = gone_on(answer[:cut], said_again(answer, cut, way), pieces)
        assert letters(heard) == letters(answer), (answer[:cut], heard)
        assert not heard_twice(heard)
        assert "  " not in heard


@pytest.mark.parametrize("answer", ANSWERS[:4])
def test_a_model_that_goes_on_with_the_next_word_is_understood_too(answer: str) -> None:
    pieces = random.Random(11)
    for cut in (place for place, letter in enumerate(answer) if letter == " " and place > 0):
        assert letters(gone_on(answer[:cut], answer[cut:].lstrip(), pieces)) == letters(answer)


@given(st.lists(WORDS, min_size=1, max_size=6), st.data())
def test_no_sentence_is_heard_twice(parts: list[list[str]], data: st.DataObject) -> None:
    answer = " ".join(sentence(words, number) for number, words in enumerate(parts))
    cut = data.draw(st.integers(1, len(answer)))
    way = data.draw(st.sampled_from(["anew", "sentence", "word"]))
    heard = gone_on(answer[:cut], said_again(answer, cut, way), random.Random(data.draw(st.integers(0, 99))))
    assert not heard_twice(heard)
    if way != "word":
        assert letters(heard) == letters(answer)


@given(st.lists(WORDS, min_size=1, max_size=5), st.lists(WORDS, min_size=1, max_size=5), st.data())
def test_not_even_where_the_other_model_says_something_else(
    parts: list[list[str]], others: list[list[str]], data: st.DataObject
) -> None:
    answer = " ".join(sentence(words, number) for number, words in enumerate(parts))
    other = " ".join(sentence(words, number) for number, words in enumerate(others))
    cut = data.draw(st.integers(1, len(answer)))
    assert not heard_twice(gone_on(answer[:cut], other, random.Random(3)))


def test_a_sentence_that_begins_otherwise_is_set_apart() -> None:
    heard = Continuation("The pool is open from")
    assert heard.push("It opens at seven. ") + heard.flush() == " – It opens at seven. "


def test_the_last_words_are_not_repeated() -> None:
    more = Continuation("The pool is open from seven in the")
    assert more.push("in the morning.") + more.flush() == " morning."


def test_the_next_model_is_told_what_was_said() -> None:
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="When?")
    told = go_on(context, "We open. At")
    assert [(item.role, item.text_content) for item in told.items if item.type == "message"][:2] == [
        ("user", "When?"),
        ("assistant", "We open. At"),
    ]
    assert len(context.items) == 1


def test_a_thousand_answers_that_are_cut_off_at_random() -> None:
    """Through the chain itself: the first model breaks off, the second says it all again, or the third."""
    chance = random.Random(2026)

    async def answer_of(models: list[ScriptedLLM]) -> str:
        breakers = Breakers()
        members = [Member(model.name, model, breakers.of("llm", model.name)) for model in models]
        chain = Replies(members, LIMITS["llm"], lambda _: None)
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Well?")
        async with chain.chat(chat_ctx=context) as reply:
            return "".join([chunk.delta.content or "" async for chunk in reply if chunk.delta])

    async def run() -> None:
        for _ in range(1000):
            answer = chance.choice(ANSWERS)
            cuts = [chance.randint(1, len(answer) - 1) for _ in range(chance.choice((1, 2)))]
            models = [ScriptedLLM(f"m{n}", answer, fault="cut", cut=cut, first=0.0) for n, cut in enumerate(cuts)]
            heard = await answer_of([*models, ScriptedLLM("last", answer, first=0.0)])
            assert letters(heard) == letters(answer), (cuts, heard)
            assert not heard_twice(heard)

    run_virtually(run())


class HalvesLLM(ScriptedLLM):
    """Sends its answer piece by piece, as they are."""

    def chat(self, *, chat_ctx: llm.ChatContext, tools: Any = None, conn_options: Any, **_: Any) -> llm.LLMStream:
        return _Halves(self, chat_ctx=chat_ctx, tools=[], conn_options=conn_options)


class _Halves(llm.LLMStream):
    async def _run(self) -> None:
        for content in self._llm.answer:  # type: ignore[attr-defined]
            delta = llm.ChoiceDelta(role="assistant", content=content)
            self._event_ch.send_nowait(llm.ChatChunk(id="c", delta=delta))


def test_a_character_that_comes_in_halves_is_whole_and_a_half_of_one_is_none() -> None:
    async def answer() -> str:
        model = HalvesLLM("llm", ["Hello \ud83d", "\ude00", " \ude00you", "\ud83d"])
        replies = Replies([Member("llm", model, Breakers().of("llm", "llm"))], LIMITS["llm"], lambda _: None)
        async with replies.chat(chat_ctx=llm.ChatContext.empty()) as stream:
            return "".join([chunk.delta.content or "" async for chunk in stream if chunk.delta])

    said = run_virtually(answer())
    assert said == "Hello \N{GRINNING FACE} \N{REPLACEMENT CHARACTER}you"
    assert said.encode()
