"""Questions whose answers an owner knows: how often a base finds them, and how high up."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from knowledge.search import Hit
from knowledge.tables import knowledge_golden

MAX_QUESTIONS: Final = 500
DEFAULT_K: Final = 5

Search = Callable[[str], Awaitable[Sequence[Hit]]]


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """A question, the document that answers it, and, if that says too little, words of the chunk that does."""

    question: str
    source: str
    contains: str = ""

    def is_answered_by(self, hit: Hit) -> bool:
        """Whether this chunk is what the owner meant; case and white space do not matter."""
        return hit.source == self.source and _plain(self.contains) in _plain(hit.content)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a question: the place of its answer, from 1, and that hit's score; None where it is not found."""

    question: str
    rank: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a base did. `recall_at_k`: share of questions whose answer is among the first k; `mrr`: mean of 1/rank."""

    recall_at_k: float
    mrr: float
    questions: list[Asked]


async def evaluate(golden: Sequence[GoldenQuestion], search: Search) -> Evaluation:
    """Ask them all; `search` gives the first k hits. Without questions there is nothing to say: 0."""
    asked = [await _ask(question, search) for question in golden]
    found = [each.rank for each in asked if each.rank is not None]
    count = max(len(asked), 1)
    return Evaluation(len(found) / count, sum(1 / rank for rank in found) / count, asked)


async def _ask(golden: GoldenQuestion, search: Search) -> Asked:
    hits = await search(golden.question)
    for rank, hit in enumerate(hits, start=1):
        if golden.is_answered_by(hit):
            return Asked(golden.question, rank, round(hit.score, 4))
    return Asked(golden.question, None, None)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


async def read_golden(db: AsyncConnection | AsyncSession, base_id: int, *, project_id: int) -> list[GoldenQuestion]:
    """The questions of a base, in the order they were given."""
    golden = knowledge_golden.c
    query = (
        select(golden.question, golden.source, golden.contains)
        .where(golden.project_id == project_id, golden.base_id == base_id)
        .order_by(golden.id)
    )
    return [GoldenQuestion(*row) for row in await db.execute(query)]


async def replace_golden(
    db: AsyncConnection | AsyncSession, base_id: int, golden: Sequence[GoldenQuestion], *, project_id: int
) -> None:
    """Put these questions in the place of all of a base's."""
    column = knowledge_golden.c
    await db.execute(delete(knowledge_golden).where(column.project_id == project_id, column.base_id == base_id))
    rows: list[dict[str, Any]] = [
        {
            "project_id": project_id,
            "base_id": base_id,
            "question": each.question,
            "source": each.source,
            "contains": each.contains,
        }
        for each in golden
    ]
    if rows:
        await db.execute(insert(knowledge_golden), rows)
