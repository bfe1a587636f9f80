"""`/sip`."""

from typing import Annotated, Any

from fastapi import Depends

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import DbDep
from control_plane.gate.operation import primary
from control_plane.plans.quota import QuotaDep
from control_plane.telephony.schemas import (
    CallList,
    CallStatus,
    ConfigAnswer,
    ConfigCreate,
    ConfigList,
    ConfigShown,
    ConfigUpdate,
    Dial,
    Dialled,
    TrunkAnswer,
    TrunkCreate,
    TrunkList,
    TrunkUpdate,
    show_call,
)
from control_plane.telephony.service import TelephonyService
from control_plane.wire import Done, Page, RowId

router = primary("/sip", tags=["SIP / Telephony"])


async def find_telephony(db: DbDep, caller: CallerDep, quota: QuotaDep) -> TelephonyService:
    """The telephony of this request's caller."""
    return TelephonyService(db, caller, quota)


Telephony = Annotated[TelephonyService, Depends(find_telephony)]


@router.post("/dial", response_model=Dialled)
async def dial(body: Dial, telephony: Telephony) -> Any:
    """Initiate an outbound call."""
    return await telephony.dial(body)


@router.get("/trunks", response_model=TrunkList)
async def list_trunks(telephony: Telephony) -> Any:
    """List SIP trunks."""
    return {"trunks": await telephony.trunks()}


@router.post("/trunks", status_code=201, response_model=TrunkAnswer)
async def create_trunk(body: TrunkCreate, telephony: Telephony) -> Any:
    """Add a carrier's line."""
    return await telephony.create_trunk(body)


@router.patch("/trunks/{trunk_id}", response_model=TrunkAnswer)
async def update_trunk(trunk_id: RowId, body: TrunkUpdate, telephony: Telephony) -> Any:
    """Change fields of a trunk; what is not sent stays."""
    return await telephony.update_trunk(trunk_id, body)


@router.delete("/trunks/{trunk_id}", response_model=Done)
async def delete_trunk(trunk_id: RowId, telephony: Telephony) -> Any:
    """Give up a trunk."""
    return await telephony.delete_trunk(trunk_id)


@router.get("/configs", response_model=ConfigList)
async def list_configs(telephony: Telephony) -> Any:
    """List SIP configurations: numbers and the agents that answer them."""
    listed = [
        ConfigShown(**config.model_dump(include=set(ConfigShown.model_fields)), agent_name=agent_name)
        for config, agent_name in await telephony.configs()
    ]
    return ConfigList(configs=listed)


@router.post("/configs", status_code=201, response_model=ConfigAnswer)
async def create_config(body: ConfigCreate, telephony: Telephony) -> Any:
    """Have an agent answer a number."""
    return await telephony.create_config(body)


@router.patch("/configs/{config_id}", response_model=ConfigAnswer)
async def update_config(config_id: RowId, body: ConfigUpdate, telephony: Telephony) -> Any:
    """Change fields of a configuration; what is not sent stays."""
    return await telephony.update_config(config_id, body)


@router.delete("/configs/{config_id}", response_model=Done)
async def delete_config(config_id: RowId, telephony: Telephony) -> Any:
    """Give up a configuration."""
    return await telephony.delete_config(config_id)


@router.get("/calls", response_model=CallList)
async def list_calls(
    telephony: Telephony, caller: CallerDep, page: Annotated[Page, Depends()], status: CallStatus | None = None
) -> Any:
    """List calls, newest first."""
    found, total = await telephony.calls(page, status=status)
    return {"calls": [show_call(call, caller.slug).model_dump() for call in found], **page.pages(total)}
