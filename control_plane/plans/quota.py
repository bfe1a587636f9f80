"""How many of a resource an account has, counted under its lock: there is no counter that could drift."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends
from sqlalchemy import text

from control_plane.auth.callers import Caller, CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.db.database import Db
from control_plane.errors import QuotaExceeded
from control_plane.plans.catalogue import UNLIMITED, limit_of, plans

UPGRADE_PATH = "/docs"

_COUNT = text("select lock_and_count(:account, :resource, :now)")
_COUNT_ALL = text("""
    select resource, count_used(:account, resource, :now) as used
    from unnest(cast(:resources as text[])) as resource
""")


async def used_where_full(db: Db, account_id: int, plan: str, resource: str, now: datetime) -> int | None:
    """How many an account has where its plan allows no more; None where one more fits.

    Holds the account's lock until the commit.
    """
    limit = limit_of(plan, resource)
    if limit == UNLIMITED:
        return None
    used: int = await db.scalar(_COUNT, {"account": account_id, "resource": resource, "now": now}) or 0
    return used if used >= limit else None


def upgrade_url(public_url: str) -> str:
    """Where a customer gets more."""
    return public_url + UPGRADE_PATH


class Quota:
    """The quota of one caller's account. What is taken is the row itself, written in the same transaction."""

    def __init__(self, db: Db, caller: Caller, now: datetime, public_url: str) -> None:
        self.db, self.caller, self.now = db, caller, now
        self.upgrade_url = upgrade_url(public_url)

    async def take(self, resource: str) -> None:
        """Make sure that one more fits; holds the account's lock until the commit. Raises `QuotaExceeded`."""
        used = await used_where_full(self.db, self.caller.account_id, self.caller.plan, resource, self.now)
        if used is not None:
            raise self.exceeded(resource, limit=limit_of(self.caller.plan, resource), used=used)

    def exceeded(self, resource: str, *, limit: int, used: int) -> QuotaExceeded:
        """The error that says what is used up and where to get more."""
        return QuotaExceeded(resource, limit=limit, used=used, upgrade_url=self.upgrade_url)

    async def left(self) -> dict[str, dict[str, int]]:
        """Limit, use and remainder of each resource, in one statement; `UNLIMITED` where there is no limit."""
        limits = plans()[self.caller.plan].limits
        values = {"account": self.caller.account_id, "resources": list(limits), "now": self.now}
        used = {row.resource: row.used for row in await self.db.execute(_COUNT_ALL, values)}
        return {
            resource: {
                "limit": limit,
                "used": used[resource],
                "remaining": UNLIMITED if limit == UNLIMITED else max(0, limit - used[resource]),
            }
            for resource, limit in limits.items()
        }


async def find_quota(db: DbDep, caller: CallerDep, clock: ClockDep, settings: SettingsDep) -> Quota:
    """The quota of this request's caller."""
    return Quota(db, caller, clock.now(), settings.public_url)


QuotaDep = Annotated[Quota, Depends(find_quota)]
