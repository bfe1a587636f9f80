"""Writing what was consumed: an entry with its price, its part of the day's sum, and what it does to a budget."""

from datetime import UTC
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.log import EventLog
from control_plane.metering.budget import lock_budgets, watch_budgets
from control_plane.metering.models import SUMS, UsageDay, UsageEntry
from control_plane.metering.prices import Quantities, price_book

_KEY: Final = ("project_id", "day", "persona_id", "service", "provider", "model")


async def record(db: Db, entry: UsageEntry, *, clock: Clock) -> bool:
    """Write an entry in the caller's transaction; False, and nothing changes, where its source was counted already.

    Its provider is named and its cost set here, by the prices in force when the work was done; work without a price
    costs 0 and is marked. `clock` is for the facts of budgets.
    """
    _price(entry)
    values = entry.model_dump(exclude={"id"})
    statement = insert(UsageEntry).values(**values).on_conflict_do_nothing().returning(col(UsageEntry.id))
    if await db.scalar(statement) is None:
        return False
    budgets = await lock_budgets(db, entry)
    await _roll_up(db, entry)
    if budgets:
        await watch_budgets(db, EventLog(db, clock), budgets, entry)
    return True


def _price(entry: UsageEntry) -> None:
    book = price_book()
    entry.provider = book.provider(entry.provider)
    price = book.find(entry.service, entry.provider, entry.model, on=entry.at.astimezone(UTC).date())
    done = Quantities.model_validate(entry.model_dump(include=set(Quantities.model_fields)))
    entry.unpriced = price is None
    if price is not None:
        entry.cost_usd = price.of(done)


async def _roll_up(db: Db, entry: UsageEntry) -> None:
    kind = entry.model_dump(include={"project_id", "service", "provider", "model", "unpriced", *SUMS})
    kind |= {"day": entry.at.astimezone(UTC).date(), "persona_id": entry.persona_id or 0}
    statement = insert(UsageDay).values(**kind)
    sums = {name: col(getattr(UsageDay, name)) + statement.excluded[name] for name in SUMS}
    unpriced = col(UsageDay.unpriced) | statement.excluded.unpriced
    await db.execute(statement.on_conflict_do_update(index_elements=_KEY, set_={**sums, "unpriced": unpriced}))
