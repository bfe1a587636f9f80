"""How many of a resource an account has, counted under its lock: there is no counter that could drift."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends
from sqlalchemy import text

from control_plane.auth.callers import Caller, CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.db.database import Db
from control_plane.errors import QuotaExceeded
from control_plane.plans.catalogue import UNLIMITED, limit_of

UPGRADE_PATH = "/console/plan"

_COUNT = text("select lock_and_count(:account, :resource, :now)")


class Quota:
    """The quota of one caller's account. What is taken is the row itself, written in the same transaction."""

    def __init__(self, db: Db, caller: Caller, now: datetime, public_url: str) -> None:
        self.db, self.caller, self.now = db, caller, now
        self.upgrade_url = public_url + UPGRADE_PATH

    async def take(self, resource: str) -> None:
        """Make sure that one more fits; holds the account's lock until the commit. Raises `QuotaExceeded`."""
        limit = limit_of(self.caller.plan, resource)
        if limit == UNLIMITED:
            return
        values = {"account": self.caller.account_id, "resource": resource, "now": self.now}
        used = await self.db.scalar(_COUNT, values) or 0
        if used >= limit:
            raise self.exceeded(resource, limit=limit, used=used)

    def exceeded(self, resource: str, *, limit: int, used: int) -> QuotaExceeded:
        """The error that says what is used up and where to get more."""
        return QuotaExceeded(resource, limit=limit, used=used, upgrade_url=self.upgrade_url)


def find_quota(db: DbDep, caller: CallerDep, clock: ClockDep, settings: SettingsDep) -> Quota:
    """The quota of this request's caller."""
    return Quota(db, caller, clock.now(), settings.public_url)


QuotaDep = Annotated[Quota, Depends(find_quota)]
