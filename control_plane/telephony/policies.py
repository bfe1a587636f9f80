"""The dial policies of the projects of one account, and what was decided by them."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.accounts.service import AccountService
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.db.rows import read_excerpt
from control_plane.telephony.gate import policy_from
from control_plane.telephony.models import DialDecision, DialPolicy
from control_plane.telephony.policy import canonical
from control_plane.telephony.schemas import DialLimits, DialPolicyRead, DialPolicySet
from control_plane.telephony.trunks import trunks_of
from control_plane.wire import Excerpt


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

    async def decisions(
        self, project_id: int, excerpt: Excerpt, *, allowed: bool | None, destination: str | None
    ) -> tuple[list[DialDecision], int]:
        """An excerpt of what was decided in a project, newest first, and how many there are. Raises as `get`."""
        await self._check(project_id)
        query: Any = select(DialDecision).where(DialDecision.project_id == project_id)
        if allowed is not None:
            query = query.where(DialDecision.allowed == allowed)
        if destination is not None:
            query = query.where(DialDecision.destination == destination)
        async with self.database.tenant(project_id) as db:
            rows, total = await read_excerpt(db, query, col(DialDecision.id), excerpt)
        return [row[0] for row in rows], total

    async def _check(self, project_id: int) -> None:
        """The account owns it. A key may be of another of its projects, whose rows it does not see: that needs a
        transaction of its own, begun when the request's holds no connection."""
        await self.account.project(project_id)
        await self.db.commit()

    async def _show(self, db: Db, project_id: int, row: DialPolicy | None) -> DialPolicyRead:
        lines = [trunk.phone_number for trunk in (await db.exec(trunks_of(project_id))).all()]
        kept = row.model_dump() if row else None
        policy = policy_from(kept, lines=lines, plan=self.account.caller.plan)
        return DialPolicyRead(
            countries=sorted(policy.countries),
            quiet_hours=row.quiet_hours if row else None,
            limits=DialLimits.model_validate(policy.limits, from_attributes=True),
            do_not_call=row.do_not_call if row else [],
            consent_required=policy.consent_required,
            opt_out_key=row.opt_out_key if row else None,
        )
