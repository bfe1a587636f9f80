"""Agents of a project: create, read, change, delete."""

from typing import Any

from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import InvalidRequest
from control_plane.personas.models import Persona
from control_plane.personas.schemas import AgentCreate, AgentUpdate
from control_plane.plans.quota import Quota
from knowledge.store import KnowledgeStore

SEARCH_TOOL = {
    "name": "search_kb",
    "description": "Search the knowledge base",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to look for"}},
        "required": ["query"],
    },
}


class PersonaService:
    """The agents of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, quota: Quota) -> None:
        self.db, self.caller, self.clock, self.quota = db, caller, clock, quota

    async def all(self) -> list[Persona]:
        """All agents that are not deleted, oldest first."""
        query = select(Persona).where(self._own(), col(Persona.deleted_at).is_(None)).order_by(col(Persona.id))
        return list((await self.db.exec(query)).all())

    async def get(self, persona_id: int) -> Persona:
        """One agent; `NotFound` or `Forbidden`."""
        query = select(Persona).where(self._own(), Persona.id == persona_id, col(Persona.deleted_at).is_(None))
        persona = (await self.db.exec(query)).one_or_none()
        return persona or await refuse_missing(self.db, "persona", persona_id, "agent")

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
        persona = await self.get(persona_id)
        changes = body.model_dump(exclude_unset=True)
        if not changes:
            raise InvalidRequest("Send at least one field to change")
        await self._check_bases(changes.get("knowledge_base_ids", []))
        persona.sqlmodel_update(changes | {"updated_at": self.clock.now()})
        return persona

    async def delete(self, persona_id: int) -> None:
        """Take an agent out of service; its sessions keep its name."""
        persona = await self.get(persona_id)
        persona.is_active, persona.deleted_at = False, self.clock.now()

    async def tools(self, persona_id: int) -> list[dict[str, Any]]:
        """The tools of an agent; knowledge brings `search_kb`."""
        persona = await self.get(persona_id)
        return [*([SEARCH_TOOL] if persona.knowledge_base_ids else []), *persona.tools]

    def _own(self) -> Any:
        return Persona.project_id == self.caller.project_id

    async def _check_bases(self, ids: list[int]) -> None:
        store = KnowledgeStore(self.db)
        for base_id in ids:
            if await store.find_base(base_id, project_id=self.caller.project_id) is None:
                raise InvalidRequest.field(
                    "knowledge_base_ids", f"there is no knowledge base {base_id} in this project"
                )
