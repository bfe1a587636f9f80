"""Reading one agent in one round trip."""

from typing import Any, Final

from control_plane.db.rows import refuse_missing
from control_plane.gate.transaction import Transaction
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.serving import differs

# By their names: what is prepared for "all columns" breaks where a migration adds one.
_READ: Final = f"""
    select {", ".join(f"persona.{name}" for name in Persona.model_fields)}, version.settings as published
    from persona left join persona_version version
        on version.project_id = persona.project_id and version.persona_id = persona.id
        and version.version = persona.published_version
    where persona.project_id = %(project)s and persona.id = %(persona)s and persona.deleted_at is null
"""  # noqa: S608 - our own names


class PersonaReader:
    """Reads the agents of one caller one by one. It asks the request itself, as tokens do."""

    def __init__(self, transaction: Transaction, *, project_id: int) -> None:
        self.transaction, self.project_id = transaction, project_id

    async def read(self, persona_id: int) -> dict[str, Any]:
        """An agent as it is shown. Raises `NotFound`, `Forbidden`."""
        rows = await self.transaction.rows(self.project_id, _READ, {"project": self.project_id, "persona": persona_id})
        if not rows:
            await refuse_missing(await self.transaction.begin(), "persona", persona_id, "agent")
        shown: dict[str, Any] = rows[0]._asdict()
        published = shown.pop("published")
        shown["has_unpublished_changes"] = published is not None and self._differs(shown, published)
        return shown

    def _differs(self, row: dict[str, Any], settings: dict[str, Any]) -> bool:
        number = row["published_version"]
        version = PersonaVersion(project_id=self.project_id, persona_id=row["id"], version=number, settings=settings)
        return differs(Persona(**row), version)
