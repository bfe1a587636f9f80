"""An index of its own for each base that has grown too large to compare all its vectors: made outside of requests."""

from typing import Any, Final

from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.db.database import Database, Db, take_long
from control_plane.jobs.queue import enqueue
from knowledge.search import EXACT
from knowledge.store import KnowledgeBase

INDEX_BASE: Final = "index_base"

WITHIN: Final = 45
"""Seconds that an index may take to be made."""
_INDEX = text("select knowledge_index_base(:base, :beyond)")


async def keep_indexed(db: Db, clock: Clock, base: KnowledgeBase) -> None:
    """Have the base's index made, or dropped, if it needs that; search finds the same meanwhile."""
    if base.wants_index or (base.indexed_model and base.indexed_chunks <= EXACT):
        await drop_or_make(db, clock, base.id)


async def drop_or_make(db: Db, clock: Clock, base_id: int) -> None:
    """Have a look at the base's index after the commit."""
    await enqueue(db, INDEX_BASE, str(base_id), run_at=clock.now(), base_id=base_id)


class BaseIndexer:
    """Does what `keep_indexed` asked for. Nobody writes vectors while an index is made; everybody searches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def handle(self, payload: dict[str, Any]) -> None:
        """Bring one base's index to what its size asks for; done again, it changes nothing."""
        async with self._database.platform() as db:
            await take_long(db, WITHIN)
            await db.execute(_INDEX, {"base": payload["base_id"], "beyond": EXACT})
