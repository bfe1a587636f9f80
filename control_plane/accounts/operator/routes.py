"""`/admin`: the operator's surface."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request

from control_plane.accounts.activity.schemas import ActivityAnswer
from control_plane.accounts.audit import read_trail
from control_plane.accounts.console.resetting import ResetSigner
from control_plane.accounts.operator.health import examine
from control_plane.accounts.operator.health_schemas import HealthRead
from control_plane.accounts.operator.schemas import (
    AccountAnswer,
    AccountCreate,
    AccountList,
    AccountMade,
    AccountUpdate,
    GivenAnswer,
    LedgerEntryCreate,
    OperatorAuditList,
    PasswordLinkCreate,
    PasswordLinkMade,
    PlanList,
    SupportAccess,
)
from control_plane.accounts.operator.service import OperatorService
from control_plane.auth.deps import DbDep, SettingsDep
from control_plane.gate.operation import MAY_LACK, USED_UP, primary
from control_plane.gate.operator import OperatorOperation
from control_plane.gate.route import audit_entry
from control_plane.plans.catalogue import plans
from control_plane.wire import Excerpt, Page, RowId

router = primary("/admin", route_class=OperatorOperation, tags=["Operator"])


async def find_operator(request: Request, db: DbDep) -> OperatorService:
    """The operator's work on accounts."""
    state = request.app.state
    return OperatorService(db, state.clock, partial(audit_entry, request), state.secrets, state.limiter)


Operator = Annotated[OperatorService, Depends(find_operator)]


@router.get("/accounts", response_model=AccountList)
async def list_accounts(page: Annotated[Page, Depends()], operator: Operator) -> Any:
    """List accounts."""
    accounts, total = await operator.accounts(page)
    return {"accounts": accounts, **page.pages(total)}


@router.post("/accounts", status_code=201, response_model=AccountMade)
async def create_account(body: AccountCreate, operator: Operator) -> Any:
    """Create an account with its owner, one project and one API key, which is shown only here."""
    return await operator.create(body)


@router.patch("/accounts/{account_id}", response_model=AccountAnswer)
async def update_account(account_id: RowId, body: AccountUpdate, operator: Operator) -> Any:
    """Change an account's plan, rate or name; what is not sent stays."""
    return {"account": await operator.update(account_id, body)}


@router.post("/accounts/{account_id}/transactions", status_code=201, response_model=GivenAnswer)
async def give_credit(account_id: RowId, body: LedgerEntryCreate, operator: Operator) -> Any:
    """Give an account a credit, or a refund."""
    return {"transaction": await operator.give(account_id, body)}


@router.post("/password-links", status_code=201, response_model=PasswordLinkMade, openapi_extra=MAY_LACK)
async def make_password_link(body: PasswordLinkCreate, operator: Operator, settings: SettingsDep) -> Any:
    """Make a link with which somebody who forgot their password sets another: good for an hour, and once."""
    signer = ResetSigner(settings.secret_keys)
    url, expires_at = await operator.make_password_link(body.email, signer, public_url=settings.public_url)
    return PasswordLinkMade(url=url, expires_at=expires_at)


@router.post("/support-access", response_model=ActivityAnswer, openapi_extra=USED_UP)
async def open_activity(body: SupportAccess, operator: Operator) -> Any:
    """Read what an account has done, once, with the key that it made for this; the account sees that you did."""
    return {"activity": await operator.activity(body.key)}


@router.get("/plans", response_model=PlanList)
async def list_plans() -> Any:
    """List the plans of this installation."""
    return {
        "plans": [
            {
                "name": plan.name,
                "display": plan.display,
                "requests_per_minute": plan.requests,
                "limits": plan.limits,
            }
            for plan in plans().values()
        ]
    }


@router.get("/health", response_model=HealthRead)
async def read_health(request: Request) -> Any:
    """Tell how every part of the installation is."""
    state = request.app.state
    here = len(state.hub.worker_ids())
    parts = state.database, state.media, state.dialer, state.recorder, state.limiter, state.clock
    return await examine(*parts, workers_here=here, version=request.app.version)


@router.get("/audit", response_model=OperatorAuditList)
async def read_all_audit(excerpt: Annotated[Excerpt, Depends()], db: DbDep) -> Any:
    """Read who changed what in all projects, newest first, without what the paths named."""
    entries, total = await read_trail(db, excerpt)
    return {"entries": entries, **excerpt.pages(total)}
