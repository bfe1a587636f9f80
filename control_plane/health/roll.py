"""Who has given a sign of life within the last hour, in one question: our own processes, workers, bot hosts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from control_plane.db.database import Db

LIVES: Final = timedelta(seconds=20)
"""A process that was heard of so recently lives: signs come every 5 seconds, those of workers every 3."""
MISSED: Final = timedelta(hours=1)
"""For how long one that is silent is told of."""
MOST: Final = 300
"""Processes that are told of, those that live first."""

_ROLL = text("""
    select id, kind, now() - seen_at < :lives as lives, 0 as capacity, figures
    from process_pulse where seen_at > now() - cast(:missed as interval)
    union all
    select id, coalesce(figures ->> 'kind', case when capacity > 0 then 'worker' else 'bots' end),
        connected and seen_at > cast(:at as timestamptz) - cast(:lives as interval), capacity, figures
    from worker where seen_at > cast(:at as timestamptz) - cast(:missed as interval)
    order by lives desc, id limit :most
""")


@dataclass(frozen=True, slots=True)
class Sign:
    """A process: `serve`, `jobs`, `worker` or `bots`. `lives`: it was heard of just now, and not to have gone."""

    id: str
    kind: str
    lives: bool
    capacity: int
    figures: dict[str, Any]


async def call_roll(db: Db, at: datetime) -> list[Sign]:
    """Who is there. Ours are dated by the database's clock; workers by that of whoever heard them, which is `at`'s."""
    rows = await db.execute(_ROLL, {"lives": LIVES, "missed": MISSED, "most": MOST, "at": at})
    return [Sign(*row) for row in rows.all()]
