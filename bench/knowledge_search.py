"""Search inside PostgreSQL: a hundred tenants in one table, their sizes by Zipf's law, and one base that is far larger.

Vectors are drawn around common topics and words by Zipf's law from one vocabulary, so that tenants are as hard to tell
apart as can be. What is found is compared with what numpy finds among the tenant's own vectors.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector import Vector

from knowledge.reader import KnowledgeReader
from knowledge.search import EXACT
from parley.stack.database import DatabaseUrls

DIMENSIONS: Final = 384
TOPICS: Final = 200
NOISE: Final = 0.9
VOCABULARY: Final = 20_000
WORDS: Final = 45
STOPPED: Final = 100
"""Ranks of words that the text search configuration drops: the most frequent ones carry nothing."""
SLOPE: Final = 1.2
ASKED: Final = 8
"""Words of a question."""
MODEL: Final = "bench"
K: Final = 10

FILL: Final = """
set session_replication_role = replica;
insert into knowledge_posting (project_id, base_id, term, chunk_id, frequency, length)
select project_id, base_id, lexeme, id, cardinality(positions), terms
from knowledge_chunk cross join lateral unnest(to_tsvector('english', content));
insert into knowledge_term (project_id, base_id, term, chunks)
select project_id, base_id, term, count(*) from knowledge_posting group by project_id, base_id, term;
reset session_replication_role;
"""
NAIVE: Final = """
select chunk_id from knowledge_vector where project_id = %(project)s and base_id = %(project)s and model = 'bench'
order by embedding::halfvec(384) <#> %(vector)s::halfvec(384) limit 10
"""


@dataclass
class Tenants:
    """What is in the table. Project, base and document of a tenant have the same number, from 1."""

    sizes: list[int]
    vectors: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float32]
    random: np.random.Generator
    first: list[int] = field(default_factory=list)

    def rows(self, tenant: int) -> slice:
        """The vectors of a tenant; a chunk's id is its row and one."""
        return slice(self.first[tenant - 1], self.first[tenant - 1] + self.sizes[tenant - 1])

    def question(self) -> npt.NDArray[np.float32]:
        """A vector like those of the table."""
        return _around(self.centres, self.random, 1)[0]


def _around(centres: npt.NDArray[np.float32], randomness: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
    drawn = centres[randomness.integers(0, TOPICS, count)]
    drawn = drawn + NOISE * randomness.standard_normal((count, DIMENSIONS)).astype(np.float32)
    unit: npt.NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fill(url: str, chunks: int, tenants: int, large: int) -> Tenants:
    """Write them all; the last tenant has the base that is far larger."""
    shares = np.array([1 / rank for rank in range(1, tenants + 1)])
    sizes = [max(1, round(chunks * share / shares.sum())) for share in shares] + ([large] if large else [])
    randomness = np.random.default_rng(7)
    centres = randomness.standard_normal((TOPICS, DIMENSIONS)).astype(np.float32)
    made = Tenants(sizes, _around(centres, randomness, sum(sizes)), centres, randomness)
    made.first = [sum(sizes[:place]) for place in range(len(sizes))]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for tenant, size in enumerate(sizes, start=1):
            connection.execute(
                "insert into knowledge_base (id, project_id, name, chunk_size, chunk_overlap, embedding_model,"
                " dimensions, indexed_chunks, indexed_terms, chunk_count, indexing_status)"
                " values (%s, %s, 'b', 500, 50, 'bench', 384, %s, %s, %s, 'ready')",
                (tenant, tenant, size, size * WORDS, size),
            )
            connection.execute(
                "insert into knowledge_document (id, project_id, base_id, source, content_hash)"
                " values (%s, %s, %s, 'd', 'h')",
                (tenant, tenant, tenant),
            )
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "copy knowledge_chunk (id, project_id, base_id, document_id, content, chunk_index, terms) from stdin"
            ) as copy,
        ):
            for tenant in range(1, len(sizes) + 1):
                for row in range(made.rows(tenant).start, made.rows(tenant).stop):
                    copy.write_row((row + 1, tenant, tenant, tenant, _words(randomness, WORDS), row, WORDS))
        with (
            connection.cursor() as cursor,
            cursor.copy("copy knowledge_vector (project_id, base_id, model, chunk_id, embedding) from stdin") as copy,
        ):
            for tenant in range(1, len(sizes) + 1):
                for row in range(made.rows(tenant).start, made.rows(tenant).stop):
                    copy.write_row((tenant, tenant, MODEL, row + 1, Vector(made.vectors[row]).to_text()))
        for statement in FILL.strip().split(";\n"):
            connection.execute(statement)
        connection.execute("vacuum analyze")
    return made


def _words(randomness: np.random.Generator, count: int) -> str:
    ranks = np.ceil(STOPPED * (1 - randomness.random(count)) ** (1 / (1 - SLOPE)))  # Pareto's law beyond the stop words
    return " ".join(f"word{int(rank) % VOCABULARY}" for rank in ranks)


