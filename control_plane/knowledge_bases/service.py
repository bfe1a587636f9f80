"""Knowledge bases as a customer handles them. Reading and embedding happen with no transaction open."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import Conflict, InvalidRequest, NotFound, PlatformError, TooLarge, Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.knowledge_bases.golden import Examiner
from control_plane.knowledge_bases.holdings import read_documents
from control_plane.knowledge_bases.indexing import drop_or_make, keep_indexed
from control_plane.knowledge_bases.schemas import (
    BaseChange,
    BaseCreate,
    ChunkChange,
    Ingested,
    TextIngest,
)
from control_plane.knowledge_bases.searching import embedding
from control_plane.knowledge_bases.uploads import MAX_WAITING, UploadRunner, keep_upload
from control_plane.plans.quota import Quota
from control_plane.wire import Onward, Page
from knowledge.documents import DocumentError
from knowledge.embedders import Embedders, OtherModel, Vectors
from knowledge.golden import DEFAULT_K, Evaluation
from knowledge.ingest import CHUNKS_AT_ONCE, count_chunks, cut_document, embed_chunk, embed_document, require_model
from knowledge.store import BaseMoved, BaseNotFound, KnowledgeBase, KnowledgeStore, StoredChunk

MAX_UPLOAD: Final = 10 * 1024 * 1024
MAX_AT_ONCE: Final = 1024 * 1024
"""Bytes of a document that is ingested when its sender has the answer."""
REINDEX_PASSES: Final = 5
"""A base may be edited while it is embedded anew; each further pass embeds only what was changed during the last."""

_LEAVE_AGENTS = text("""
    update persona set knowledge_base_ids = jsonb_path_query_array(knowledge_base_ids, '$[*] ? (@ != $base)', :gone)
    where project_id = :project and jsonb_path_exists(knowledge_base_ids, '$[*] ? (@ == $base)', :gone)
""").bindparams(bindparam("gone", type_=JSONB))
_LEAVE_VERSIONS = text("""
    update persona_version set settings = jsonb_set(settings, '{knowledge_base_ids}',
        jsonb_path_query_array(settings, '$.knowledge_base_ids[*] ? (@ != $base)', :gone))
    where project_id = :project and jsonb_path_exists(settings, '$.knowledge_base_ids[*] ? (@ == $base)', :gone)
