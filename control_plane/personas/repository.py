"""Finding the agents of a project: those that are deleted are not there."""

from typing import Any

from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.serving import Serving, of_persona, served


class PersonaRepository:
    """The agents of one project. What names one raises `NotFound`, or `Forbidden` where it is another project's."""

    def __init__(self, db: Db, *, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def all(self) -> list[tuple[Persona, PersonaVersion | None]]:
        """All agents, oldest first, each with its published version."""
        rows = await self.db.exec(self._own(self._with_published()).order_by(col(Persona.id)))
        return [(persona, version) for persona, version in rows]

    async def get(self, persona_id: int, *, lock: bool = False) -> Persona:
        """One agent, locked until the commit where that is asked for."""
        query = self._own(select(Persona)).where(Persona.id == persona_id)
        persona: Persona | None = (await self.db.exec(query.with_for_update() if lock else query)).one_or_none()
        return persona or await refuse_missing(self.db, "persona", persona_id, "agent")

    async def get_with_published(self, persona_id: int) -> tuple[Persona, PersonaVersion | None]:
        """One agent and the version of it that calls use."""
        query = self._own(self._with_published()).where(Persona.id == persona_id)
        row = (await self.db.exec(query)).one_or_none()
        return (row[0], row[1]) if row else await refuse_missing(self.db, "persona", persona_id, "agent")

    async def serving(self, persona_id: int) -> Serving:
        """One agent as a call that begins uses it, in service or not."""
        return served(*await self.get_with_published(persona_id))

    def _own(self, query: Any) -> Any:
        return query.where(Persona.project_id == self.project_id, col(Persona.deleted_at).is_(None))

    def _with_published(self) -> Any:
        joined = of_persona() & (col(PersonaVersion.version) == Persona.published_version)
        return select(Persona, PersonaVersion).outerjoin(PersonaVersion, joined)
