"""Knowledge bases in PostgreSQL: the one class of this library that speaks SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pgvector import Vector
from sqlalchemy import ColumnElement, Row, case, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from knowledge import statements
from knowledge.chunking import Chunk, searched_text
from knowledge.embedders import OtherModel, Vectors
from knowledge.search import EXACT, STATEMENT, Hit, search_parameters
from knowledge.tables import (
    knowledge_base,
    knowledge_chunk,
    knowledge_document,
    knowledge_upload,
    knowledge_vector,
)

ROWS_AT_ONCE: Final = 500
WORKING: Final = timedelta(minutes=2)
"""How long a base shows the progress it was told last; whoever is at work tells it more often."""


class BaseNotFound(LookupError):
    """This project has no such knowledge base."""


class BaseMoved(RuntimeError):
    """The base has moved to another model while something was embedded for it; embedding it anew helps."""


class IndexingStatus(StrEnum):
    """What a base shows: `indexing` while a document waits or somebody is at work, `error` where a document that
    waited could not be ingested, until another is; else whether there are chunks."""

    EMPTY = "empty"
    INDEXING = "indexing"
    READY = "ready"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base as its owner sees it. `progress` is the percentage of a running ingest."""

    id: int
    name: str
    description: str
    chunk_size: int
    chunk_overlap: int
    embedding_model: str
    dimensions: int
    indexing_status: IndexingStatus
    progress: int
    chunk_count: int
    total_chars: int
    indexed_chunks: int
    indexed_model: str | None
    last_indexed_at: datetime | None
    created_at: datetime

    @property
    def wants_index(self) -> bool:
        """Whether it is too large to compare all its vectors, and has no index of its own for their model."""
        return self.indexed_chunks > EXACT and self.indexed_model != self.embedding_model


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as its owner sees it. Inactive ones are listed and never found."""

    id: int
    content: str
    heading: str
    source: str
    chunk_index: int
    page: int | None
    row: int | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class EmbeddedDocument:
    """A document ready to be written: its chunks, and one row of `vectors` for each.

    `replaces_source` says what it takes the place of: whatever came from the same source, or, for labels that many
    documents share, only the very same content.
    """

    source: str
    content_hash: str
    chunks: Sequence[Chunk]
    vectors: Vectors
    model: str
    replaces_source: bool = True


_UPLOADS: Final = exists().where(
    knowledge_upload.c.project_id == knowledge_base.c.project_id, knowledge_upload.c.base_id == knowledge_base.c.id
)
_AT_WORK: Final = knowledge_base.c.progress_until > func.now()
SHOWN: Final[dict[str, ColumnElement[Any]]] = {
    "indexing_status": case(
        (_AT_WORK | _UPLOADS.correlate(knowledge_base), IndexingStatus.INDEXING),
        (knowledge_base.c.indexing_status == IndexingStatus.ERROR, IndexingStatus.ERROR),
        (knowledge_base.c.chunk_count > 0, IndexingStatus.READY),
        else_=IndexingStatus.EMPTY,
    ),
    "progress": case((_AT_WORK, knowledge_base.c.progress), else_=0),
}
"""Read anew each time: nobody who dies at work leaves a base that says it is being indexed."""
BASE_COLUMNS: Final = tuple(
    SHOWN[name].label(name) if name in SHOWN else knowledge_base.c[name] for name in KnowledgeBase.__slots__
)


class KnowledgeStore:
    """Questions to the knowledge tables, inside the caller's transaction.

    Every question names the owner: another project's rows are not there. Writers of one base wait for each other;
    readers never wait, and see the state before or after a transaction, nothing between.
    """

    def __init__(self, db: AsyncConnection | AsyncSession) -> None:
        self._db = db

    async def create_base(
        self,
        *,
        project_id: int,
        name: str,
        description: str = "",
        chunk_size: int,
        chunk_overlap: int,
        embedding_model: str,
        dimensions: int,
    ) -> KnowledgeBase:
        """A new, empty base. The model is remembered: all its chunks are embedded with it."""
        statement = insert(knowledge_base).values(
            project_id=project_id,
            name=name,
            description=description,
            chunk_size=chunk_size,
            chunk_overlap=chunk_overlap,
            embedding_model=embedding_model,
            dimensions=dimensions,
        )
        return _base((await self._db.execute(statement.returning(*BASE_COLUMNS))).one())

    async def find_base(self, base_id: int, *, project_id: int) -> KnowledgeBase | None:
        query = select(*BASE_COLUMNS).where(_is_base(base_id, project_id))
        row = (await self._db.execute(query)).one_or_none()
        return _base(row) if row else None

    async def list_bases(self, *, project_id: int) -> list[KnowledgeBase]:
        """All bases of a project, oldest first."""
        query = select(*BASE_COLUMNS).where(knowledge_base.c.project_id == project_id).order_by(knowledge_base.c.id)
        return [_base(row) for row in await self._db.execute(query)]

    async def describe_base(self, base_id: int, *, project_id: int, **values: str) -> KnowledgeBase | None:
        """Give a base another name or description."""
        statement = update(knowledge_base).where(_is_base(base_id, project_id)).values(**values)
        row = (await self._db.execute(statement.returning(*BASE_COLUMNS))).one_or_none()
        return _base(row) if row else None

    async def delete_base(self, base_id: int, *, project_id: int) -> bool:
        """Delete a base with all it holds; whether there was one."""
        try:
            await self._lock(base_id, project_id)
        except BaseNotFound:
            return False
        where = {"project_id": project_id, "base_id": base_id}
        await self._db.execute(statements.DROP_TERMS, where)  # nothing is counted out of them then
        await self._drop_chunks(where)
        await self._db.execute(delete(knowledge_base).where(_is_base(base_id, project_id)))
        return True

    async def set_progress(self, base_id: int, *, project_id: int, progress: int | None) -> None:
        """Say how far somebody at work is, in percent; None at the end. What search finds does not change."""
        until = None if progress is None else func.now() + WORKING
        shown = {"progress": progress or 0, "progress_until": until}
        await self._db.execute(update(knowledge_base).where(_is_base(base_id, project_id)).values(**shown))

    async def set_failed(self, base_id: int, *, project_id: int) -> None:
        """Say that a document which waited could not be ingested."""
        shown = {"indexing_status": IndexingStatus.ERROR, "progress_until": None}
        await self._db.execute(update(knowledge_base).where(_is_base(base_id, project_id)).values(**shown))

    async def replace_document(self, base_id: int, document: EmbeddedDocument, *, project_id: int) -> int:
        """Put a document into a base in place of its earlier self; how many chunks it has."""
        await self._lock(base_id, project_id, model=document.model, vectors=document.vectors)
        where = {"project_id": project_id, "base_id": base_id}
        earlier = [
            knowledge_document.c.project_id == project_id,
            knowledge_document.c.base_id == base_id,
            knowledge_document.c.source == document.source,
        ]
        if not document.replaces_source:
            earlier.append(knowledge_document.c.content_hash == document.content_hash)
        replaced = select(knowledge_document.c.id).where(*earlier)
        await self._drop_chunks(where, knowledge_chunk.c.document_id.in_(replaced))
        await self._db.execute(delete(knowledge_document).where(*earlier))
        document_id = await self._db.scalar(
            insert(knowledge_document)
            .values(source=document.source, content_hash=document.content_hash, **where)
            .returning(knowledge_document.c.id)
        )
        for start in range(0, len(document.chunks), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            part = document.chunks[rows]
            pieces = {
                "contents": [chunk.text for chunk in part],
                "headings": [chunk.heading for chunk in part],
                "indexes": [chunk.index for chunk in part],
                "pages": [chunk.page for chunk in part],
                "rows": [chunk.row for chunk in part],
            }
            added = await self._db.execute(statements.ADD_CHUNKS, where | pieces | {"document_id": document_id})
            id_of = {row.chunk_index: row.id for row in added}
            await self._index([id_of[chunk.index] for chunk in part], document.vectors[rows], document.model, where)
        await self._db.execute(statements.RECOUNT, where)
        return len(document.chunks)

    async def list_chunks(
        self,
        base_id: int,
        *,
        project_id: int,
        offset: int = 0,
        limit: int = 20,
        after_id: int | None = None,
        is_active: bool | None = None,
    ) -> tuple[list[StoredChunk], int]:
        """A part of a base's chunks in the order they came, and how many there are in all."""
        conditions = [knowledge_chunk.c.project_id == project_id, knowledge_chunk.c.base_id == base_id]
        conditions += [] if is_active is None else [knowledge_chunk.c.is_active == is_active]
        total = await self._db.scalar(select(func.count()).select_from(knowledge_chunk).where(*conditions))
        later = [] if after_id is None else [knowledge_chunk.c.id > after_id]
        query = _chunks().where(*conditions, *later).order_by(knowledge_chunk.c.id).offset(offset).limit(limit)
        return [_chunk(row) for row in await self._db.execute(query)], total or 0

    async def find_chunk(self, chunk_id: int, *, base_id: int, project_id: int) -> StoredChunk | None:
        query = _chunks().where(_is_chunk(chunk_id, base_id, project_id))
        row = (await self._db.execute(query)).one_or_none()
        return _chunk(row) if row else None

    async def update_chunk(
        self,
        chunk_id: int,
        *,
        base_id: int,
        project_id: int,
        content: str,
        vectors: Vectors,
        model: str,
        is_active: bool | None = None,
    ) -> StoredChunk | None:
        """Give a chunk other words, with the one vector of them; `is_active` takes it out of search or back in."""
        await self._lock(base_id, project_id, model=model, vectors=vectors)
        where = {"project_id": project_id, "base_id": base_id}
        change = where | {"id": chunk_id, "content": content, "is_active": is_active}
        if (await self._db.execute(statements.SET_CHUNK, change)).first() is None:
            return None
        for statement in statements.DROP_INDEX:
            await self._db.execute(statement, where | {"ids": [chunk_id]})
        await self._index([chunk_id], vectors, model, where)
        await self._db.execute(statements.RECOUNT, where)
        return await self.find_chunk(chunk_id, base_id=base_id, project_id=project_id)

    async def delete_chunk(self, chunk_id: int, *, base_id: int, project_id: int) -> bool:
        """Delete a chunk; whether there was one."""
        await self._lock(base_id, project_id)
        where = {"project_id": project_id, "base_id": base_id}
        if not await self._drop_chunks(where, knowledge_chunk.c.id == chunk_id):
            return False
        await self._db.execute(statements.RECOUNT, where)
        return True

    async def searched_texts(self, base_id: int, *, project_id: int) -> dict[int, str]:
        """What the vector of each chunk that can be found is made from, by the chunk's id."""
        chunk = knowledge_chunk.c
        query = select(chunk.id, chunk.heading, chunk.content).where(
            chunk.project_id == project_id, chunk.base_id == base_id, chunk.is_active
        )
        return {row.id: searched_text(row.heading, row.content) for row in await self._db.execute(query)}

    async def replace_vectors(
        self, base_id: int, embedded: Mapping[int, tuple[str, Vectors]], *, project_id: int, model: str
    ) -> dict[int, str]:
        """Put new vectors in the place of all of a base's, which belongs to `model` from then on.

        `embedded` has the text and the vector of each chunk, as of a moment ago. The texts that were changed or added
        meanwhile are the answer; while there are any, nothing is written. The base stays locked until the commit.
        """
        await self._lock(base_id, project_id)
        texts = await self.searched_texts(base_id, project_id=project_id)
        missing = {key: text for key, text in texts.items() if key not in embedded or embedded[key][0] != text}
        if missing:
            return missing
        where = {"project_id": project_id, "base_id": base_id}
        vector = knowledge_vector.c
        await self._db.execute(
            delete(knowledge_vector).where(vector.project_id == project_id, vector.base_id == base_id)
        )
        ids = list(texts)
        for start in range(0, len(ids), ROWS_AT_ONCE):
            part = ids[start : start + ROWS_AT_ONCE]
            given = [Vector(embedded[key][1]).to_text() for key in part]
            await self._db.execute(statements.ADD_VECTORS, where | {"ids": part, "vectors": given, "model": model})
        change: dict[str, Any] = {"embedding_model": model}
        if ids:
            change["dimensions"] = len(embedded[ids[0]][1])
        await self._db.execute(update(knowledge_base).where(_is_base(base_id, project_id)).values(**change))
        await self._db.execute(statements.RECOUNT, where)
        return {}

    async def search(
        self, query: str, *, vectors: Mapping[str, Vectors], base_ids: Sequence[int], project_id: int, top_k: int = 5
    ) -> list[Hit]:
        """The chunks of these bases that answer `query` best, best first, in one round trip.

        `vectors` are the question's, by model.
        """
        connection = self._db if isinstance(self._db, AsyncConnection) else await self._db.connection()
        parameters = search_parameters(query, vectors, base_ids=base_ids, project_id=project_id, top_k=top_k)
        rows = await connection.exec_driver_sql(STATEMENT, parameters)
        return [Hit(**row._mapping) for row in rows]

    async def _lock(
        self, base_id: int, project_id: int, *, model: str | None = None, vectors: Vectors | None = None
    ) -> None:
        """Hold the base until the commit, for such vectors; rows that only refer to it can be added meanwhile."""
        base = knowledge_base.c
        query = select(base.embedding_model, base.dimensions, base.indexed_chunks).where(_is_base(base_id, project_id))
        found = (await self._db.execute(query.with_for_update(key_share=True))).one_or_none()
        if found is None:
            raise BaseNotFound(f"There is no knowledge base {base_id}")
        if model not in {None, found.embedding_model}:
            raise BaseMoved(f"The knowledge base has moved to {found.embedding_model} meanwhile; try again")
        if vectors is None or vectors.shape[1] == found.dimensions:
            return
        if found.indexed_chunks:
            raise OtherModel(
                f"The knowledge base's vectors have {found.dimensions} dimensions, those of {model} have "
                f"{vectors.shape[1]} by now. Index the base anew."
            )
        # A model behind a server tells its dimensions with its first vectors.
        sized = update(knowledge_base).where(_is_base(base_id, project_id)).values(dimensions=vectors.shape[1])
        await self._db.execute(sized)

    async def _drop_chunks(self, where: dict[str, int], *conditions: ColumnElement[bool]) -> int:
        """Delete chunks of a base; how many. A cascade would count each chunk's terms on its own."""
        chunk = knowledge_chunk.c
        query = select(chunk.id).where(
            chunk.project_id == where["project_id"], chunk.base_id == where["base_id"], *conditions
        )
        dropped = 0
        while ids := list((await self._db.execute(query.limit(ROWS_AT_ONCE))).scalars()):
            for statement in (*statements.DROP_INDEX, statements.DROP_CHUNKS):
                await self._db.execute(statement, where | {"ids": ids})
            dropped += len(ids)
        return dropped

    async def _index(self, ids: list[int], vectors: Vectors, model: str, where: dict[str, int]) -> None:
        texts = [Vector(vector).to_text() for vector in vectors]
        await self._db.execute(statements.ADD_VECTORS, where | {"ids": ids, "vectors": texts, "model": model})
        await self._db.execute(statements.ADD_POSTINGS, where | {"ids": ids})


def _is_base(base_id: int, project_id: int) -> Any:
    return (knowledge_base.c.project_id == project_id) & (knowledge_base.c.id == base_id)


def _is_chunk(chunk_id: int, base_id: int, project_id: int) -> Any:
    chunk = knowledge_chunk.c
    return (chunk.project_id == project_id) & (chunk.base_id == base_id) & (chunk.id == chunk_id)


def _chunks() -> Any:
    chunk, document = knowledge_chunk.c, knowledge_document.c
    where = (chunk.chunk_index, chunk.page, chunk.row)
    shown = select(chunk.id, chunk.content, chunk.heading, document.source, *where, chunk.is_active)
    return shown.join_from(knowledge_chunk, knowledge_document)


def _base(row: Row[Any]) -> KnowledgeBase:
    values = dict(row._mapping)
    values["indexing_status"] = IndexingStatus(values["indexing_status"])
    return KnowledgeBase(**values)


def _chunk(row: Row[Any]) -> StoredChunk:
    return StoredChunk(**row._mapping)
