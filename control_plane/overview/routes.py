"""`/overview`."""

from typing import Annotated, Any

from fastapi import Query

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.overview.repository import OverviewRepository
from control_plane.overview.schemas import Moment, Overview, add_up, show_now, show_overview
from control_plane.overview.spans import Bucket, read_spans, read_zone

router = primary(tags=["Overview"])


@router.get("/overview", response_model=Overview)
async def read_overview(
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    since: Annotated[Moment | None, Query(alias="from", description="29 days, or 23 hours, before `to`.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Now.")] = None,
    bucket: Bucket = "day",
    timezone: Annotated[str, Query(max_length=64, description="Whose days these are: an IANA name.")] = "UTC",
) -> Any:
    """What goes on, what today came to, and a series of hours or days. Needs `sessions:read` beside `usage:read`."""
    caller.demand("sessions", write=False)
    now = clock.now()
    asked = read_spans(since, until, bucket, read_zone(timezone), now=now)
    spans = [*asked.buckets, asked.before, asked.today, asked.yesterday]
    found = OverviewRepository(db, caller.project_id)
    sums = add_up(len(spans), await found.sessions(spans, now=now), await found.costs(spans))
    answers = await found.answers([*spans, asked.period])
    return show_overview(asked, show_now(await found.now()), sums, answers, bucket=bucket, timezone=timezone)
