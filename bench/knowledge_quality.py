"""How well a knowledge base answers, asked through the public REST API: SQuAD 2, paragraphs as documents."""

import asyncio
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np

from bench.platform import KEY

TOP: Final = 50
AT_ONCE: Final = 8
WHOLE: Final = 4_000
"""Characters of a chunk that holds every paragraph of the set."""


@dataclass(frozen=True)
class Question:
    """A question, the paragraph it was asked about, and whether that answers it."""

    text: str
    paragraph: str
    answerable: bool


@dataclass(frozen=True)
class Squad:
    """Paragraphs by name: those the questions are about, and those of other articles."""

    asked: dict[str, str]
    others: dict[str, str]
    questions: list[Question]


def read_squad(folder: Path) -> Squad:
    """Both files of the set; questions are those of the first. Raises `FileNotFoundError`."""
    asked, others = {}, {}
    questions = []
    for name, paragraphs in (("dev", asked), ("test", others)):
        articles = json.loads((folder / f"{name}-v2.0.json").read_text())["data"]
        for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
            key = f"{name}-{len(paragraphs)}"
            paragraphs[key] = paragraph["context"]
            if name == "dev":
                questions += [Question(qa["question"], key, not qa["is_impossible"]) for qa in paragraph["qas"]]
    return Squad(asked, others, questions)


class Api:
    """The public API, some requests at once."""

    def __init__(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}/api/v1"
        self.http = httpx2.AsyncClient(base_url=url, headers={"X-API-Key": KEY}, timeout=120)
        self._free = asyncio.Semaphore(AT_ONCE)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An answer that must be good."""
        async with self._free:
            answer = await self.http.post(path, json=body)
        if not answer.is_success:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return told

    async def make_base(self, name: str, documents: dict[str, str], **fields: object) -> int:
        """A base of these documents."""
        base = int((await self.post("/knowledge-bases", {"name": name, **fields}))["knowledge_base"]["id"])
        path = f"/knowledge-bases/{base}/ingest"
        await asyncio.gather(
            *(self.post(path, {"content": text, "source_name": key}) for key, text in documents.items())
        )
        return base

    async def ask(self, base: int, question: str) -> list[dict[str, Any]]:
        """The passages, with the parts of their scores."""
        body = {"knowledge_base_id": base, "query": question, "top_k": TOP, "explain": True}
        results: list[dict[str, Any]] = (await self.post("/knowledge/search", body))["results"]
        return results

    async def ask_all(self, base: int, questions: Sequence[Question]) -> list[list[dict[str, Any]]]:
        """Each question's passages."""
        return await asyncio.gather(*(self.ask(base, question.text) for question in questions))


def fused(hit: dict[str, Any]) -> float:
    """What orders the hits."""
    return float(hit["parts"]["fusion"])


HALVES: Final[dict[str, Callable[[dict[str, Any]], float]]] = {
    "vectors alone": lambda hit: float(hit["parts"]["cosine"]),
    "BM25 alone": lambda hit: float(hit["parts"]["bm25"]),
}
"""The same hits in another order: each half chooses among what both found, which is kind to it."""


def ranks(
    questions: Sequence[Question], found: Sequence[list[dict[str, Any]]], score: Callable[[dict[str, Any]], float]
) -> list[int | None]:
    """The place of each question's paragraph, from 0; a paragraph is as good as its best chunk."""
    places: list[int | None] = []
    for question, hits in zip(questions, found, strict=True):
        sources = list(dict.fromkeys(hit["source"] for hit in sorted(hits, key=score, reverse=True)))
        places.append(sources.index(question.paragraph) if question.paragraph in sources else None)
    return places


def measures(places: Sequence[int | None]) -> dict[str, float]:
    """nDCG, recall and MRR within the first ten, and the share of first places; one paragraph is right."""
    top = [place for place in places if place is not None and place < 10]
    return {
        "nDCG@10": sum(1 / math.log2(place + 2) for place in top) / len(places),
        "recall@10": len(top) / len(places),
        "MRR@10": sum(1 / (place + 1) for place in top) / len(places),
        "hit@1": top.count(0) / len(places),
    }


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often one of the first is above one of the second; half for a tie."""
    above = np.searchsorted(np.sort(negative), positive, "left") + np.searchsorted(np.sort(negative), positive, "right")
    return float(above.mean() / 2 / len(negative))


def best_scores(found: Sequence[list[dict[str, Any]]]) -> list[float]:
    """What is compared with the threshold."""
    return [hits[0]["score"] if hits else 0.0 for hits in found]


async def quality(port: int, folder: Path, most: int, relevant: float) -> dict[str, Any]:
    """All figures of quality. `most`: questions of each kind, drawn by a fixed seed; 0 for all."""
    squad = read_squad(folder)
    chosen = random.Random(7)
    kinds = {}
    for answerable in (True, False):
        questions = [question for question in squad.questions if question.answerable == answerable]
        kinds[answerable] = chosen.sample(questions, most) if 0 < most < len(questions) else questions
    api = Api(port)
    pool = squad.asked | squad.others
    base = await api.make_base("pool", pool)
    whole = await api.make_base("whole paragraphs", pool, chunk_size=WHOLE, chunk_overlap=0)
    lacking = await api.make_base("other articles", squad.others)
    found = await api.ask_all(base, kinds[True])
    rows = {"chunks of 500, both": measures(ranks(kinds[True], found, fused))}
    rows |= {f"chunks of 500, {name}": measures(ranks(kinds[True], found, half)) for name, half in HALVES.items()}
    uncut = await api.ask_all(whole, kinds[True])
    rows["whole paragraphs, both"] = measures(ranks(kinds[True], uncut, fused))
    rows |= {f"whole paragraphs, {name}": measures(ranks(kinds[True], uncut, half)) for name, half in HALVES.items()}
    answered = best_scores(found)
    lacks = best_scores(await api.ask_all(lacking, kinds[True]))
    unanswerable = best_scores(await api.ask_all(base, kinds[False]))
    await api.http.aclose()
    return {
        "paragraphs": len(pool),
        "questions": {"answerable": len(kinds[True]), "unanswerable": len(kinds[False])},
        "ranking": rows,
        "nothing relevant": {
            "AUROC, article is not there": auroc(answered, lacks),
            "AUROC, adversarial": auroc(answered, unanswerable),
            "threshold": relevant,
            "told as known": {
                name: sum(score >= relevant for score in scores) / len(scores)
                for name, scores in (("answerable", answered), ("not there", lacks), ("adversarial", unanswerable))
            },
            "at other thresholds": {
                f"{limit:.1f} {name}": sum(score >= limit for score in scores) / len(scores)
                for limit, (name, scores) in product((0.2, 0.4, 0.5, 0.6, 0.7), (("known", answered), ("lacks", lacks)))
            },
        },
    }
