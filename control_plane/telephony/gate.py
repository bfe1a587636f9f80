"""The right-to-call gate: a project's policy, and what its calls out have used, asked under a lock."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from control_plane.accounts.service import AccountService
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Forbidden
from control_plane.metering.prices import price_book
from control_plane.telephony.models import DialPolicy
from control_plane.telephony.policy import (
    Limits,
    Policy,
    QuietHours,
    Used,
    canonical,
    exhausted,
    home_countries,
    judge,
    start_of_day,
)
from control_plane.telephony.schemas import DialPolicyRead, DialPolicySet
from control_plane.telephony.trunks import trunks_of

_CALL: Final = "telephony"
"""The service whose prices are a call's."""

ASKED_FOR: Final = timedelta(seconds=60)
"""How long a transfer may be under way; then it is over, whatever became of it."""

# A call counts a minute as soon as there is one, and every minute that it has begun: as carriers bill it. How long two
# talk whom a carrier has connected nobody tells us: a transfer counts what was left of its call.
_USED = text("""
    select coalesce(trunk.address, '') as address,
        count(*) filter (where used.going_on) as concurrent,
        count(*) filter (where used.at >= :day) as calls,
        coalesce(sum(used.minutes) filter (where used.at >= :day), 0)::bigint as minutes
    from (
        select trunk_id, started_at as at, ended_at is null as going_on, greatest(
            case when ended_at is null then 1 else 0 end,
            ceil(extract(epoch from coalesce(ended_at, :now) - answered_at) / 60)
        ) as minutes
        from call where project_id = :project and direction = 'outbound' and (started_at >= :day or ended_at is null)
        union all
        select trunk_id, at, status = 'asked' and at > :recent,
            case when status = 'refused' then 0 else ceil(longest_seconds / 60.0) end
        from transfer where project_id = :project and at >= least(:day, :recent)
    ) used left join sip_trunk trunk on trunk.id = used.trunk_id and trunk.project_id = :project
    group by 1
""")

log = structlog.get_logger()


async def demand_right_to_call(
    db: Db, project_id: int, number: str | None, *, calling_from: str, now: datetime, replacing: bool = False
) -> None:
    """Refuse what the project's policy forbids; `calling_from` is the number of the line that would be used. Without a
    `number`, somebody at the project's own carrier is called: only the limits hold.

    `replacing`: a call that goes on would give its place to this one, as in a transfer, so that there are no more at
    once than before. Days are those of UTC. Where there is a policy it stays locked until the commit: what is
    written in the same transaction is counted by whoever asks next, so that no number of calls at once passes a limit.
    Raises `Forbidden` with `details.rule`.
    """
    query = select(DialPolicy).where(DialPolicy.project_id == project_id).with_for_update()
    row = (await db.exec(query)).one_or_none()
    policy = _read(row, lines=[calling_from])
    used = Used() if policy.limits == Limits() else await _count_used(db, project_id, now)
    if replacing:
        used = dataclasses.replace(used, concurrent=max(0, used.concurrent - 1))
    refusal = judge(policy, number, now=now, used=used) if number else exhausted(policy.limits, used)
    if refusal is not None:
        log.info("a call was not allowed", project=project_id, rule=refusal.rule)
        raise Forbidden(refusal.message, details={"rule": refusal.rule})


async def refusal_now(db: Db, project_id: int, number: str, *, calling_from: str, now: datetime) -> str | None:
    """Why a number that was let through may not be called any more, for people; None where it may. The limits have
    counted it already."""
    row = await db.get(DialPolicy, project_id)
    policy = dataclasses.replace(_read(row, lines=[calling_from]), limits=Limits())
    refusal = judge(policy, number, now=now, used=Used())
    if refusal is None:
        return None
    log.info("a call is not allowed any more", project=project_id, rule=refusal.rule)
    return refusal.message


class PolicyService:
    """The dial policies of the projects of one account."""

    def __init__(self, db: Db, database: Database, account: AccountService, clock: Clock) -> None:
        self.db, self.database, self.account, self.clock = db, database, account, clock

    async def get(self, project_id: int) -> DialPolicyRead:
        """A project's policy as it applies. Raises `NotFound`, `Forbidden`."""
        await self._check(project_id)
        async with self.database.tenant(project_id) as db:
            row = await db.get(DialPolicy, project_id)
            return await self._show(db, project_id, row)

    async def put(self, project_id: int, body: DialPolicySet) -> DialPolicyRead:
        """Write a policy in place of the one there was. Raises `NotFound`, `Forbidden`."""
        await self._check(project_id)
        values: dict[str, Any] = body.model_dump() | {"updated_at": self.clock.now()}
        values["do_not_call"] = sorted({canonical(number) for number in body.do_not_call})
        statement = insert(DialPolicy).values(project_id=project_id, **values)
        async with self.database.tenant(project_id) as db:
            await db.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=values))
            return await self._show(db, project_id, await db.get(DialPolicy, project_id))

    async def _check(self, project_id: int) -> None:
        """The account owns it. A key may be of another of its projects, whose rows it does not see: that needs a
        transaction of its own, begun when the request's holds no connection."""
        await self.account.project(project_id)
        await self.db.commit()

    async def _show(self, db: Db, project_id: int, row: DialPolicy | None) -> DialPolicyRead:
        lines = [trunk.phone_number for trunk in (await db.exec(trunks_of(project_id))).all()]
        kept = row or DialPolicy(project_id=project_id)
        countries = kept.countries if kept.countries is not None else home_countries(lines)
        return DialPolicyRead(
            countries=sorted(countries),
            quiet_hours=kept.quiet_hours,
            limits=kept.limits,
            do_not_call=kept.do_not_call,
        )


def _read(row: DialPolicy | None, *, lines: Iterable[str]) -> Policy:
    if row is None:
        return Policy(home_countries(lines))
    quiet = row.quiet_hours
    return Policy(
        countries=home_countries(lines) if row.countries is None else frozenset(row.countries),
        quiet_hours=QuietHours(*(time.fromisoformat(quiet[end]) for end in ("start", "end"))) if quiet else None,
        limits=Limits(**row.limits),
        do_not_call=frozenset(row.do_not_call),
    )


async def _count_used(db: Db, project_id: int, now: datetime) -> Used:
    book, day = price_book(), start_of_day(now)
    concurrent = calls = minutes = 0
    usd = Decimal(0)
    values = {"project": project_id, "now": now, "day": day, "recent": now - ASKED_FOR}
    for row in (await db.execute(_USED, values)).all():
        price = book.find(_CALL, book.provider(row.address), "outbound", on=day.date())
        concurrent, calls, minutes = concurrent + row.concurrent, calls + row.calls, minutes + row.minutes
        usd += row.minutes * (price.minutes if price is not None else 0)
    return Used(concurrent, calls, minutes, usd)
