"""Budgets: how much a project, or one of its agents, may spend in a calendar month (UTC).

A budget warns once a month when a share of it (`soft_at`) is spent, and is used up when its limit is reached. Then no
call with an agent begins, and those that run are wound up. Another limit is another budget, with its own notices.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.metering.models import BudgetNotice, UsageEntry
from control_plane.wire import Exactly

WIND_UP: Final = "budget.wind_up"
"""Job: a budget is used up; bring its calls to an end. Payload: project_id, persona_id (0: all of them)."""

_BUDGETS = text("""
    select cast(0 as bigint) as persona_id, budget from project where id = :project and budget is not null
    union all
    select id, budget from persona where project_id = :project and id = :persona and budget is not null
""")
_LOCK = text("select from project where id = :project for no key update")
_SPENT = text("select month_spent(:project, :persona, :at)")
_USED_UP = text("select used_up_budget(:project, cast(:personas as bigint[]), :at)")


class Budget(Exactly):
    """What may be spent in a calendar month (UTC), and at which share of it to warn."""

    limit_usd: Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]
    soft_at: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.8


async def find_used_up(db: Db, project_id: int, persona_ids: list[int], *, at: datetime) -> int | None:
    """Whose budget is used up: 0 for the project's, else the agent's id; None while there is money left."""
    found: int | None = await db.scalar(_USED_UP, {"project": project_id, "personas": persona_ids, "at": at})
    return found


async def lock_budgets(db: Db, entry: UsageEntry) -> dict[int, Budget]:
    """The budgets an entry counts against, by agent (0: the project's).

    Where there are any, one entry of the project at a time: each then sees the sum of all before it.
    """
    rows = (await db.execute(_BUDGETS, {"project": entry.project_id, "persona": entry.persona_id})).all()
    if rows:
        await db.execute(_LOCK, {"project": entry.project_id})
    return {row.persona_id: Budget.model_validate(row.budget) for row in rows}


async def watch_budgets(db: Db, log: EventLog, budgets: dict[int, Budget], entry: UsageEntry) -> None:
    """Tell what an entry, which is in the roll-up already, has done to the budgets of its month."""
    for persona_id, budget in budgets.items():
        values = {"project": entry.project_id, "persona": persona_id, "at": entry.at}
        spent: Decimal = await db.scalar(_SPENT, values) or Decimal(0)
        limit = Decimal(str(budget.limit_usd))
        soft = limit * Decimal(str(budget.soft_at))
        for fact, threshold in ((Fact.BUDGET_WARNING, soft), (Fact.BUDGET_EXCEEDED, limit)):
            if spent >= threshold and await _first(db, entry, persona_id, fact, threshold):
                log.append(
                    fact,
                    project_id=entry.project_id,
                    agent_config_id=persona_id or None,
                    month=f"{_month(entry.at):%Y-%m}",
                    limit_usd=budget.limit_usd,
                    soft_at=budget.soft_at,
                    spent_usd=float(spent),
                )
        if spent >= limit:
            key = f"{entry.project_id}:{persona_id}"
            payload = {"project_id": entry.project_id, "persona_id": persona_id}
            await enqueue(db, WIND_UP, key, run_at=log.clock.now(), **payload)


async def _first(db: Db, entry: UsageEntry, persona_id: int, fact: Fact, threshold: Decimal) -> bool:
    statement = insert(BudgetNotice).values(
        project_id=entry.project_id,
        persona_id=persona_id,
        month=_month(entry.at).date(),
        fact=fact.value,
        threshold_usd=threshold,
    )
    first = statement.on_conflict_do_nothing().returning(col(BudgetNotice.project_id))
    return await db.scalar(first) is not None


def _month(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1)