""").bindparams(bindparam("gone", type_=JSONB))


class KnowledgeBaseService:
    """The knowledge bases of one caller."""

    def __init__(
        self, db: Db, caller: Caller, quota: Quota, log: EventLog, embedders: Embedders, uploads: UploadRunner
    ) -> None:
        self.db, self.caller, self.quota, self.log = db, caller, quota, log
        self.embedders, self.uploads = embedders, uploads
        self.store = KnowledgeStore(db)
        self.examiner = Examiner(db, caller, embedders)

    async def create(self, body: BaseCreate) -> KnowledgeBase:
        """A new, empty base."""
        await self.quota.take("knowledge_bases")
        return await self.store.create_base(
            project_id=self.caller.project_id,
            **body.model_dump(),
            embedding_model=self.embedders.current.model,
            dimensions=self.embedders.current.dimensions,
        )

    async def all(self) -> list[KnowledgeBase]:
        """All bases of the project."""
        return await self.store.list_bases(project_id=self.caller.project_id)

    async def get(self, base_id: int) -> KnowledgeBase:
        """One base; `NotFound` or `Forbidden`."""
        base = await self.store.find_base(base_id, project_id=self.caller.project_id)
        return base or await refuse_missing(self.db, "knowledge_base", base_id, "knowledge base")

    async def change(self, base_id: int, body: BaseChange) -> KnowledgeBase:
        """Change the name or the description."""
        base = await self.store.describe_base(base_id, project_id=self.caller.project_id, **body.changes())
        return base or await refuse_missing(self.db, "knowledge_base", base_id, "knowledge base")

    async def delete(self, base_id: int) -> None:
        """Delete a base with all it holds, and take it from the agents that had it, as they were published too."""
        base = await self.get(base_id)
        for statement in (_LEAVE_AGENTS, _LEAVE_VERSIONS):
            await self.db.execute(statement, {"gone": {"base": base_id}, "project": self.caller.project_id})
        await self.store.delete_base(base_id, project_id=self.caller.project_id)
        if base.indexed_model is not None:
            await drop_or_make(self.db, self.log.clock, base_id)

    async def upload(self, base_id: int, data: bytes, filename: str) -> Ingested:
        """Ingest a file; its earlier version is replaced in one step, and kept if this fails."""
        base = await self.get(base_id)
        if len(data) > MAX_UPLOAD:
            raise TooLarge.field("file", f"is over {MAX_UPLOAD // 2**20} MiB")
        return await self._ingest(base, data, filename, file=True)

    async def ingest(self, base_id: int, body: TextIngest) -> Ingested:
        """Ingest a text."""
        base = await self.get(base_id)
        return await self._ingest(base, body.content.encode("utf-8", "surrogatepass"), body.source_name, file=False)

    async def documents(self, base_id: int, page: Page) -> tuple[list[dict[str, Any]], int]:
        """A page of a base's documents, and how many there are."""
        await self.get(base_id)
        return await read_documents(self.db, base_id, page, project_id=self.caller.project_id)

    async def chunks(self, base_id: int, part: Onward, *, is_active: bool | None) -> tuple[list[StoredChunk], int]:
        """A part of a base's chunks, and how many there are."""
        await self.get(base_id)
        return await self.store.list_chunks(
            base_id,
            project_id=self.caller.project_id,
            offset=part.offset,
            limit=part.per_page,
            after_id=part.after_id,
            is_active=is_active,
        )

    async def chunk(self, base_id: int, chunk_id: int) -> StoredChunk:
        """One chunk; `NotFound` or `Forbidden`."""
        await self.get(base_id)
        found = await self.store.find_chunk(chunk_id, base_id=base_id, project_id=self.caller.project_id)
        return found or await self._refuse_chunk(chunk_id)

    async def change_chunk(self, base_id: int, chunk_id: int, body: ChunkChange) -> StoredChunk:
        """Give a chunk other words, embedded before anything is written."""
        base = await self.get(base_id)
        chunk = await self.store.find_chunk(chunk_id, base_id=base_id, project_id=self.caller.project_id)
        if chunk is None:
            return await self._refuse_chunk(chunk_id)
        await self.db.commit()
        embedder = self.embedders.of(base.embedding_model)
        try:
            with embedding():
                content, vectors = await embed_chunk(body.content, chunk.heading, base, embedder)
        except DocumentError as error:
            raise _refused("content", error) from error
        with _writing():
            changed = await self.store.update_chunk(
                chunk_id,
                base_id=base_id,
                project_id=self.caller.project_id,
                content=content,
                vectors=vectors,
                model=embedder.model,
                is_active=body.is_active,
            )
        return changed or await self._refuse_chunk(chunk_id)

    async def delete_chunk(self, base_id: int, chunk_id: int) -> None:
        """Delete a chunk."""
        await self.get(base_id)
        with _writing():
            deleted = await self.store.delete_chunk(chunk_id, base_id=base_id, project_id=self.caller.project_id)
        if not deleted:
            await self._refuse_chunk(chunk_id)

    async def evaluate(self, base_id: int, k: int) -> Evaluation:
        """How the base finds the answers of its golden questions."""
        await self.get(base_id)
        with embedding():
            return await self.examiner.evaluate(base_id, k, await self.examiner.embed(base_id))

    async def reindex(self, base_id: int, *, min_recall: float | None = None) -> int:
        """Embed all chunks with this server's model; how many the base has. Until it is done, search finds as before.

        Inactive chunks have no embedding to renew; they get one when they are switched on. With `min_recall`, raises
        `Conflict` and changes nothing where less of the golden questions would find their answers.
        """
        await self.get(base_id)
        try:
            with embedding():
                asked = {} if min_recall is None else await self.examiner.embed(base_id)
            await self._replace_vectors(base_id)
            if min_recall is not None:
                with embedding():
                    await self.examiner.demand(base_id, DEFAULT_K, min_recall, asked)
        except PlatformError:
            await self.db.rollback()
            await self._show(base_id, None)
            raise
        await self.store.set_progress(base_id, project_id=self.caller.project_id, progress=None)
        base = await self.get(base_id)
        await keep_indexed(self.db, self.log.clock, base)
        count = base.chunk_count
        self.log.append(
            Fact.REINDEXED,
            project_id=self.caller.project_id,
            knowledge_base_id=base_id,
            chunks_reindexed=count,
        )
        return count

    async def _replace_vectors(self, base_id: int) -> None:
        missing = await self.store.searched_texts(base_id, project_id=self.caller.project_id)
        embedded: dict[int, tuple[str, Vectors]] = {}
        for _ in range(REINDEX_PASSES):
            ids = list(missing)
            for start in range(0, len(ids), CHUNKS_AT_ONCE):
                await self._show(base_id, 100 * start // len(ids))
                part = ids[start : start + CHUNKS_AT_ONCE]
                with embedding():
                    vectors = await self.embedders.current.embed([missing[key] for key in part])
                embedded |= {key: (missing[key], vector) for key, vector in zip(part, vectors, strict=True)}
            with _writing():
                missing = await self.store.replace_vectors(
                    base_id, embedded, project_id=self.caller.project_id, model=self.embedders.current.model
                )
            if not missing:
                return
        raise Conflict("The knowledge base changes while it is indexed; try again")

    async def _show(self, base_id: int, progress: int | None) -> None:
        await self.store.set_progress(base_id, project_id=self.caller.project_id, progress=progress)
        await self.db.commit()

    async def _ingest(self, base: KnowledgeBase, data: bytes, name: str | None, *, file: bool) -> Ingested:
        await self.db.commit()
        embedder = self.embedders.of(base.embedding_model)
        try:
            with embedding():
                if len(data) > MAX_AT_ONCE:
                    require_model(base, embedder)
                    return await self._keep(base, data, name, file=file)
                document = await cut_document(data, name, base, file=file)
                embedded = await embed_document(document, base, embedder)
        except DocumentError as error:
            raise _refused("file" if file else "content", error) from error
        with _writing():
            created = await self.store.replace_document(base.id, embedded, project_id=self.caller.project_id)
        await keep_indexed(self.db, self.log.clock, await self.get(base.id))
        self.log.append(
            Fact.DOCUMENT_UPLOADED,
            project_id=self.caller.project_id,
            knowledge_base_id=base.id,
            source_file=document.source,
            chunks_created=created,
        )
        return Ingested(chunks_created=created, source_file=document.source)

    async def _keep(self, base: KnowledgeBase, data: bytes, name: str | None, *, file: bool) -> Ingested:
        source, planned = await count_chunks(data, name, base, file=file)
        await self.get(base.id)
        kept = await keep_upload(self.db, base, project_id=self.caller.project_id, name=name, data=data, file=file)
        if not kept:
            raise Unavailable(f"{MAX_WAITING} documents of this project wait to be ingested; try again", retry_after=30)
        self.db.afterwards(self._wake)
        return Ingested(chunks_created=planned, source_file=source, later=True)

    async def _wake(self) -> None:
        self.uploads.wake.set()

    async def _refuse_chunk(self, chunk_id: int) -> NoReturn:
        await refuse_missing(self.db, "knowledge_chunk", chunk_id, "chunk")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BaseNotFound as error:  # deleted while its text was embedded
        raise NotFound(str(error)) from error
    except (BaseMoved, OtherModel) as error:
        raise Conflict(str(error)) from error


def _refused(field: str, error: DocumentError) -> InvalidRequest:
    problem = {"field": field, "problem": str(error), "code": error.code}
    return InvalidRequest(f"{field}: {error}", details={"fields": [problem]})
