"""`/sip`."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response

from control_plane.accounts.routes import Account
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.gate.operation import AttemptDep, primary
from control_plane.phones import PhoneNumber
from control_plane.plans.quota import QuotaDep
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.consents import ConsentService
from control_plane.telephony.dialling import DialService
from control_plane.telephony.policies import PolicyService
from control_plane.telephony.schemas import (
    CallList,
    CallPlaced,
    CallStatus,
    ConfigAnswer,
    ConfigCreate,
    ConfigList,
    ConfigUpdate,
    ConsentAnswer,
    ConsentCreate,
    ConsentList,
    Dial,
    DialDecisionList,
    Dialled,
    DialPolicyRead,
    DialPolicySet,
    Keys,
    Transfer,
    TrunkAnswer,
    TrunkCreate,
    TrunkList,
    TrunkRead,
    TrunkTestAnswer,
    TrunkUpdate,
    show_call,
    show_config,
)
from control_plane.telephony.service import CallService, ConfigService
from control_plane.telephony.sync import TrunkSync
from control_plane.telephony.testing import TrunkTester
from control_plane.telephony.trunks import TrunkService
from control_plane.tokens.signer import Grants, Pass
from control_plane.wire import Done, Excerpt, RowId, Search, Since, Until

router = primary("/sip", tags=["SIP / Telephony"])
policy_router = primary("/projects", tags=["SIP / Telephony"])


SUPERVISOR_FOR = timedelta(hours=1)
QUEUED = 202
"""The answer's status where the trunk's pace delays the call."""


async def find_sync(request: Request) -> TrunkSync:
    """What tells LiveKit of trunks."""
    sync: TrunkSync = request.app.state.trunks
    return sync


SyncDep = Annotated[TrunkSync, Depends(find_sync)]


async def find_trunks(
    request: Request, db: DbDep, caller: CallerDep, sync: SyncDep, settings: SettingsDep, attempt: AttemptDep
) -> TrunkService:
    """The trunks of this request's caller."""
    return TrunkService(db, caller, sync, TrunkRules.of(settings), request.app.state.outbound, attempt)


Trunks = Annotated[TrunkService, Depends(find_trunks)]


async def find_tester(request: Request, db: DbDep, trunks: Trunks) -> TrunkTester:
    """What asks the servers of this request's caller's trunks."""
    return TrunkTester(db, trunks, request.app.state.outbound)


async def find_configs(db: DbDep, caller: CallerDep, quota: QuotaDep, sync: SyncDep) -> ConfigService:
    """The numbers of this request's caller."""
    return ConfigService(db, caller, quota, sync)


