"""`/usage`."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import Query

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.metering.repository import GroupBy, UsageRepository
from control_plane.metering.schemas import Period, Usage, show_usage

router = primary(tags=["Quota and usage"])

DAYS: Final[dict[Period, int | None]] = {"today": 1, "7d": 7, "30d": 30, "all": None}
"""Whole days (UTC), the present one included."""


@router.get("/usage", response_model=Usage, response_model_exclude_unset=True)
async def read_usage(
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    period: Annotated[Period, Query(description="Whole days in UTC, today included.")] = "30d",
    group_by: GroupBy = "day",
) -> Any:
    """Get usage and cost data."""
    days = DAYS[period]
    since = None if days is None else clock.now().date() - timedelta(days=days - 1)
    usage = UsageRepository(db, caller.project_id)
    rows = await usage.by(group_by, since)
    unpriced = await usage.unpriced(since) if any(row.unpriced for row in rows) else []
    return show_usage(period, group_by, rows, unpriced)
