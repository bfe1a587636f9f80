"""What calls use of an agent: the settings published last, or its row while nothing was ever published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func
from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.schemas import AgentCreate, DraftUpdate

VERSIONED: Final = tuple(DraftUpdate.model_fields)
"""Settings that calls use once they are published; the others act at once."""

SCRIBE: Final = 0
"""The number of the agent that is none: it only writes."""
SCRIBES_NAME: Final = "Notetaker"


@dataclass(frozen=True, slots=True)
class Serving:
    """An agent as a call uses it; `version` is None where that is its row as it stood, or a draft that is tried."""

    persona: Persona
    version: int | None


def settings_of(persona: Persona) -> dict[str, Any]:
    """The settings that a version holds."""
    return {name: getattr(persona, name) for name in VERSIONED}


def with_settings(persona: Persona, settings: Mapping[str, Any]) -> Persona:
    """The agent with the settings of a version, or a draft: a copy, and no row. What they do not know has its
    default."""
    kept = {name: getattr(persona, name) for name in Persona.model_fields if name not in VERSIONED}
    return Persona(**kept, **{name: value for name, value in settings.items() if name in VERSIONED})


def differs(persona: Persona, version: PersonaVersion | None) -> bool:
    """Whether calls use other settings than the row's, `version` being the published one."""
    return version is not None and settings_of(with_settings(persona, version.settings)) != settings_of(persona)


def served(persona: Persona, version: PersonaVersion | None) -> Serving:
    """An agent with the settings of a version; None is its row's."""
    return Serving(with_settings(persona, version.settings), version.version) if version else Serving(persona, None)


def as_served(name: str) -> ColumnElement[str | None]:
    """A setting that is text, as `served` has it, of agents outer-joined with their published versions."""
    field = Persona.model_fields[name]
    missing = None if field.is_required() else field.get_default()
    of_version = func.coalesce(col(PersonaVersion.settings)[name].astext, missing)
    return case((col(PersonaVersion.id).is_(None), getattr(Persona, name)), else_=of_version)


async def find_serving(
    db: Db, persona_id: int, *, project_id: int, draft: Mapping[str, Any] | None = None
) -> Serving | None:
    """An agent as a call that begins uses it, in service or not; None where there is none. Of a call that tries a
    draft, these are its settings."""
    return await _find(db, persona_id, project_id, col(PersonaVersion.version) == Persona.published_version, draft)


async def find_version(
    db: Db, persona_id: int, version: int | None, *, project_id: int, draft: Mapping[str, Any] | None = None
) -> Serving | None:
    """An agent as one of its versions says; None is its row, or the draft that is tried."""
    return await _find(db, persona_id, project_id, col(PersonaVersion.version) == version, draft)


def scribe_of(project_id: int) -> Persona:
    """Who writes down what people say in meetings without a persona: an agent that is no row."""
    return Persona(id=SCRIBE, project_id=project_id, **AgentCreate(name=SCRIBES_NAME, instructions="-").model_dump())


async def _find(
    db: Db, persona_id: int, project_id: int, wanted: ColumnElement[bool], draft: Mapping[str, Any] | None
) -> Serving | None:
    if persona_id == SCRIBE:
        return Serving(scribe_of(project_id), None)
    query = select(Persona, PersonaVersion).outerjoin(PersonaVersion, of_persona() & wanted)
    row = (await db.exec(query.where(Persona.project_id == project_id, Persona.id == persona_id))).one_or_none()
    if row is None:
        return None
    return served(*row) if draft is None else Serving(with_settings(row[0], draft), None)


def of_persona() -> ColumnElement[bool]:
    """Joins versions to their agents."""
    return (col(PersonaVersion.project_id) == Persona.project_id) & (col(PersonaVersion.persona_id) == Persona.id)