def ask_words(tenants: Tenants) -> str:
    """The words of a question."""
    return _words(tenants.random, ASKED)


def make_index(url: str, tenants: Tenants) -> float:
    """Give the bases that want one their index; seconds."""
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        for tenant, size in enumerate(tenants.sizes, start=1):
            if size > EXACT:
                connection.execute("select knowledge_index_base(%s, %s)", (tenant, EXACT))
    return time.perf_counter() - began


def _exact(tenants: Tenants, tenant: int, vector: npt.NDArray[np.float32]) -> set[int]:
    rows = tenants.rows(tenant)
    near = np.argsort(-(tenants.vectors[rows] @ vector), kind="stable")[:K]
    return {int(rows.start + place + 1) for place in near}


async def search(urls: DatabaseUrls, tenants: Tenants, questions: int) -> list[dict[str, Any]]:
    """Each size's recall, hits and times, by the whole statement and by its vectors alone."""
    sizes = sorted(range(1, len(tenants.sizes) + 1), key=lambda tenant: -tenants.sizes[tenant - 1])
    shown = [place for place in (0, 1, 2, 5, 10, 25, 50, 75, 99, 100) if place < len(sizes)]
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        connection.execute("set jit = off")
        connection.execute("select set_config('parley.project', 'all', false)")
        async with KnowledgeReader(urls.knowledge, pool=2) as reader:
            return [await _of_one(reader, connection, tenants, sizes[place], questions) for place in shown]


async def _of_one(
    reader: KnowledgeReader, connection: psycopg.Connection[Any], tenants: Tenants, tenant: int, questions: int
) -> dict[str, Any]:
    recalls, counts, times, full = [], [], [], True
    size = tenants.sizes[tenant - 1]
    for number in range(questions + 3):
        vector, text = tenants.question(), ask_words(tenants)
        began = time.perf_counter()
        hits = await reader.search(
            text, vectors={MODEL: vector}, base_ids=[tenant], project_id=tenant, top_k=K, timeout=5.0
        )
        took = (time.perf_counter() - began) * 1000
        near = connection.execute(
            "select chunk_id from knowledge_nearest(%s, %s, array['bench'], %s, %s)",
            (tenant, [tenant], [Vector(vector).to_text()], 200),
        ).fetchmany(K)
        exact = _exact(tenants, tenant, vector)
        full = full and len(hits) == min(K, size)
        if number >= 3:  # connections and caches are warm
            recalls.append(len(exact & {row[0] for row in near}) / len(exact))
            counts.append(len(hits))
            times.append(took)
    return {"chunks": size, "recall": float(np.mean(recalls)), "full": full, "ms": times}


def naive(urls: DatabaseUrls, tenants: Tenants, questions: int) -> list[dict[str, Any]]:
    """One index over all, filtered: what a table with `project_id` and an HNSW index does by itself."""
    rows = []
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        for tenant in range(1, len(tenants.sizes) + 1):  # their own indexes would help the naive plan too
            connection.execute("select knowledge_index_base(%s, %s)", (tenant, 10**9))
        connection.execute("set maintenance_work_mem = '256MB'")
        connection.execute(
            "create index naive on knowledge_vector using hnsw ((embedding::halfvec(384)) halfvec_ip_ops)"
        )
        connection.execute("set plan_cache_mode = force_custom_plan")
        for tenant in (1, 2, 5, 15, 50):
            if tenant > len(tenants.sizes):
                break
            for forced in (False, True):
                connection.execute(f"set enable_seqscan = {not forced}")
                connection.execute(f"set enable_bitmapscan = {not forced}")
                connection.execute(f"set enable_sort = {not forced}")
                recalls, times, found = [], [], []
                for _ in range(questions):
                    vector = tenants.question()
                    began = time.perf_counter()
                    near = connection.execute(NAIVE, {"project": tenant, "vector": Vector(vector).to_text()}).fetchall()
                    times.append((time.perf_counter() - began) * 1000)
                    exact = _exact(tenants, tenant, vector)
                    recalls.append(len(exact & {row[0] for row in near}) / len(exact))
                    found.append(len(near))
                rows.append(
                    {
                        "chunks": tenants.sizes[tenant - 1],
                        "forced": forced,
                        "recall": float(np.mean(recalls)),
                        "hits": float(np.mean(found)),
                        "ms": times,
                    }
                )
    return rows


def at_scale(
    urls: DatabaseUrls, superuser: str, *, chunks: int, tenants: int, large: int, questions: int
) -> dict[str, Any]:
    """The whole measurement."""
    made = fill(superuser, chunks, tenants, large)
    seconds = make_index(superuser, made)
    return {
        "chunks": sum(made.sizes),
        "tenants": len(made.sizes),
        "index s": seconds,
        "ours": asyncio.run(search(urls, made, questions)),
        "naive": naive(urls, made, questions),
    }
