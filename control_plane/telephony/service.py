"""Trunks, numbers and calls of one caller."""

from typing import Any, NoReturn

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.db.rows import read_page, refuse_missing
from control_plane.errors import Conflict, InvalidRequest, Unavailable
from control_plane.personas.models import Persona
from control_plane.plans.catalogue import UNLIMITED
from control_plane.plans.quota import Quota
from control_plane.telephony.models import Call, SipConfig, SipTrunk
from control_plane.telephony.schemas import ConfigCreate, ConfigUpdate, Dial, TrunkCreate, TrunkUpdate
from control_plane.wire import Page

RETRY_AFTER = 60
"""Seconds after which it is worth asking again for a part of the installation that is missing."""


class TelephonyService:
    """What a caller does with the telephone. All that changes something needs a SIP service beside LiveKit."""

    def __init__(self, db: Db, caller: Caller, quota: Quota) -> None:
        self.db, self.caller, self.quota = db, caller, quota

    async def trunks(self) -> list[SipTrunk]:
        """All trunks, oldest first."""
        query = select(SipTrunk).where(SipTrunk.project_id == self.caller.project_id).order_by(col(SipTrunk.id))
        return list((await self.db.exec(query)).all())

    async def configs(self) -> list[tuple[SipConfig, str]]:
        """All configurations, oldest first, each with the name of its agent."""
        query = (
            select(SipConfig, Persona.name)
            .join(
                Persona, (col(Persona.id) == SipConfig.agent_config_id) & (Persona.project_id == SipConfig.project_id)
            )
            .where(SipConfig.project_id == self.caller.project_id)
            .order_by(col(SipConfig.id))
        )
        return list((await self.db.exec(query)).all())

    async def calls(self, page: Page, *, status: str | None) -> tuple[list[Call], int]:
        """A page of calls, newest first, and how many there are."""
        query: Any = select(Call).where(Call.project_id == self.caller.project_id)
        if status is not None:
            query = query.where(Call.status == status)
        return await read_page(self.db, query.order_by(col(Call.id).desc()), page)

    async def dial(self, body: Dial) -> NoReturn:
        """Call somebody. Raises, in this order: `InvalidRequest`, `NotFound`, `Forbidden` or `Conflict` for the agent,
        `InvalidRequest` for a missing trunk or a foreign caller id, `QuotaExceeded`, `Unavailable`.
        """
        if body.room_name is not None:
            await resolve(self.db, self.caller.slug, body.room_name, field="room_name")
        await self._agent_for_call(body.agent_config_id)
        trunks = await self.trunks()
        if not trunks:
            raise InvalidRequest("No SIP trunk configured")
        if body.caller_id is not None and body.caller_id not in [trunk.phone_number for trunk in trunks]:
            raise InvalidRequest.field("caller_id", "must be a number of one of the project's trunks")
        await self._check_configurations()
        await self.quota.take("sip_calls")
        _refuse_without_sip()

    async def create_trunk(self, _body: TrunkCreate) -> NoReturn:
        """A new trunk. Raises `Unavailable` without a SIP service."""
        _refuse_without_sip()

    async def update_trunk(self, trunk_id: int, _body: TrunkUpdate) -> NoReturn:
        """Change a trunk. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        await self._trunk(trunk_id)
        _refuse_without_sip()

    async def delete_trunk(self, trunk_id: int) -> NoReturn:
        """Give up a trunk. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        await self._trunk(trunk_id)
        _refuse_without_sip()

    async def create_config(self, body: ConfigCreate) -> NoReturn:
        """Have an agent answer a number, within the plan's number of configurations.

        Raises `NotFound` or `Forbidden` for the agent, `QuotaExceeded`, `Conflict` where the number is in use anywhere
        on this server, and `Unavailable`; whatever is raised, nothing is kept.
        """
        await self._agent(body.agent_config_id)
        await self.quota.take("sip_configs")
        self.db.add(SipConfig(project_id=self.caller.project_id, **body.model_dump()))
        await self._claim_number(body.phone_number)
        _refuse_without_sip()

    async def update_config(self, config_id: int, body: ConfigUpdate) -> NoReturn:
        """Change a configuration. Raises as `create_config` does, and `NotFound` or `Forbidden` for the row."""
        config = await self._config(config_id)
        changes = body.model_dump(exclude_unset=True)
        if "agent_config_id" in changes:
            await self._agent(changes["agent_config_id"])
        config.sqlmodel_update(changes)
        await self._claim_number(config.phone_number)
        _refuse_without_sip()

    async def delete_config(self, config_id: int) -> NoReturn:
        """Give up a configuration. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        await self._config(config_id)
        _refuse_without_sip()

    async def _claim_number(self, phone_number: str) -> None:
        """Write what was changed; the database sees the numbers of all projects."""
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict(f"The number {phone_number} belongs to another configuration") from error

    async def _check_configurations(self) -> None:
        """Dialling takes no configuration, but needs a plan that allows some and is not exceeded."""
        held = (await self.quota.left())["sip_configs"]
        limit, used = held["limit"], held["used"]
        if limit != UNLIMITED and (limit == 0 or used > limit):
            raise self.quota.exceeded("sip_configs", limit=limit, used=used)

    async def _agent_for_call(self, wanted: int | None) -> Persona:
        if wanted is not None:
            persona = await self._agent(wanted)
            if not persona.is_active:
                raise Conflict(f"Agent {wanted} is not active")
            return persona
        query = (
            select(Persona)
            .where(
                Persona.project_id == self.caller.project_id,
                col(Persona.deleted_at).is_(None),
                col(Persona.is_active).is_(True),
            )
            .order_by(col(Persona.id))
            .limit(1)
        )
        first = (await self.db.exec(query)).one_or_none()
        if first is None:
            raise InvalidRequest("No active agent: create one, or activate one")
        return first

    async def _agent(self, persona_id: int) -> Persona:
        query = select(Persona).where(
            Persona.project_id == self.caller.project_id, Persona.id == persona_id, col(Persona.deleted_at).is_(None)
        )
        found = (await self.db.exec(query)).one_or_none()
        return found or await refuse_missing(self.db, "persona", persona_id, "agent")

    async def _trunk(self, trunk_id: int) -> SipTrunk:
        query = select(SipTrunk).where(SipTrunk.project_id == self.caller.project_id, SipTrunk.id == trunk_id)
        return (await self.db.exec(query)).one_or_none() or await refuse_missing(
            self.db, "sip_trunk", trunk_id, "trunk"
        )

    async def _config(self, config_id: int) -> SipConfig:
        query = select(SipConfig).where(SipConfig.project_id == self.caller.project_id, SipConfig.id == config_id)
        return (await self.db.exec(query)).one_or_none() or await refuse_missing(
            self.db, "sip_config", config_id, "SIP configuration"
        )


def _refuse_without_sip() -> NoReturn:
    raise Unavailable("No SIP service is connected: telephony needs one beside livekit-server", retry_after=RETRY_AFTER)
