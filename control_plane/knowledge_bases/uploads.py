"""Documents that are too large to be ingested while their sender waits: kept in a table, ingested by any process.

    kept ──taken (lease)──▶ embedded, progress on the base ──▶ written in one step, row gone
      ▲───lease ran out, at most `MAX_ATTEMPTS` times───┤           └──cannot be ingested──▶ row gone, base `error`
      └───put back: model or database away, process stops

Until it is written, search finds what it found before. Only a document's own fault ends it: what it waits for may be
away for as long as it likes.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
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
from knowledge.embedders import Embedders, EmbeddingError
from knowledge.ingest import cut_document, embed_document, require_model
from knowledge.store import BaseMoved, BaseNotFound, KnowledgeBase, KnowledgeStore

LEASE: Final = timedelta(seconds=30)
"""After which a document whose process has died is another's."""
RENEW_EVERY: Final = 10.0
"""Seconds between renewals, however long a document takes."""
MAX_ATTEMPTS: Final = 5
MAX_WAITING: Final = 20
"""Documents of a project that wait at once."""
PAUSE: Final = timedelta(seconds=30)
"""Until a document that was put back is tried again; others go before."""
POLL: Final = 5.0
"""Seconds between looks for what another process left behind."""

log = structlog.get_logger()

_KEEP = text("""
    insert into knowledge_upload (project_id, base_id, name, is_file, data)
    select :project, :base, :name, :file, cast(:data as bytea)
    where (select count(*) from knowledge_upload where project_id = :project) < :most
    returning id
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
_PUT_BACK = text("""
    update knowledge_upload set lease_until = :until, attempts = attempts - 1 where id = :id and attempts = :attempts
""")
_REMOVE = text("delete from knowledge_upload where id = :id and attempts = :attempts")


class LostLease(RuntimeError):
    """Another process has taken the upload over."""


async def keep_upload(
    db: Db, base: KnowledgeBase, *, project_id: int, name: str | None, data: bytes, file: bool
) -> bool:
    """Have a document ingested after the commit; False where too many of the project wait."""
    values = {"project": project_id, "base": base.id, "name": name or "", "file": file, "data": data}
    return (await db.execute(_KEEP, values | {"most": MAX_WAITING})).first() is not None


class UploadRunner:
    """Ingests what was kept, one document at a time."""

    def __init__(self, database: Database, clock: Clock, embedders: Callable[[], Embedders]) -> None:
        self._database, self._clock, self._embedders = database, clock, embedders
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
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
            keeping = asyncio.create_task(self._keep(row))
            try:
                await self._ingest(row)
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        except DocumentError as error:
            log.warning("upload not ingested", base=row.base_id, reason=error.code)
            await self._give_up(row)
        except BaseNotFound:
            pass  # deleted meanwhile, and its uploads with it
        except (Unavailable, EmbeddingError, BaseMoved):
            await self._put_back(row, self._clock.now() + PAUSE)
            raise
        except asyncio.CancelledError:
            await self._put_back(row, None)  # for whoever comes after, at once
            raise
        return True

    async def _ingest(self, row: Any) -> None:
        async with self._database.tenant(row.project_id) as db:
            base = await KnowledgeStore(db).find_base(row.base_id, project_id=row.project_id)
        if base is None:
            raise BaseNotFound(f"There is no knowledge base {row.base_id}")
        embedder = self._embedders().of(base.embedding_model)
        require_model(base, embedder)
        document = await cut_document(row.data, row.name, base, file=row.is_file)

        async def told(percent: int) -> None:
            async with self._database.tenant(row.project_id) as db:
                await self._renew(db, row)
                await KnowledgeStore(db).set_progress(base.id, project_id=row.project_id, progress=min(percent, 99))

        embedded = await embed_document(document, base, embedder, told)
        async with self._database.tenant(row.project_id) as db:
            await self._renew(db, row)
            store = KnowledgeStore(db)
            created = await store.replace_document(base.id, embedded, project_id=row.project_id)
            await store.set_progress(base.id, project_id=row.project_id, progress=None)
            EventLog(db, self._clock).append(
                Fact.DOCUMENT_UPLOADED,
                project_id=row.project_id,
                knowledge_base_id=base.id,
                source_file=document.source,
                chunks_created=created,
            )
            after = await store.find_base(base.id, project_id=row.project_id)
            assert after is not None
            await keep_indexed(db, self._clock, after)
            await db.execute(_REMOVE, {"id": row.id, "attempts": row.attempts})

    async def _keep(self, row: Any) -> None:
        """Hold the lease while the document is read and embedded."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                async with self._database.tenant(row.project_id) as db:
                    await self._renew(db, row)
            except Unavailable:
                log.warning("lease not renewed", upload=row.id)
            except LostLease:  # the next step finds it, and stops
                return

    async def _renew(self, db: Db, row: Any) -> None:
        values = {"id": row.id, "attempts": row.attempts, "lease": self._clock.now() + LEASE}
        renewed: Any = await db.execute(_RENEW, values)
        if not renewed.rowcount:
            raise LostLease(f"upload {row.id}")

    async def _put_back(self, row: Any, until: datetime | None) -> None:
        async with self._database.tenant(row.project_id) as db:
            await db.execute(_PUT_BACK, {"id": row.id, "attempts": row.attempts, "until": until})

    async def _give_up(self, row: Any) -> None:
        async with self._database.tenant(row.project_id) as db:
            await db.execute(_REMOVE, {"id": row.id, "attempts": row.attempts})
            await KnowledgeStore(db).set_failed(row.base_id, project_id=row.project_id)
