"""Questions that callers asked and a base knew nothing about, for its owner: one row a question, counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from knowledge.tables import knowledge_unanswered

MAX_QUESTION: Final = 500
MAX_KEPT: Final = 1_000
"""Questions of a base; of more, those that were not asked for longest are forgotten."""

_KEEP = text("""
    insert into knowledge_unanswered as known (project_id, base_id, question, score, session_id)
    select project_id, id, :question, :score, :session_id from knowledge_base
    where project_id = :project_id and id = any(cast(:base_ids as bigint[]))
    on conflict (project_id, base_id, question) do update
    set times = known.times + 1, score = excluded.score, session_id = excluded.session_id, last_asked_at = now()
""")
_FORGET = text("""
    delete from knowledge_unanswered where id in (
        select id from (
            select id, row_number() over (partition by base_id order by last_asked_at desc, id desc) as place
            from knowledge_unanswered
            where project_id = :project_id and base_id = any(cast(:base_ids as bigint[]))
        ) as kept where place > :most
    )
""")


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """A question, how often it was asked, and the best score when it was asked last."""

    id: int
    question: str
    times: int
    score: float
    session_id: int
    first_asked_at: datetime
    last_asked_at: datetime


COLUMNS: Final = tuple(knowledge_unanswered.c[name] for name in UnansweredQuestion.__slots__)


async def keep_unanswered(
    db: AsyncConnection | AsyncSession,
    question: str,
    *,
    base_ids: Sequence[int],
    project_id: int,
    score: float,
    session_id: int,
) -> None:
    """Remember a question for the owners of these bases; bases that are gone are left out."""
    values = {"project_id": project_id, "base_ids": list(base_ids)}
    said = {"question": question[:MAX_QUESTION], "score": score, "session_id": session_id}
    await db.execute(_KEEP, values | said)
    await db.execute(_FORGET, values | {"most": MAX_KEPT})


async def list_unanswered(
    db: AsyncConnection | AsyncSession, base_id: int, *, project_id: int, offset: int, limit: int
) -> tuple[list[UnansweredQuestion], int]:
    """A page of a base's, those asked most first, and how many there are."""
    column = knowledge_unanswered.c
    conditions = (column.project_id == project_id, column.base_id == base_id)
    total = await db.scalar(select(func.count()).select_from(knowledge_unanswered).where(*conditions))
    query = select(*COLUMNS).where(*conditions).order_by(column.times.desc(), column.last_asked_at.desc(), column.id)
    rows = await db.execute(query.offset(offset).limit(limit))
    return [UnansweredQuestion(*row) for row in rows], total or 0
