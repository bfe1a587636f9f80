"""`/overview`."""

from typing import Annotated, Any

from fastapi import Depends, Query

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.overview.schemas import Moment, Overview
from control_plane.overview.service import OverviewService
from control_plane.overview.spans import Bucket

router = primary(tags=["Overview"])


async def find_overview(db: DbDep, caller: CallerDep, clock: ClockDep) -> OverviewService:
    """The overview of this request's project."""
    return OverviewService(db, caller, clock)


@router.get("/overview", response_model=Overview)
async def read_overview(
    overviews: Annotated[OverviewService, Depends(find_overview)],
    since: Annotated[Moment | None, Query(alias="from", description="29 days, or 23 hours, before `to`.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Now.")] = None,
    bucket: Bucket = "day",
    timezone: Annotated[str, Query(max_length=64, description="Whose days these are: an IANA name.")] = "UTC",
) -> Any:
    """What goes on, what today came to, and a series of hours or days. Needs `sessions:read` beside `usage:read`."""
    return await overviews.show(since, until, bucket, timezone)