async def find_calls(request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> CallService:
    """The calls of this request's caller."""
    state = request.app.state
    return CallService(db, caller, clock, state.dialer, state.live, state.switchboard, state.media)


async def find_dialling(
    request: Request, db: DbDep, caller: CallerDep, quota: QuotaDep, clock: ClockDep, attempt: AttemptDep
) -> DialService:
    """What places calls of this request's caller."""
    return DialService(db, request.app.state.database, caller, quota, clock, attempt)


async def find_policies(request: Request, db: DbDep, account: Account, clock: ClockDep) -> PolicyService:
    """The dial policies of the projects of this request's account."""
    return PolicyService(db, request.app.state.database, account, clock)


async def find_consents(db: DbDep, caller: CallerDep, clock: ClockDep) -> ConsentService:
    """The consents of this request's caller."""
    return ConsentService(db, caller, clock)


Consents = Annotated[ConsentService, Depends(find_consents)]
Tester = Annotated[TrunkTester, Depends(find_tester)]
Configs = Annotated[ConfigService, Depends(find_configs)]
Calls = Annotated[CallService, Depends(find_calls)]
Dialling = Annotated[DialService, Depends(find_dialling)]
Policies = Annotated[PolicyService, Depends(find_policies)]


@router.post("/dial", response_model=Dialled, responses={QUEUED: {"model": Dialled}})
async def dial(body: Dial, dialling: Dialling, settings: SettingsDep, request: Request, response: Response) -> Any:
    """Initiate an outbound call. Returns before there is an answer; `call.status` events tell the rest."""
    placed = await dialling.dial(body)
    if placed.status == "queued":
        response.status_code = QUEUED
    supervisor = Pass(
        identity=f"supervisor-{placed.call.id}",
        room=placed.name.full,
        ttl=SUPERVISOR_FOR,
        grants=Grants(can_publish=False, can_publish_data=False),
    )
    return Dialled(
        call=CallPlaced(
            id=placed.call.id,
            status=placed.status,
            room_name=placed.name.short,
            full_room_name=placed.name.full,
            phone_number=placed.call.phone_number,
            caller_id=placed.trunk.phone_number,
            trunk_id=placed.trunk.outbound_trunk_id or "",
            session_id=placed.call.session_id,
            sip_participant_id=placed.participant_sid,
            sip_status=placed.sip_status,
            reason=placed.reason,
        ),
        token=request.app.state.token_signer.sign(supervisor),
        wsUrl=settings.livekit_public_url,
    )


@router.get("/trunks", response_model=TrunkList)
async def list_trunks(trunks: Trunks) -> Any:
    """List SIP trunks."""
    return {"trunks": await trunks.all()}


@router.post("/trunks", status_code=201, response_model=TrunkAnswer)
async def create_trunk(body: TrunkCreate, trunks: Trunks) -> Any:
    """Add a carrier's line."""
    return {"trunk": await trunks.create(body)}


@router.get("/trunks/{trunk_id}", response_model=TrunkRead)
async def read_trunk(trunk_id: RowId, trunks: Trunks) -> Any:
    """Read a trunk as it was given; its password is never shown."""
    return {"trunk": await trunks.get(trunk_id)}


@router.patch("/trunks/{trunk_id}", response_model=TrunkAnswer)
async def update_trunk(trunk_id: RowId, body: TrunkUpdate, trunks: Trunks) -> Any:
    """Change fields of a trunk; what is not sent stays."""
    return {"trunk": await trunks.update(trunk_id, body)}


@router.delete("/trunks/{trunk_id}", response_model=Done)
async def delete_trunk(trunk_id: RowId, trunks: Trunks) -> Any:
    """Give up a trunk."""
    await trunks.delete(trunk_id)
    return Done(message="The trunk was given up")


@router.post("/trunks/{trunk_id}/test", response_model=TrunkTestAnswer)
async def run_trunk_test(trunk_id: RowId, tester: Tester) -> Any:
    """Ask the trunk's server whether it answers (SIP OPTIONS), and say what is wrong; takes at most 5 seconds."""
    return {"test": await tester.test(trunk_id)}


@router.get("/configs", response_model=ConfigList)
async def list_configs(configs: Configs) -> Any:
    """List SIP configurations: numbers and the agents that answer them."""
    return ConfigList(configs=[show_config(*each) for each in await configs.all()])


@router.post("/configs", status_code=201, response_model=ConfigAnswer)
async def create_config(body: ConfigCreate, configs: Configs) -> Any:
    """Have an agent answer a number."""
    return {"config": show_config(*await configs.create(body))}


@router.patch("/configs/{config_id}", response_model=ConfigAnswer)
async def update_config(config_id: RowId, body: ConfigUpdate, configs: Configs) -> Any:
    """Change fields of a configuration; what is not sent stays."""
    return {"config": show_config(*await configs.update(config_id, body))}


@router.delete("/configs/{config_id}", response_model=Done)
async def delete_config(config_id: RowId, configs: Configs) -> Any:
    """Give up a configuration."""
    await configs.delete(config_id)
    return Done(message="The configuration was given up")


@router.get("/calls", response_model=CallList)
async def list_calls(
    calls: Calls,
    caller: CallerDep,
    excerpt: Annotated[Excerpt, Depends()],
    status: CallStatus | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
    since: Annotated[Since | None, Query(alias="from")] = None,
    until: Annotated[Until | None, Query(alias="to")] = None,
    search: Annotated[Search | None, Query(description="A part of either number.")] = None,
) -> Any:
    """List calls, newest first."""
    found, total = await calls.page(
        excerpt, status=status, direction=direction, since=since, until=until, search=search
    )
    return {"calls": [show_call(call, caller.slug).model_dump() for call in found], **excerpt.pages(total)}


@router.post("/calls/{call_id}/hangup", response_model=Done)
async def hang_up(call_id: RowId, calls: Calls) -> Any:
    """End a call, or take it out of the queue; one that has ended is fine."""
    await calls.hang_up(call_id)
    return Done(message="The call has ended, or is about to")


@router.post("/calls/{call_id}/dtmf", response_model=Done)
async def press_keys(call_id: RowId, body: Keys, calls: Calls) -> Any:
    """Press keys of the telephone in a call that goes on."""
    await calls.press(call_id, body.digits)
    return Done(message="The keys are being pressed")


@router.post("/calls/{call_id}/transfer", response_model=Done)
async def transfer_call(call_id: RowId, body: Transfer, calls: Calls) -> Any:
    """Have the phone of a call call somebody else; answers when that has happened. A warm one begins, and goes on."""
    if body.mode == "warm":
        await calls.hand_over(call_id, body.to)
        return Done(message="They are being asked to take the call")
    await calls.transfer(call_id, body.to)
    return Done(message="The call was transferred")


@router.get("/consents", response_model=ConsentList)
async def list_consents(
    consents: Consents,
    excerpt: Annotated[Excerpt, Depends()],
    number: PhoneNumber | None = None,
    kind: Literal["calls", "recording"] | None = None,
) -> Any:
    """List what people said about being called or recorded, newest first; the newest of a number holds."""
    found, total = await consents.page(excerpt, number=number, kind=kind)
    return {"consents": found, **excerpt.pages(total)}


@router.post("/consents", status_code=201, response_model=ConsentAnswer)
async def create_consent(body: ConsentCreate, consents: Consents) -> Any:
    """Write down a consent, or that it is withdrawn: then nobody calls the number from now on."""
    return {"consent": await consents.create(body)}


@policy_router.get("/{project_id}/dial-policy", response_model=DialPolicyRead)
async def read_dial_policy(project_id: RowId, policies: Policies) -> Any:
    """Read whom a project may call, and how much. Without a policy: its lines call their own country."""
    return await policies.get(project_id)


@policy_router.put("/{project_id}/dial-policy", response_model=DialPolicyRead)
async def set_dial_policy(project_id: RowId, body: DialPolicySet, policies: Policies) -> Any:
    """Say whom a project may call, and how much; the next call obeys. It is the whole policy: what is left out is as
    in a project without one."""
    return await policies.put(project_id, body)


@policy_router.get("/{project_id}/dial-decisions", response_model=DialDecisionList)
async def list_dial_decisions(
    project_id: RowId,
    policies: Policies,
    excerpt: Annotated[Excerpt, Depends()],
    allowed: bool | None = None,
    destination: Annotated[Search | None, Query(description="A number in E.164 form, or an address.")] = None,
) -> Any:
    """List what the dial policy decided, newest first: each call that was asked for, allowed or not, and why."""
    found, total = await policies.decisions(project_id, excerpt, allowed=allowed, destination=destination)
    return {"decisions": found, **excerpt.pages(total)}
