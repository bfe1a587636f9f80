"""What waits to be done, in two statements: for the operator, and for Prometheus. It counts no further than `MOST`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from agents.attendance import HOST_PREFIX
from control_plane import metrics
from control_plane.db.database import Db
from control_plane.db.leadership import Lock
from control_plane.jobs.queue import Tally, tally
from control_plane.webhooks.models import FIRST, LATER

MOST: Final = 10_000
"""Webhooks that are counted: what is over it is far behind, by however much."""
NAMED: Final = 100
"""Broken audit trails that are counted and named."""

_LOOK = text(f"""
    select
        coalesce((select extract(epoch from now() - created_at) from event where seq is null order by id limit 1), 0)
            as event_lag,
        (select count(*) from (select from webhook_delivery where {FIRST} limit :most) as waiting)
            + (select count(*) from (select from webhook_delivery where {LATER} limit :most) as waiting) as webhooks,
        coalesce((select extract(epoch from now() - min(created_at)) from (
            select created_at from webhook_delivery where {FIRST} limit :most) as waiting), 0) as webhook_age,
        (select count(*) from session_job where ended_at is null and not starts_with(identity, :bots)) as calls,
        (select count(*) from session_job where ended_at is null and starts_with(identity, :bots)) as bots,
        (select coalesce(jsonb_agg(trail), '[]') from (
            select project_id, broken -> 'entry_id' as entry_id, broken -> 'kind' as kind
            from audit_check where broken is not null order by project_id limit :named) trail) as broken_trails,
        (select min(finished_at) from audit_check) as trails_verified_at,
        array(select distinct objid::bigint from pg_locks where locktype = 'advisory' and granted and classid = 0
            and objsubid = 1 and database = (select oid from pg_database where datname = current_database())) as locks
""")  # noqa: S608 - predicates of ours, which the indexes have


@dataclass(frozen=True, slots=True)
class Backlog:
    """Ages in seconds."""

    event_lag: float
    webhooks: int
    webhook_age: float
    calls: int
    bots: int
    trails_verified_at: datetime | None
    """When the audit trail that has waited the longest was verified to its end; None: none was yet."""
    broken_trails: list[dict[str, Any]]
    """Those that are not as they were written: `project_id`, and of the first problem `entry_id` and `kind`."""
    leaders: dict[str, bool]
    """Of each lock, whether a process holds it."""
    jobs: Tally


async def look(db: Db, now: datetime) -> Backlog:
    """Count it."""
    row = (await db.execute(_LOOK, {"most": MOST, "named": NAMED, "bots": HOST_PREFIX})).one()
    return Backlog(
        event_lag=max(0.0, float(row.event_lag)),
        webhooks=row.webhooks,
        webhook_age=max(0.0, float(row.webhook_age)),
        calls=row.calls,
        bots=row.bots,
        trails_verified_at=row.trails_verified_at,
        broken_trails=row.broken_trails,
        leaders={lock.name.lower(): lock.value in row.locks for lock in Lock},
        jobs=await tally(db, now),
    )


def show(found: Backlog) -> None:
    """Put it where Prometheus looks."""
    metrics.EVENT_LAG.set(found.event_lag)
    metrics.WEBHOOK_BACKLOG.set(found.webhooks)
    metrics.WEBHOOK_AGE.set(found.webhook_age)
    metrics.CALLS.labels("call").set(found.calls)
    metrics.CALLS.labels("bot").set(found.bots)
    metrics.JOBS_DUE.set(found.jobs.due)
    metrics.JOB_AGE.set(found.jobs.behind)
    metrics.JOBS_FAILED.set(found.jobs.failed)
    metrics.BROKEN_TRAILS.set(len(found.broken_trails))
