"""Scenarios of a project: create, read, change, delete."""

from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.meetings.models import Scenario
from control_plane.meetings.schemas import ScenarioCreate, ScenarioUpdate
from control_plane.personas.service import PersonaService
from control_plane.wire import Excerpt


async def get_scenario(db: Db, project_id: int, scenario_id: int, *, lock: bool = False) -> Scenario:
    """One scenario; `NotFound`, or `Forbidden` where it is another project's."""
    query = select(Scenario).where(
        Scenario.project_id == project_id, Scenario.id == scenario_id, col(Scenario.deleted_at).is_(None)
    )
    found = (await db.exec(query.with_for_update() if lock else query)).one_or_none()
    return found or await refuse_missing(db, "scenario", scenario_id, "scenario")


class ScenarioService:
    """The scenarios of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, personas: PersonaService) -> None:
        self.db, self.caller, self.clock, self.personas = db, caller, clock, personas

    async def create(self, body: ScenarioCreate) -> Scenario:
        """A new scenario. A persona that is given with it becomes an agent, within the plan's number of agents."""
        persona = await self.personas.create(body.persona) if body.persona else None
        if persona is None:
            persona = await self.personas.personas.get(body.agent_id or 0)
        settings = body.model_dump(exclude={"agent_id", "persona"})
        scenario = Scenario(project_id=self.caller.project_id, persona_id=persona.id, **settings)
        self.db.add(scenario)
        await self.db.flush()
        await self.db.refresh(scenario)
        return scenario

    async def page(self, excerpt: Excerpt) -> tuple[list[Scenario], int]:
        """Scenarios, newest first, and how many there are."""
        own = (Scenario.project_id == self.caller.project_id, col(Scenario.deleted_at).is_(None))
        rows, total = await read_excerpt(self.db, select(Scenario).where(*own), col(Scenario.id), excerpt)
        return [row[0] for row in rows], total

    async def update(self, scenario_id: int, body: ScenarioUpdate) -> Scenario:
        """Change the fields that were sent; meetings that there are stay as they are."""
        scenario = await get_scenario(self.db, self.caller.project_id, scenario_id, lock=True)
        changes = body.changes()
        if "agent_id" in changes:
            changes["persona_id"] = (await self.personas.personas.get(changes.pop("agent_id"))).id
        if "controls" in changes:
            changes["controls"] = scenario.controls | changes["controls"]
        scenario.sqlmodel_update(changes | {"updated_at": self.clock.now()})
        return scenario

    async def delete(self, scenario_id: int) -> None:
        """No more meetings of it; those there were stay."""
        scenario = await get_scenario(self.db, self.caller.project_id, scenario_id, lock=True)
        scenario.deleted_at = self.clock.now()
