"""Searching a base: the question's vector, then one round trip to PostgreSQL; another only where nothing is found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from control_plane.auth.callers import Caller
from control_plane.db.database import Database
from control_plane.db.rows import refuse_missing
from control_plane.errors import Conflict, Unavailable
from control_plane.gate.transaction import Transaction
from control_plane.knowledge_bases.schemas import Citation, Found, Parts, Query, SearchAnswer
from knowledge.embedders import Embedders, EmbeddingError, OtherModel
from knowledge.search import STATEMENT, Hit, search_parameters
from knowledge.store import KnowledgeStore

log = structlog.get_logger()


class Searcher:
    """Searches the bases of one caller."""

    def __init__(self, database: Database, transaction: Transaction, caller: Caller, embedders: Embedders) -> None:
        self.database, self.transaction, self.caller, self.embedders = database, transaction, caller, embedders

    async def search(self, body: Query) -> SearchAnswer:
        """The passages that answer a query best; `NotFound` or `Forbidden` where it is not the caller's base."""
        began = time.perf_counter()
        with embedding():
            vectors = await self.embedders.question(body.query)
        base_id, project_id = body.knowledge_base_id, self.caller.project_id
        asked = search_parameters(
            body.query,
            vectors,
            base_ids=[base_id],
            project_id=project_id,
            top_k=body.top_k,
        )
        hits = [Hit(*row) for row in await self.database.rows(project_id, STATEMENT, asked)]
        if not hits:
            db = await self.transaction.begin()
            if await KnowledgeStore(db).find_base(base_id, project_id=project_id) is None:
                await refuse_missing(db, "knowledge_base", base_id, "knowledge base")
        results = [found(hit, explain=body.explain) for hit in hits]
        took = round((time.perf_counter() - began) * 1000, 1)
        return SearchAnswer(results=results, query=body.query, took_ms=took)


def found(hit: Hit, *, explain: bool) -> Found:
    """A hit as it is shown."""
    shown = Found(
        chunk_id=hit.chunk_id,
        content=hit.content,
        source=hit.source,
        chunk_index=hit.chunk_index,
        score=round(hit.score, 4),
    )
    if explain:
        shown.parts = Parts(
            cosine=round(hit.dense, 4),
            bm25=round(hit.lexical, 4),
            coverage=round(hit.coverage, 4),
            fusion=round(hit.fusion, 4),
            confidence=round(hit.confidence, 4),
        )
        shown.citation = Citation(heading=hit.heading or None, page=hit.page, row=hit.row)
    return shown


@contextmanager
def embedding() -> Iterator[None]:
    """Faults of the embedder as errors that can be answered."""
    try:
        yield
    except OtherModel as error:
        raise Conflict(str(error)) from error
    except EmbeddingError as error:
        log.warning("embedding failed", reason=str(error))
        raise Unavailable("The embedding model cannot be reached; try again") from error
