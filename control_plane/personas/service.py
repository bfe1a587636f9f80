"""Agents of a project: create, change, delete."""

from typing import Any

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.personas.models import Persona
from control_plane.personas.repository import PersonaRepository
from control_plane.personas.schemas import MERGED, AgentCreate, AgentUpdate, DraftUpdate
from control_plane.personas.serving import settings_of
from control_plane.personas.tools import ToolsSet
from control_plane.plans.quota import Quota
from knowledge.store import KnowledgeStore


class PersonaService:
    """The agents of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, quota: Quota) -> None:
        self.db, self.caller, self.clock, self.quota = db, caller, clock, quota
        self.personas = PersonaRepository(db, project_id=caller.project_id)

    async def create(self, body: AgentCreate) -> Persona:
        """A new agent, within the plan's number of agents."""
        await check_bases(self.db, body.knowledge_base_ids, project_id=self.caller.project_id)
        await self.quota.take("agents")
        persona = Persona(project_id=self.caller.project_id, **body.model_dump())
        self.db.add(persona)
        await self.db.flush()
        return persona

    async def update(self, persona_id: int, body: AgentUpdate) -> Persona:
        """Change the fields that were sent."""
        persona = await self.personas.get(persona_id, lock=True)
        changes = await self._changes(persona, body)
        persona.sqlmodel_update(changes | {"updated_at": self.clock.now()})
        return persona

    async def draft(self, persona_id: int, body: DraftUpdate | None) -> dict[str, Any]:
        """The settings that a version would have with these changes of the agent, none of which is kept."""
        persona = await self.personas.get(persona_id)
        return settings_of(persona) | (await self._changes(persona, body) if body else {})

    async def delete(self, persona_id: int) -> None:
        """Take an agent out of service; its sessions keep its name."""
        persona = await self.personas.get(persona_id, lock=True)
        persona.is_active, persona.deleted_at = False, self.clock.now()

    async def set_tools(self, persona_id: int, body: ToolsSet) -> Persona:
        """Give an agent other tools."""
        persona = await self.personas.get(persona_id, lock=True)
        persona.tools, persona.updated_at = body.model_dump()["tools"], self.clock.now()
        return persona

    async def _changes(self, persona: Persona, body: DraftUpdate) -> dict[str, Any]:
        changes = body.changes()
        for name in changes.keys() & set(MERGED):
            changes[name] = getattr(persona, name) | changes[name]
        await check_bases(self.db, changes.get("knowledge_base_ids", []), project_id=self.caller.project_id)
        return changes


async def check_bases(db: Db, base_ids: list[int], *, project_id: int) -> None:
    """Raise `NotFound` or `Forbidden` where a knowledge base is not the project's."""
    store = KnowledgeStore(db)
    for base_id in dict.fromkeys(base_ids):
        if await store.find_base(base_id, project_id=project_id) is None:
            await refuse_missing(db, "knowledge_base", base_id, "knowledge base")
