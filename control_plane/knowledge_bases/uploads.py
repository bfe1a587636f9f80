"""Documents that are too large to be ingested while their sender waits: kept in a table, ingested by any process.

    kept ──taken (lease)──▶ embedded, progress on the base ──▶ written in one step, row gone
             ▲──lease ran out, at most `MAX_ATTEMPTS` times──┘      └──cannot be ingested──▶ row gone, base `error`

Until it is written, search finds what it found before.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.knowledge_bases.indexing import keep_indexed
from knowledge.documents import DocumentError
from knowledge.embedders import Embedders, EmbeddingError, OtherModel
from knowledge.ingest import cut_document, embed_document
from knowledge.store import BaseMoved, BaseNotFound, IndexingStatus, KnowledgeBase, KnowledgeStore

LEASE: Final = timedelta(seconds=120)
MAX_ATTEMPTS: Final = 5
POLL: Final = 5.0
"""Seconds between looks for what another process left behind."""

log = structlog.get_logger()

_KEEP = text("""
    insert into knowledge_upload (project_id, base_id, name, is_file, data)
    values (:project, :base, :name, :file, :data)
""")
_TAKE = text("""
    update knowledge_upload set lease_until = :lease, attempts = attempts + 1
    where id = (
        select id from knowledge_upload where lease_until is null or lease_until < :now
        order by id limit 1 for update skip locked
    )
    returning id, project_id, base_id, name, is_file, data, attempts
""")
_RENEW = text("update knowledge_upload set lease_until = :lease where id = :id and attempts = :attempts")
_REMOVE = text("delete from knowledge_upload where id = :id and attempts = :attempts")


class LostLease(RuntimeError):
    """Another process has taken the upload over."""


async def keep_upload(
    db: Db, base: KnowledgeBase, *, project_id: int, name: str | None, data: bytes, file: bool
) -> None:
    """Have a document ingested after the commit, and the base say that it is."""
    values = {"project": project_id, "base": base.id, "name": name or "", "file": file, "data": data}
    await db.execute(_KEEP, values)
    await KnowledgeStore(db).set_progress(base.id, project_id=project_id, status=IndexingStatus.INDEXING)


class UploadRunner:
    """Ingests what was kept, one document at a time."""

    def __init__(self, database: Database, clock: Clock, embedders: Callable[[], Embedders]) -> None:
        self._database, self._clock, self._embedders = database, clock, embedders
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is taken up again when its lease ends."""
        while True:
            try:
                found = await self.run_one()
            except (Unavailable, EmbeddingError, LostLease, BaseMoved) as error:
                log.warning("upload waits", reason=type(error).__name__)
                found = False
            if not found:
                self.wake.clear()
                try:
                    async with asyncio.timeout(POLL):
                        await self.wake.wait()
                except TimeoutError:
                    pass

    async def run_one(self) -> bool:
        """Ingest the next document that nobody else does; whether there was one."""
        now = self._clock.now()
        async with self._database.platform() as db:
            row = (await db.execute(_TAKE, {"now": now, "lease": now + LEASE})).one_or_none()
        if row is None:
            return False
        try:
            if row.attempts > MAX_ATTEMPTS:
                raise DocumentError("too_hard", "It was tried too often")
            await self._ingest(row)
        except (DocumentError, OtherModel) as error:
            log.warning("upload not ingested", base=row.base_id, reason=type(error).__name__)
            await self._give_up(row)
        except BaseNotFound:
            pass  # deleted meanwhile, and its uploads with it
        return True

    async def _ingest(self, row: Any) -> None:
        async with self._database.tenant(row.project_id) as db:
            base = await KnowledgeStore(db).find_base(row.base_id, project_id=row.project_id)
        if base is None:
            raise BaseNotFound(f"There is no knowledge base {row.base_id}")
        document = await cut_document(row.data, row.name, base, file=row.is_file)

        async def told(percent: int) -> None:
            async with self._database.tenant(row.project_id) as db:
                await self._renew(db, row)
                await KnowledgeStore(db).set_progress(
                    base.id, project_id=row.project_id, status=IndexingStatus.INDEXING, progress=min(percent, 99)
                )

        embedded = await embed_document(document, base, self._embedders().of(base.embedding_model), told)
        async with self._database.tenant(row.project_id) as db:
            await self._renew(db, row)
            created = await KnowledgeStore(db).replace_document(base.id, embedded, project_id=row.project_id)
            EventLog(db, self._clock).append(
                Fact.DOCUMENT_UPLOADED,
                project_id=row.project_id,
                knowledge_base_id=base.id,
                source_file=document.source,
                chunks_created=created,
            )
            after = await KnowledgeStore(db).find_base(base.id, project_id=row.project_id)
            assert after is not None
            await keep_indexed(db, self._clock, after)
            await db.execute(_REMOVE, {"id": row.id, "attempts": row.attempts})

    async def _renew(self, db: Db, row: Any) -> None:
        values = {"id": row.id, "attempts": row.attempts, "lease": self._clock.now() + LEASE}
        renewed: Any = await db.execute(_RENEW, values)
        if not renewed.rowcount:
            raise LostLease(f"upload {row.id}")

    async def _give_up(self, row: Any) -> None:
        async with self._database.tenant(row.project_id) as db:
            await db.execute(_REMOVE, {"id": row.id, "attempts": row.attempts})
            await KnowledgeStore(db).set_progress(row.base_id, project_id=row.project_id, status=IndexingStatus.ERROR)
