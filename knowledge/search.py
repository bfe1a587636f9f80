"""The one statement that searches, and how its parts become a score.

The nearest vectors of each base (`nearest.py`) and the best chunks by BM25 (Lucene's form, over the postings) are
candidates. Both scores have a scale of their own that does not depend on the other hits: the cosine, and the share of
the question's weight in rare words that BM25 finds. They are added, half and half; on SQuAD that orders hits better
than either half alone, than ranks that are added, and than scores that are stretched to the best and the worst hit.

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

K1: Final = 0.6
B: Final = 0.3
DENSE_SHARE: Final = 0.5

CANDIDATES: Final = 100
"""Chunks of each half that are judged."""
POSTINGS: Final = 2_000
"""Of a question's rarest words, which choose candidates; where words are in more chunks, only candidates are judged by
them. What that could miss differs from the hits by words that are nearly everywhere."""

BM25: Final = f"sum(w.idf * p.frequency / (p.frequency + {K1} * (1 - {B} + {B} * p.length / total.length)))"

CONFIDENCE_BIAS: Final = -6.0
CONFIDENCE_DENSE: Final = 9.0
CONFIDENCE_COVERAGE: Final = 4.0
"""Logistic of cosine and coverage: about 0.5 at a cosine of 0.35 with most rare words found, or 0.67 with none."""

RELEVANT: Final = 0.4
"""A best score below says that a base holds nothing about the question."""

STATEMENT: Final = f"""
with
given as materialized (
    select model, vector::halfvec as vector
    from unnest(%(models)s::text[], %(vectors)s::text[]) as given (model, vector)
),
total as materialized (
    select greatest(sum(indexed_chunks), 1)::float8 as chunks,
           greatest(sum(indexed_terms), 1)::float8 / greatest(sum(indexed_chunks), 1) as length
    from knowledge_base
    where project_id = %(project_id)s::bigint and id = any(%(base_ids)s::bigint[])
),
term as materialized (
    select term, coalesce((
        select sum(known.chunks) from knowledge_term known
        where known.project_id = %(project_id)s::bigint and known.base_id = any(%(base_ids)s::bigint[])
          and known.term = asked.term
    ), 0)::float8 as chunks
    from unnest(tsvector_to_array(to_tsvector('english', %(query)s))) as asked (term)
),
weight as materialized (
    select term, ln(1 + (total.chunks - term.chunks + 0.5) / (term.chunks + 0.5)) as idf,
           sum(term.chunks) over rarest_first <= {POSTINGS} or row_number() over rarest_first = 1 as is_rare
    from term cross join total
    window rarest_first as (order by term.chunks, term.term rows unbounded preceding)
),
dense as materialized (
    select chunk_id, cosine
    from knowledge_nearest(%(project_id)s::bigint, %(base_ids)s::bigint[], %(models)s::text[], %(vectors)s::text[],
                           {CANDIDATES})
),
rare as materialized (
    select p.chunk_id, {BM25} as bm25, sum(w.idf) as covered
    from weight w cross join total
    join knowledge_posting p
      on p.project_id = %(project_id)s::bigint and p.base_id = any(%(base_ids)s::bigint[]) and p.term = w.term
    where w.is_rare
    group by p.chunk_id
),
chosen as materialized (
    select chunk_id, max(cosine) as cosine
    from (
        select chunk_id, cosine from dense
        union all
        (select chunk_id, null from rare order by bm25 desc, chunk_id limit {CANDIDATES})
    ) as found
    group by chunk_id
),
frequent as materialized (
    select chosen.chunk_id, {BM25} as bm25, sum(w.idf) as covered
    from chosen cross join weight w cross join total
    cross join lateral (
        select frequency, length from knowledge_posting p
        where p.project_id = %(project_id)s::bigint and p.base_id = any(%(base_ids)s::bigint[])
          and p.term = w.term and p.chunk_id = chosen.chunk_id
        limit 1
    ) as p
    where not w.is_rare
    group by chosen.chunk_id
),
candidate as (
    select chosen.chunk_id, chosen.cosine,
           coalesce(rare.bm25, 0) + coalesce(frequent.bm25, 0) as bm25,
           coalesce(rare.covered, 0) + coalesce(frequent.covered, 0) as covered
    from chosen left join rare using (chunk_id) left join frequent using (chunk_id)
),
compared as (
    select candidate.chunk_id,
           coalesce(candidate.cosine, own.cosine, 0) as cosine,
           candidate.bm25,
           coalesce(candidate.covered / question.weight, 0) as coverage,
           coalesce(candidate.bm25 / question.weight, 0) as found
    from candidate
    cross join (select nullif(sum(idf), 0) as weight from weight) as question
    left join lateral (
        select -(v.embedding <#> given.vector) as cosine
        from knowledge_vector v
        join knowledge_base base
          on base.project_id = v.project_id and base.id = v.base_id and base.embedding_model = v.model
        join given on given.model = v.model
        where candidate.cosine is null and v.chunk_id = candidate.chunk_id
          and v.project_id = %(project_id)s::bigint and v.base_id = any(%(base_ids)s::bigint[])
        limit 1
    ) as own on true
),
fused as (
    select *, {DENSE_SHARE} * greatest(cosine, 0) + {1 - DENSE_SHARE} * found as fusion,
           max(cosine) over () as nearest
    from compared
    order by fusion desc, cosine desc, chunk_id
    limit %(top_k)s
),
judged as (
    select *,
           1 / (1 + exp(-({CONFIDENCE_BIAS} + {CONFIDENCE_DENSE} * nearest
                          + {CONFIDENCE_COVERAGE} * first_value(coverage) over best_first))) as confidence,
           fusion / nullif(first_value(fusion) over best_first, 0) as share
    from fused
    window best_first as (order by fusion desc, cosine desc, chunk_id)
)
select judged.chunk_id, chunk.base_id, chunk.content, chunk.heading, document.source, chunk.chunk_index,
       chunk.page, chunk.row,
       coalesce(judged.confidence * judged.share, 0)::float8 as score,
       judged.cosine::float8 as dense,
       judged.bm25::float8 as lexical,
       judged.coverage::float8 as coverage,
       judged.fusion::float8 as fusion,
       judged.confidence::float8 as confidence
from judged
join knowledge_chunk chunk
  on chunk.project_id = %(project_id)s::bigint and chunk.base_id = any(%(base_ids)s::bigint[])
  and chunk.id = judged.chunk_id
join knowledge_document document
  on document.project_id = chunk.project_id and document.base_id = chunk.base_id and document.id = chunk.document_id
order by judged.fusion desc, judged.cosine desc, judged.chunk_id
"""  # noqa: S608 - numbers of this module only


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


def search_statement(base_ids: Sequence[int], project_id: int) -> str:
    """`STATEMENT` for these bases, whose numbers are part of it: each base has a plan of its own, made once.

    One plan for all would read the postings of a large base as if it were a small one.
    """
    bases = ",".join(map(str, sorted(map(int, base_ids))))
    return STATEMENT.replace("%(base_ids)s", f"'{{{bases}}}'").replace("%(project_id)s", str(int(project_id)))


def search_parameters(query: str, vectors: Mapping[str, npt.NDArray[np.float32]], top_k: int) -> dict[str, Any]:
    """What `STATEMENT` asks for besides; `vectors` are the question's, by model."""
    return {
        "query": clean_query(query),
        "models": list(vectors),
        "vectors": [Vector(vector).to_text() for vector in vectors.values()],
        "top_k": max(1, min(top_k, MAX_TOP_K)),
    }
