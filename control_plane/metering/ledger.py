"""Writing what was consumed: an entry with its price, its part of the day's sum, and what it does to a budget."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

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
    """Write an entry, as `record_all` does; False, and nothing changes, where its source was counted already."""
    return bool(await record_all(db, [entry], clock=clock))


async def record_all(db: Db, entries: Sequence[UsageEntry], *, clock: Clock) -> list[UsageEntry]:
    """Write entries of one project in the caller's transaction; those whose source was not counted already.

    Their provider is named and their cost set here, by the prices in force when the work was done; work without a price
    costs 0 and is marked. `clock` is for the facts of budgets. All who count for a project that day wait for the rows
    of its sums until the commit: so what else is to be written is written before.
    """
    for entry in entries:
        _price(entry)
    values = [entry.model_dump(exclude={"id"}) for entry in entries]
    statement = insert(UsageEntry).values(values).on_conflict_do_nothing().returning(col(UsageEntry.source))
    fresh = set((await db.scalars(statement)).all())
    counted = [entry for entry in entries if entry.source in fresh]
    if counted:
        await db.flush()
        watched = [(entry, await lock_budgets(db, entry)) for entry in _one_of_each_agent(counted)]
        await _roll_up(db, counted)
        for entry, budgets in watched:
            await watch_budgets(db, EventLog(db, clock), budgets, entry)
    return counted


def _one_of_each_agent(entries: Sequence[UsageEntry]) -> list[UsageEntry]:
    """The last entry of each agent in each month: its budgets are looked at once."""
    return list({(entry.persona_id, entry.at.astimezone(UTC).strftime("%Y-%m")): entry for entry in entries}.values())


def _price(entry: UsageEntry) -> None:
    book = price_book()
    entry.provider = book.provider(entry.provider)
    price = book.find(entry.service, entry.provider, entry.model, on=entry.at.astimezone(UTC).date())
    done = Quantities.model_validate(entry.model_dump(include=set(Quantities.model_fields)))
    entry.unpriced = price is None
    if price is not None:
        entry.cost_usd = price.of(done)


async def _roll_up(db: Db, entries: Sequence[UsageEntry]) -> None:
    days: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        on, agent = entry.at.astimezone(UTC).date(), entry.persona_id or 0
        key = entry.project_id, on, agent, entry.service, entry.provider, entry.model
        day = days.setdefault(key, dict.fromkeys(SUMS, 0) | {"unpriced": False})
        for name in SUMS:
            day[name] += getattr(entry, name)
        day["unpriced"] |= entry.unpriced
    # In one order, so that no two who count for the same days wait for each other.
    statement = insert(UsageDay).values([dict(zip(_KEY, key, strict=True)) | days[key] for key in sorted(days)])
    sums = {name: col(getattr(UsageDay, name)) + statement.excluded[name] for name in SUMS}
    unpriced = col(UsageDay.unpriced) | statement.excluded.unpriced
    await db.execute(statement.on_conflict_do_update(index_elements=_KEY, set_={**sums, "unpriced": unpriced}))
