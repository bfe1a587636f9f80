"""`/usage`."""

from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import Query

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.metering.repository import GroupBy, UsageRepository
from control_plane.metering.schemas import Period, Usage, show_usage

router = primary(tags=["Quota and usage"])

DAYS: Final[dict[Period, int]] = {"today": 1, "7d": 7, "30d": 30}
"""Whole days (UTC), the present one included."""


def first_day(period: Period, today: date) -> date | None:
    """With which day a period begins; None: with the first there is."""
    if period == "all":
        return None
    return today.replace(day=1) if period == "month" else today - timedelta(days=DAYS[period] - 1)


@router.get("/usage", response_model=Usage, response_model_exclude_unset=True)
async def read_usage(
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    period: Annotated[
        Period, Query(description="Whole days in UTC, today included; `month`: since its first.")
    ] = "30d",
    group_by: GroupBy = "day",
) -> Any:
    """Get usage and cost data."""
    since = first_day(period, clock.now().date())
    usage = UsageRepository(db, caller.project_id)
    rows = await usage.by(group_by, since)
    unpriced = await usage.unpriced(since) if any(row.unpriced for row in rows) else []
    return show_usage(period, group_by, rows, unpriced)
