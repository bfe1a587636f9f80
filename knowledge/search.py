"""The one statement that searches, and how its parts become a score.

Vectors are compared exactly, and words by BM25 (Lucene's form) over the postings. Both are brought to 0…1 within the
question and added, half and half: measured on SQuAD, adding scores beats either half alone and rank fusion. That sum
orders the hits. It says nothing about whether the best of them is any good, so it is scaled by a **confidence** in the
best hit, judged by what can be compared between questions: its cosine, and how much of the question's weight in rare
words it covers (words the base has never seen count fully). Scores below `threshold` hold nothing relevant.

Rows are those of the owner and the bases named, in one snapshot; what is switched off is not in the index. Bases
embedded with another model are found by words alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pgvector import Vector

MAX_QUERY: Final = 2_000
MAX_TOP_K: Final = 50

UNSEARCHABLE: Final = re.compile("[\x00-\x1f\x7f\u200b-\u200f\ufeff\ud800-\udfff]+")
"""Control characters, lone surrogates, and what has no width."""

K1: Final = 0.9
B: Final = 0.4
DENSE_SHARE: Final = 0.5

CONFIDENCE_BIAS: Final = -6.0
CONFIDENCE_DENSE: Final = 9.0
CONFIDENCE_COVERAGE: Final = 4.0
"""Logistic of cosine and coverage: about 0.5 at a cosine of 0.35 with most rare words found, or 0.67 with none."""

STATEMENT: Final = f"""
with
term as materialized (
    select unnest(tsvector_to_array(to_tsvector('english', %(query)s))) as term
),
total as materialized (
    select greatest(sum(indexed_chunks), 1)::float8 as chunks,
           greatest(sum(indexed_terms), 1)::float8 / greatest(sum(indexed_chunks), 1) as length
    from knowledge_base
    where project_id = %(project_id)s::bigint and id = any(%(base_ids)s::bigint[])
),
dense as materialized (
    select chunk_id, 1 - (embedding <=> %(vector)s::vector) as cosine
    from knowledge_vector
    where project_id = %(project_id)s::bigint and base_id = any(%(base_ids)s::bigint[]) and model = %(model)s
),
posting as materialized (
    select p.term, p.chunk_id, p.frequency, p.length
    from term join knowledge_posting p
      on p.project_id = %(project_id)s::bigint and p.base_id = any(%(base_ids)s::bigint[]) and p.term = term.term
),
weight as materialized (
    select term.term, ln(1 + (total.chunks - count(p.chunk_id) + 0.5) / (count(p.chunk_id) + 0.5)) as idf
    from total cross join term left join posting p on p.term = term.term
    group by term.term, total.chunks
),
lexical as materialized (
    select p.chunk_id,
           sum(w.idf * p.frequency / (p.frequency + {K1} * (1 - {B} + {B} * p.length / total.length))) as bm25,
           sum(w.idf) / (select sum(idf) from weight) as coverage
    from posting p join weight w on w.term = p.term cross join total
    group by p.chunk_id
),
candidate as (
    -- Grouped, not joined: the planner cannot know how many chunks hold the words, and would join them row by row.
    select chunk_id, max(cosine) as cosine, max(bm25) as bm25, max(coverage) as coverage
    from (
        select chunk_id, cosine, null::float8 as bm25, null::float8 as coverage from dense
        union all
        select chunk_id, null, bm25, coverage from lexical
    ) as found
    group by chunk_id
),
fused as (
    select candidate.*,
           case when cosine is null then 0 when highest = lowest then {DENSE_SHARE}
                else {DENSE_SHARE} * (cosine - lowest) / (highest - lowest) end
           + coalesce((1 - {DENSE_SHARE}) * bm25 / best, 0) as fusion
    from candidate
    cross join (select min(cosine) as lowest, max(cosine) as highest from dense) as cosines
    cross join (select max(bm25) as best from lexical) as scores
    order by fusion desc, chunk_id
    limit %(top_k)s
),
judged as (
    select *,
           1 / (1 + exp(-({CONFIDENCE_BIAS} + {CONFIDENCE_DENSE} * coalesce(first_value(cosine) over best_first, 0)
                          + {CONFIDENCE_COVERAGE} * coalesce(first_value(coverage) over best_first, 0))))
           * fusion / nullif(first_value(fusion) over best_first, 0) as score
    from fused
    window best_first as (order by fusion desc, chunk_id)
)
select judged.chunk_id, chunk.base_id, chunk.content, chunk.heading, document.source, chunk.chunk_index,
       coalesce(judged.score, 0)::float8 as score,
       coalesce(judged.cosine, 0)::float8 as dense,
       coalesce(judged.bm25, 0)::float8 as lexical
from judged
join knowledge_chunk chunk
  on chunk.project_id = %(project_id)s::bigint and chunk.base_id = any(%(base_ids)s::bigint[])
  and chunk.id = judged.chunk_id
join knowledge_document document
  on document.project_id = chunk.project_id and document.base_id = chunk.base_id and document.id = chunk.document_id
order by judged.fusion desc, judged.chunk_id
"""  # noqa: S608 - numbers of this module only


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers a question. `score` (0…1) is the judgement; `dense` and `lexical` are what it rests on."""

    chunk_id: int
    base_id: int
    content: str
    heading: str
    source: str
    chunk_index: int
    score: float
    dense: float
    lexical: float


def clean_query(query: str) -> str:
    """A question fit to be embedded and searched: cut rather than refused, for it may have been spoken."""
    return UNSEARCHABLE.sub(" ", query)[:MAX_QUERY].strip()


def search_parameters(
    query: str, vector: npt.NDArray[np.float32], model: str, base_ids: Sequence[int], project_id: int, top_k: int
) -> dict[str, Any]:
    """What `STATEMENT` asks for."""
    return {
        "query": clean_query(query),
        "vector": Vector(vector).to_text(),
        "model": model,
        "base_ids": list(base_ids),
        "project_id": project_id,
        "top_k": max(1, min(top_k, MAX_TOP_K)),
    }
