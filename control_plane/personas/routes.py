"""`/agents`."""

from typing import Annotated, Any

from fastapi import Depends, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.bodies import described, optional
from control_plane.gate.operation import AUDITED, primary
from control_plane.gate.route import audit_values
from control_plane.personas import schemas
from control_plane.personas.making import PersonaMaker
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.reading import PersonaReader
from control_plane.personas.repository import PersonaRepository
from control_plane.personas.service import PersonaService
from control_plane.personas.serving import differs
from control_plane.personas.tools import ToolList, ToolsSet, listed
from control_plane.personas.versions import VersionService
from control_plane.plans.quota import QuotaDep, upgrade_url
from control_plane.wire import Done, Page, RowId

router = primary("/agents", tags=["Agents"])


async def find_personas(db: DbDep, caller: CallerDep, clock: ClockDep, quota: QuotaDep) -> PersonaService:
    """The agents of this request's caller, to be changed."""
    return PersonaService(db, caller, clock, quota)


async def find_versions(db: DbDep, caller: CallerDep, clock: ClockDep) -> VersionService:
    """The versions of this request's caller's agents."""
    return VersionService(db, caller, clock)


async def find_agents(db: DbDep, caller: CallerDep) -> PersonaRepository:
    """The agents of this request's caller, to be read."""
    return PersonaRepository(db, project_id=caller.project_id)


async def find_maker(request: Request, caller: CallerDep) -> PersonaMaker:
    """Makes the agents of this request's caller."""
    state = request.app.state
    entry = audit_values(request, project_id=caller.project_id, key_id=caller.key_id, target={}, status=201)
    url = upgrade_url(state.settings.public_url)
    return PersonaMaker(request.state.transaction, caller, state.turns, entry, upgrade_url=url)


async def find_reader(request: Request, caller: CallerDep) -> PersonaReader:
    """Reads single agents of this request's caller."""
    return PersonaReader(request.state.transaction, project_id=caller.project_id)


Agents = Annotated[PersonaRepository, Depends(find_agents)]
Personas = Annotated[PersonaService, Depends(find_personas)]
Versions = Annotated[VersionService, Depends(find_versions)]


def show_agent(persona: Persona, published: PersonaVersion | None) -> schemas.AgentRead:
    """An agent on the wire."""
    shown = persona.model_dump() | {"has_unpublished_changes": differs(persona, published)}
    return schemas.AgentRead.model_validate(shown)


@router.get("", response_model=schemas.AgentList)
async def list_agents(agents: Agents) -> Any:
    """List agents."""
    return {"agents": [show_agent(persona, published) for persona, published in await agents.all()]}


@router.post("", status_code=201, response_model=schemas.AgentAnswer, openapi_extra=AUDITED)
async def create_agent(body: schemas.AgentCreate, maker: Annotated[PersonaMaker, Depends(find_maker)]) -> Any:
    """Create an agent."""
    return {"agent": await maker.make(body)}


@router.get("/{agent_id}", response_model=schemas.AgentAnswer)
async def read_agent(agent_id: RowId, reader: Annotated[PersonaReader, Depends(find_reader)]) -> Any:
    """Read an agent."""
    return {"agent": await reader.read(agent_id)}


@router.patch("/{agent_id}", response_model=schemas.AgentAnswer)
async def update_agent(agent_id: RowId, body: schemas.AgentUpdate, personas: Personas, versions: Versions) -> Any:
    """Change fields of an agent; what is not sent stays. Calls of a published agent wait for the next publish."""
    persona = await personas.update(agent_id, body)
    return {"agent": show_agent(persona, await versions.published(persona))}


@router.delete("/{agent_id}", response_model=Done)
async def delete_agent(agent_id: RowId, personas: Personas) -> Any:
    """Delete an agent; its sessions stay."""
    await personas.delete(agent_id)
    return Done(message="Agent deleted")


@router.get("/{agent_id}/tools", response_model=ToolList)
async def read_tools(agent_id: RowId, agents: Agents) -> Any:
    """Get an agent's tools."""
    persona = await agents.get(agent_id)
    return ToolList(tools=listed(persona.tools, knowledge=bool(persona.knowledge_base_ids)))


@router.put("/{agent_id}/tools", response_model=ToolList)
async def set_tools(agent_id: RowId, body: ToolsSet, personas: Personas) -> Any:
    """Replace an agent's tools, as a change of its draft."""
    persona = await personas.set_tools(agent_id, body)
    return ToolList(tools=listed(persona.tools, knowledge=bool(persona.knowledge_base_ids)))


@router.get("/{agent_id}/versions", response_model=schemas.VersionList)
async def list_versions(agent_id: RowId, versions: Versions, page: Annotated[Page, Depends()]) -> Any:
    """List what was published of an agent, newest first."""
    return await versions.page(agent_id, page)


@router.post("/{agent_id}/publish", response_model=schemas.Published, openapi_extra=described(schemas.Publish))
async def publish(
    agent_id: RowId, versions: Versions, body: Annotated[schemas.Publish, Depends(optional(schemas.Publish))]
) -> Any:
    """Have calls use the agent's settings as they are from now on; running calls keep theirs."""
    persona, version = await versions.publish(agent_id, body.note)
    return schemas.Published(version=version.version, agent=show_agent(persona, version))


@router.post("/{agent_id}/rollback", response_model=schemas.Published, openapi_extra=described(schemas.Rollback))
async def roll_back(
    agent_id: RowId, versions: Versions, body: Annotated[schemas.Rollback, Depends(optional(schemas.Rollback))]
) -> Any:
    """Have calls use an earlier version again; the draft becomes equal to it."""
    persona, version = await versions.rollback(agent_id, body.version)
    return schemas.Published(version=version.version, agent=show_agent(persona, version))
