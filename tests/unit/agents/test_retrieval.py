"""What is known is looked up while the question is still being asked."""

import asyncio

import pytest

from agents.retrieval import Retrieval
from knowledge.client import KnowledgeUnavailable
from knowledge.search import Hit

pytestmark = pytest.mark.anyio


def hit(content: str) -> Hit:
    numbers = dict.fromkeys(("score", "dense", "lexical", "coverage", "fusion", "confidence"), 0.9)
    return Hit(1, 1, content, "", "faq", 0, None, None, **numbers)


class Knowledge:
    """Answers with the question itself, when it is let; the words `fail` let it be away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()

    async def search(self, capability: str, query: str, top_k: int, timeout: float) -> list[Hit]:
        self.asked.append(query)
        await self.go.wait()
        if "fail" in query:
            raise KnowledgeUnavailable("away")
        return [hit(query)]


@pytest.fixture
def knowledge() -> Knowledge:
    return Knowledge()


@pytest.fixture
def retrieval(knowledge: Knowledge) -> Retrieval:
    return Retrieval(knowledge, "k1.x")


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_question_that_was_heard_whole_is_there_when_the_turn_ends(knowledge, retrieval):
    knowledge.go.set()
    retrieval.expect("what does parking cost")
    await settled()
    found = await retrieval.look_up("What does parking cost?")
    again = await retrieval.look_up("What does parking cost?")
    assert found is again
    assert knowledge.asked == ["what does parking cost"]


async def test_a_search_under_way_is_waited_for_not_repeated(knowledge, retrieval):
    retrieval.expect("what does parking cost")
    looking = asyncio.create_task(retrieval.look_up("What does parking cost?"))
    await settled()
    knowledge.go.set()
    assert (await looking).hits[0].content == "what does parking cost"
    assert len(knowledge.asked) == 1


async def test_the_question_is_searched_anew_where_more_was_said(knowledge, retrieval):
    knowledge.go.set()
    retrieval.expect("what does parking")
    await settled()
    assert (await retrieval.look_up("What does parking cost?")).hits[0].content == "What does parking cost?"


async def test_one_search_at_a_time_and_the_latest_words_next(knowledge, retrieval):
    for words in ("what does", "what does parking", "what does parking cost", "what does parking cost on sundays"):
        retrieval.expect(words)
    await settled()
    assert knowledge.asked == ["what does parking"]
    knowledge.go.set()
    await settled()
    assert knowledge.asked == ["what does parking", "what does parking cost on sundays"]


async def test_what_was_found_for_the_first_words_stands_in_where_the_rest_fails(knowledge, retrieval):
    knowledge.go.set()
    retrieval.expect("what does parking")
    await settled()
    assert (await retrieval.look_up("what does parking fail")).hits[0].content == "what does parking"
    assert await retrieval.look_up("who would fail") is None


async def test_a_try_that_is_given_up_leaves_its_search_to_the_next(knowledge, retrieval):
    first = asyncio.create_task(retrieval.look_up("What does parking cost?"))
    await settled()
    first.cancel()
    await settled()
    knowledge.go.set()
    assert (await retrieval.look_up("What does parking cost?")).hits
    assert len(knowledge.asked) == 1


async def test_closing_leaves_nothing_under_way(knowledge, retrieval):
    retrieval.expect("what does parking cost")
    retrieval.expect("what does parking cost on sundays")
    await settled()
    await retrieval.close()
    await settled()
    assert len(knowledge.asked) == 1


async def test_knowledge_that_was_late_is_not_waited_for_while_it_rests(knowledge, retrieval):
    knowledge.go.set()
    assert await retrieval.look_up("who would fail") is None
    knowledge.go.clear()
    found = await retrieval.look_up("what does parking cost")
    assert found is None, "nobody waits for it"
    await settled()
    assert knowledge.asked[-1] == "what does parking cost", "but it is asked"


async def test_knowledge_that_answers_again_is_waited_for(knowledge, retrieval):
    knowledge.go.set()
    await retrieval.look_up("who would fail")
    retrieval.expect("what does parking")
    await settled()
    assert (await retrieval.look_up("What does parking cost?")).hits[0].content == "What does parking cost?"


async def test_a_search_that_was_begun_before_and_is_late_ends_the_waiting(knowledge, retrieval):
    ways: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]

    async def search(capability: str, query: str, top_k: int, timeout: float) -> list[Hit]:
        knowledge.asked.append(query)
        await ways[len(knowledge.asked) - 1].wait()
        raise KnowledgeUnavailable("late")

    knowledge.search = search
    retrieval.expect("what does parking")
    await settled()
    looking = asyncio.create_task(retrieval.look_up("What does parking cost?"))
    await settled()
    ways[0].set()
    assert await looking is None
    assert len(knowledge.asked) == 2
    await retrieval.close()
