"""What a meeting along a scenario is made of: the scenario, and what its persona brings. One statement, built once."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Select, bindparam, select
from sqlmodel import col

from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import Conflict
from control_plane.meetings.models import Scenario
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.serving import as_served, of_persona


class Cast(NamedTuple):
    """A scenario and who holds it, with the settings that calls use."""

    persona_id: int
    controls: dict[str, Any]
    call_duration: int | None
    """Minutes."""
    is_active: bool | None
    """None: the agent was deleted."""
    persona: str
    llm_model: str | None
    tts_provider: str


_CAST: Final[Select[Any]] = (
    select(
        col(Scenario.persona_id),
        col(Scenario.controls),
        col(Scenario.call_duration),
        col(Persona.is_active),
        as_served("name"),
        as_served("llm_model"),
        as_served("tts_provider"),
    )
    .select_from(Scenario)
    .outerjoin(
        Persona,
        (col(Persona.project_id) == Scenario.project_id)
        & (col(Persona.id) == Scenario.persona_id)
        & col(Persona.deleted_at).is_(None),
    )
    .outerjoin(PersonaVersion, of_persona() & (col(PersonaVersion.version) == Persona.published_version))
    .where(
        col(Scenario.project_id) == bindparam("project"),
        col(Scenario.id) == bindparam("scenario"),
        col(Scenario.deleted_at).is_(None),
    )
)


async def find_cast(db: Db, project_id: int, scenario_id: int) -> Cast:
    """The cast of a scenario. Raises `NotFound` or `Forbidden` for scenario or agent, `Conflict` for an agent that is
    not in service."""
    row = (await db.execute(_CAST, {"project": project_id, "scenario": scenario_id})).one_or_none()
    if row is None:
        await refuse_missing(db, "scenario", scenario_id, "scenario")
    cast = Cast(*row)
    if cast.is_active is None:
        await refuse_missing(db, "persona", cast.persona_id, "agent")
    if not cast.is_active:
        raise Conflict(f"Agent {cast.persona_id} is not active")
    return cast
