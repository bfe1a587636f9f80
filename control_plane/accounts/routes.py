"""`/projects` and `/api-keys`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from control_plane.accounts.schemas import KeyAnswer, KeyCreate, KeyList, ProjectAnswer, ProjectCreate, ProjectList
from control_plane.accounts.service import AccountService
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import Operation
from control_plane.plans.quota import QuotaDep
from control_plane.wire import Done, RowId

router = APIRouter(tags=["Projects and keys"], route_class=Operation)


def find_account(request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, quota: QuotaDep) -> AccountService:
    """The account of this request's caller."""
    state = request.app.state
    return AccountService(db, caller, clock, state.secrets, quota, state.limiter)


Account = Annotated[AccountService, Depends(find_account)]


@router.get("/projects", response_model=ProjectList)
async def list_projects(account: Account) -> Any:
    """List the account's projects."""
    return {"projects": await account.projects()}


@router.post("/projects", status_code=201, response_model=ProjectAnswer)
async def create_project(body: ProjectCreate, account: Account) -> Any:
    """Create a project."""
    return {"project": await account.create_project(body)}


@router.get("/api-keys", response_model=KeyList)
async def list_keys(account: Account) -> Any:
    """List the account's API keys, without their secrets."""
    return {"api_keys": await account.keys()}


@router.post("/api-keys", status_code=201, response_model=KeyAnswer)
async def create_key(body: KeyCreate, account: Account) -> Any:
    """Create an API key; key and secret are shown only here."""
    return {"api_key": await account.create_key(body)}


@router.delete("/api-keys/{key_number}", response_model=Done)
async def revoke_key(key_number: RowId, account: Account) -> Any:
    """Revoke an API key at once."""
    await account.revoke_key(key_number)
    return Done(message="API key revoked")
