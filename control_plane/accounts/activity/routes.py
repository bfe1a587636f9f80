"""`/account`: what an account knows of itself."""

from typing import Annotated, Any

from fastapi import Depends, Request

from control_plane.accounts.activity.schemas import (
    AccountInfoAnswer,
    MeetingHistory,
    OwnAccountUpdate,
    SupportKeyList,
    SupportKeyMade,
    TransactionList,
)
from control_plane.accounts.activity.service import OwnActivity
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.addresses import check_address
from control_plane.gate.console import AccountOperation
from control_plane.gate.operation import primary
from control_plane.wire import Page
from guard.outbound import Outbound

router = primary("/account", route_class=AccountOperation, tags=["Account"])


async def find_activity(db: DbDep, clock: ClockDep, caller: CallerDep) -> OwnActivity:
    """What this request's account has done."""
    return OwnActivity(db, clock, caller.account_id)


Own = Annotated[OwnActivity, Depends(find_activity)]


@router.get("", response_model=AccountInfoAnswer)
async def read_account(own: Own) -> Any:
    """Read your account."""
    return {"account": await own.info()}


@router.patch("", response_model=AccountInfoAnswer)
async def update_own_account(body: OwnAccountUpdate, request: Request, own: Own, caller: CallerDep) -> Any:
    """Change your account. `meeting_baas_webhook_url` needs the scope `*`: what is sent there shows keys of others."""
    if "meeting_baas_webhook_url" in body.model_fields_set:
        caller.demand_scopes(["*"])
    outbound: Outbound = request.app.state.outbound
    await check_address(outbound, "meeting_baas_webhook_url", body.meeting_baas_webhook_url)
    return {"account": await own.update(body)}


@router.get("/transactions", response_model=TransactionList)
async def list_transactions(page: Annotated[Page, Depends()], own: Own) -> Any:
    """List what was charged for meetings and sessions that have ended, and what was given, newest first."""
    transactions, total = await own.done.transactions(page)
    return {"transactions": transactions, **page.pages(total)}


@router.get("/meetings", response_model=MeetingHistory)
async def list_meeting_history(page: Annotated[Page, Depends()], own: Own) -> Any:
    """List your meetings of all kinds with their costs, newest first."""
    meetings, total = await own.done.meetings(page, now=own.clock.now())
    return {"meetings": meetings, **page.pages(total)}


@router.post("/support-keys", status_code=201, response_model=SupportKeyMade)
async def make_support_key(own: Own) -> Any:
    """Make a key with which the operator may read your account's activity, once within 24 hours; shown only here."""
    key, row = await own.make_support_key()
    return SupportKeyMade(key=key, expires_at=row.expires_at)


@router.get("/support-keys", response_model=SupportKeyList)
async def list_support_keys(own: Own) -> Any:
    """List the support access keys you made, and when they were used."""
    return {"support_keys": await own.support_keys()}
