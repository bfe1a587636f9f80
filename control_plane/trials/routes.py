"""`POST /agents/{agent_id}/try`."""

from typing import Annotated

from fastapi import Depends, Request

from control_plane.auth.callers import CallerDep
from control_plane.gate.operation import AUDITED, primary
from control_plane.personas.routes import Personas
from control_plane.tokens.routes import tokens_of
from control_plane.trials.schemas import Trial, TrialAnswer
from control_plane.trials.service import Trials
from control_plane.wire import RowId

router = primary("/agents", tags=["Agents"])


async def find_trials(request: Request, caller: CallerDep, personas: Personas) -> Trials:
    """Trials of this request's caller's agents."""
    return Trials(request.state.transaction, caller, personas, tokens_of(request, caller))


@router.post("/{agent_id}/try", response_model=TrialAnswer, openapi_extra=AUDITED)
async def try_agent(agent_id: RowId, body: Trial, trials: Annotated[Trials, Depends(find_trials)]) -> TrialAnswer:
    """Talk to an agent as it is being written, before it is published. Needs the scope `tokens:write` too."""
    return await trials.begin(agent_id, body)
