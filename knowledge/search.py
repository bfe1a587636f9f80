"""What is asked of a search, what it answers, and how its parts become a score: `functions` compute it in PostgreSQL.

The nearest vectors of each base and the best chunks by BM25 (Lucene's form, over the postings) are candidates. Both
scores have a scale of their own that does not depend on the other hits: the cosine, and the share of the question's
weight in rare words that BM25 finds. They are added, half and half; on SQuAD that orders hits better than either half
alone, than ranks that are added, and than scores that are stretched to the best and the worst hit.

That sum orders the hits. It says little about whether the best of them is any good, so it is scaled by a
**confidence**, judged by the nearest cosine and by how much of the question's weight in rare words the best hit covers
(words the base has never seen count fully). Scores below `RELEVANT` hold nothing relevant.

Rows are those of the owner and the bases named, in one snapshot; what is switched off is not in the index. A base is
compared with the vector of its own model; where that was not given, it is found by words alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pgvector import Vector

MAX_QUERY: Final = 2_000
MAX_TOP_K: Final = 50

UNSEARCHABLE: Final = re.compile("[\x00-\x1f\x7f\u200b-\u200f\ufeff\ud800-\udfff]+")
"""Control characters, lone surrogates, and what has no width."""

EXACT: Final = 4_000
"""Chunks of a base that has no index of its own: all its vectors are compared."""

RELEVANT: Final = 0.4
"""A best score below says that a base holds nothing about the question."""

STATEMENT: Final = """
select * from knowledge_search(
    %(project_id)s::bigint, %(base_ids)s::bigint[], %(query)s, %(models)s::text[], %(vectors)s::text[], %(top_k)s
)
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers a question. `score` (0…1) is the judgement; what follows it is what it rests on.

    `dense` is the cosine, `lexical` BM25, `coverage` the share of the question's weight in rare words that is in the
    chunk; `fusion` orders the hits; `confidence` is that of the best of them.
    """

    chunk_id: int
    base_id: int
    content: str
    heading: str
    source: str
    chunk_index: int
    page: int | None
    row: int | None
    score: float
    dense: float
    lexical: float
    coverage: float
    fusion: float
    confidence: float


def clean_query(query: str) -> str:
    """A question fit to be embedded and searched: cut rather than refused, for it may have been spoken."""
    return UNSEARCHABLE.sub(" ", query)[:MAX_QUERY].strip()


def search_parameters(
    query: str, vectors: Mapping[str, npt.NDArray[np.float32]], *, base_ids: Sequence[int], project_id: int, top_k: int
) -> dict[str, Any]:
    """What `STATEMENT` asks for; `vectors` are the question's, by model."""
    return {
        "project_id": project_id,
        "base_ids": sorted(set(base_ids)),
        "query": clean_query(query),
        "models": list(vectors),
        "vectors": [Vector(vector).to_text() for vector in vectors.values()],
        "top_k": max(1, min(top_k, MAX_TOP_K)),
    }
