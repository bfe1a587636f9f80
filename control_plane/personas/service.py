"""Agents of a project: create, read, change, delete."""

from typing import Any

from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.schemas import MERGED, AgentCreate, AgentUpdate
from control_plane.personas.serving import of_persona
from control_plane.personas.tools import ToolsSet
from control_plane.personas.versions import lock_persona
from control_plane.plans.quota import Quota
from knowledge.store import KnowledgeStore


class PersonaService:
    """The agents of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, quota: Quota) -> None:
        self.db, self.caller, self.clock, self.quota = db, caller, clock, quota

    async def all(self) -> list[tuple[Persona, PersonaVersion | None]]:
        """All agents that are not deleted, oldest first, each with its published version."""
        rows = await self.db.exec(self._query().order_by(col(Persona.id)))
        return [(persona, version) for persona, version in rows]

    async def get(self, persona_id: int) -> tuple[Persona, PersonaVersion | None]:
        """One agent and its published version; `NotFound` or `Forbidden`."""
        row = (await self.db.exec(self._query().where(Persona.id == persona_id))).one_or_none()
        return (row[0], row[1]) if row else await refuse_missing(self.db, "persona", persona_id, "agent")

    async def create(self, body: AgentCreate) -> Persona:
        """A new agent, within the plan's number of agents."""
        await self._check_bases(body.knowledge_base_ids)
        await self.quota.take("agents")
        persona = Persona(project_id=self.caller.project_id, **body.model_dump())
        self.db.add(persona)
        await self.db.flush()
        await self.db.refresh(persona)
        return persona

    async def update(self, persona_id: int, body: AgentUpdate) -> Persona:
        """Change the fields that were sent."""
        persona = await self._lock(persona_id)
        changes = body.changes()
        for name in changes.keys() & set(MERGED):
            changes[name] = getattr(persona, name) | changes[name]
        await self._check_bases(changes.get("knowledge_base_ids", []))
        persona.sqlmodel_update(changes | {"updated_at": self.clock.now()})
        return persona

    async def delete(self, persona_id: int) -> None:
        """Take an agent out of service; its sessions keep its name."""
        persona = await self._lock(persona_id)
        persona.is_active, persona.deleted_at = False, self.clock.now()

    async def set_tools(self, persona_id: int, body: ToolsSet) -> Persona:
        """Give an agent other tools."""
        persona = await self._lock(persona_id)
        persona.tools, persona.updated_at = body.model_dump()["tools"], self.clock.now()
        return persona

    async def _lock(self, persona_id: int) -> Persona:
        return await lock_persona(self.db, persona_id, project_id=self.caller.project_id)

    def _query(self) -> Any:
        joined = of_persona() & (col(PersonaVersion.version) == Persona.published_version)
        return (
            select(Persona, PersonaVersion)
            .outerjoin(PersonaVersion, joined)
            .where(Persona.project_id == self.caller.project_id, col(Persona.deleted_at).is_(None))
        )

    async def _check_bases(self, base_ids: list[int]) -> None:
        """Raise `NotFound` or `Forbidden` where a knowledge base is not the project's."""
        store = KnowledgeStore(self.db)
        for base_id in dict.fromkeys(base_ids):
            if await store.find_base(base_id, project_id=self.caller.project_id) is None:
                await refuse_missing(self.db, "knowledge_base", base_id, "knowledge base")
