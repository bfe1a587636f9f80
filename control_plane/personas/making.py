"""Making an agent in one round trip: it, the look at its plan and its entry in the audit trail are one statement."""

from contextlib import nullcontext
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from control_plane.auth.callers import Caller
from control_plane.errors import QuotaExceeded
from control_plane.gate.transaction import Transaction
from control_plane.gate.turns import Turns
from control_plane.personas.models import Persona
from control_plane.personas.schemas import AgentCreate
from control_plane.personas.service import check_bases
from control_plane.plans.catalogue import limit_of

_COLUMNS: Final = {name: Persona.metadata.tables["persona"].columns[name].type for name in AgentCreate.model_fields}
_JSON: Final = [name for name, kind in _COLUMNS.items() if isinstance(kind, JSONB)]

# The function's statements see what its lock was waited for, as each of them has a moment of its own.
_MAKE: Final = f"""
    with counted as materialized (
        select case when %(most)s::bigint >= 0 then lock_and_count(%(account)s::bigint, 'agents', %(at)s) end as used
    ), made as (
        insert into persona (project_id, {", ".join(_COLUMNS)})
        select %(project)s::bigint, {", ".join(f"%({name})s::{kind}" for name, kind in _COLUMNS.items())}
        from counted where used is null or used < %(most)s::bigint
        returning id, created_at
    ), told as (
        insert into audit_entry (project_id, key_id, action, target, status, at)
        select %(project)s::bigint, %(key_id)s, %(action)s, %(target)s::jsonb, %(status)s::integer, %(at)s from made
    )
    select made.id, made.created_at, counted.used from counted left join made on true
"""  # noqa: S608 - our own names


class PersonaMaker:
    """Makes the agents of one caller. It asks the request itself, as tokens do."""

    def __init__(
        self, transaction: Transaction, caller: Caller, turns: Turns, entry: dict[str, Any], *, upgrade_url: str
    ) -> None:
        """`entry` is the request's in the audit trail."""
        self.transaction, self.caller, self.turns, self.entry = transaction, caller, turns, entry
        self.upgrade_url = upgrade_url

    async def make(self, body: AgentCreate) -> dict[str, Any]:
        """A new agent as it is shown, within the plan's number of agents. Raises `QuotaExceeded`, and `NotFound` or
        `Forbidden` for knowledge bases that are not the project's."""
        if body.knowledge_base_ids:
            db = await self.transaction.begin()
            await check_bases(db, body.knowledge_base_ids, project_id=self.caller.project_id)
        most, settings = limit_of(self.caller.plan, "agents"), body.model_dump()
        values = settings | {name: Jsonb(settings[name]) for name in _JSON if settings[name] is not None}
        values |= {**self.entry, "target": Jsonb(self.entry["target"])}
        values |= {"project": self.caller.project_id, "account": self.caller.account_id, "most": most}
        # Who has a transaction has its turn.
        async with nullcontext() if self.transaction.has_begun else self.turns.turn(self.caller.account_id):
            [row] = await self.transaction.rows(self.caller.project_id, _MAKE, values)
        if row.id is None:
            raise QuotaExceeded("agents", limit=most, used=row.used, upgrade_url=self.upgrade_url)
        return settings | {
            "id": row.id,
            "created_at": row.created_at,
            "published_version": None,
            "has_unpublished_changes": False,
        }
