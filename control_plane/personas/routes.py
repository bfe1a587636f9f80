"""`/agents`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import Operation
from control_plane.personas.schemas import AgentAnswer, AgentCreate, AgentList, AgentUpdate, ToolList
from control_plane.personas.service import PersonaService
from control_plane.plans.quota import QuotaDep
from control_plane.wire import Done, RowId

router = APIRouter(prefix="/agents", tags=["Agents"], route_class=Operation)


def find_personas(db: DbDep, caller: CallerDep, clock: ClockDep, quota: QuotaDep) -> PersonaService:
    """The agents of this request's caller."""
    return PersonaService(db, caller, clock, quota)


Personas = Annotated[PersonaService, Depends(find_personas)]


@router.get("", response_model=AgentList)
async def list_agents(personas: Personas) -> Any:
    """List agents."""
    return {"agents": await personas.all()}


@router.post("", status_code=201, response_model=AgentAnswer)
async def create_agent(body: AgentCreate, personas: Personas) -> Any:
    """Create an agent."""
    return {"agent": await personas.create(body)}


@router.get("/{agent_id}", response_model=AgentAnswer)
async def read_agent(agent_id: RowId, personas: Personas) -> Any:
    """Read an agent."""
    return {"agent": await personas.get(agent_id)}


@router.patch("/{agent_id}", response_model=AgentAnswer)
async def update_agent(agent_id: RowId, body: AgentUpdate, personas: Personas) -> Any:
    """Change fields of an agent; what is not sent stays."""
    return {"agent": await personas.update(agent_id, body)}


@router.delete("/{agent_id}", response_model=Done)
async def delete_agent(agent_id: RowId, personas: Personas) -> Any:
    """Delete an agent; its sessions stay."""
    await personas.delete(agent_id)
    return Done(message="Agent deleted")


@router.get("/{agent_id}/tools", response_model=ToolList)
async def read_tools(agent_id: RowId, personas: Personas) -> Any:
    """Get an agent's tools."""
    return {"tools": await personas.tools(agent_id)}
