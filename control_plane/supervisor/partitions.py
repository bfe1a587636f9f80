"""The parts of what grows with every call: made before they are needed, dropped when nobody keeps anything of them.

What is done is in functions of the database, as the tables are not ours: they take no names, and look for themselves
who keeps what (migration 0045, decision 0034).
"""

from typing import Final

import structlog
from sqlalchemy import text

from control_plane import metrics
from control_plane.clock import Clock
from control_plane.db.database import Database, take_long
from control_plane.errors import Unavailable

PATIENT: Final = 300
"""Seconds for looking through a part, or for moving what lay in the part for the rest."""
AT_ONCE: Final = 100
"""Parts dropped in one pass: the next pass goes on."""

_TEND: Final = text("select * from tend_partitions()")
_DROP: Final = text("select drop_unkept_partition(:now)")

log = structlog.get_logger()


async def tend_partitions(database: Database) -> None:
    """Make the parts that are needed next, and give what found none a part of its own."""
    async with database.platform() as db:
        await take_long(db, PATIENT)
        tables = (await db.execute(_TEND)).all()
    for table in tables:
        metrics.PARTITION_STRAYS.labels(table.tended).set(table.strays)
        if table.made:
            log.info("partitions made", table=table.tended, partitions=table.made)
        if table.strays:
            log.warning("rows have no partition of their own", table=table.tended, rows=table.strays)


async def drop_partitions(database: Database, clock: Clock) -> None:
    """Drop the parts of which no project keeps a row. One that somebody is at waits for the next pass."""
    for _ in range(AT_ONCE):
        try:
            async with database.platform() as db:
                await take_long(db, PATIENT)
                dropped = await db.scalar(_DROP, {"now": clock.now()})
        except Unavailable:
            log.warning("partitions are dropped later")
            return
        if dropped is None:
            return
        log.info("partition dropped", partition=dropped)
