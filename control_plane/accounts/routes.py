"""`/quota`, `/projects`, `/api-keys`, `/members` and `/audit`."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from agents.calling import Provider
from control_plane.accounts.audit import TrailFilter, read_trail
from control_plane.accounts.chaining import verify_trail
from control_plane.accounts.credentials import (
    CredentialAnswer,
    CredentialList,
    Credentials,
    CredentialSet,
)
from control_plane.accounts.members import MemberService
from control_plane.accounts.schemas import (
    AuditList,
    AuditVerdict,
    KeyAnswer,
    KeyCreate,
    KeyList,
    KeyMadeAnswer,
    KeyUpdate,
    MemberAnswer,
    MemberCreate,
    MemberList,
    MemberUpdate,
    ProjectAnswer,
    ProjectCreate,
    ProjectList,
    ProjectUpdate,
    QuotaRead,
)
from control_plane.accounts.service import AccountService
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.plans.catalogue import plans
from control_plane.plans.quota import QuotaDep
from control_plane.wire import MAX_ID, Done, Excerpt, RowId, Search, Since, Until

router = primary()


async def find_account(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, quota: QuotaDep
) -> AccountService:
    """The account of this request's caller."""
    state = request.app.state
    return AccountService(db, caller, clock, state.secrets, quota, state.limiter)


async def find_members(db: DbDep, caller: CallerDep, quota: QuotaDep) -> MemberService:
    """The members of this request's account."""
    return MemberService(db, caller, quota)


async def find_credentials(
    request: Request, db: DbDep, clock: ClockDep, account: Annotated[AccountService, Depends(find_account)]
) -> Credentials:
    """The providers' keys of the projects of this request's account."""
    state = request.app.state
    return Credentials(db, state.database, account, clock, state.secrets)


Account = Annotated[AccountService, Depends(find_account)]
ProviderKeys = Annotated[Credentials, Depends(find_credentials)]
Members = Annotated[MemberService, Depends(find_members)]


@router.get("/quota", tags=["Quota and usage"], response_model=QuotaRead)
async def read_quota(caller: CallerDep, quota: QuotaDep) -> Any:
    """Check remaining quota."""
    return {"plan": caller.plan, "plan_display": plans()[caller.plan].display, "quotas": await quota.left()}


@router.get("/projects", tags=["Projects and keys"], response_model=ProjectList)
async def list_projects(account: Account) -> Any:
    """List the account's projects."""
    return {"projects": await account.projects()}


@router.post("/projects", tags=["Projects and keys"], status_code=201, response_model=ProjectAnswer)
async def create_project(body: ProjectCreate, account: Account) -> Any:
    """Create a project."""
    return {"project": await account.create_project(body)}


@router.get("/projects/{project_id}", tags=["Projects and keys"], response_model=ProjectAnswer)
async def read_project(project_id: RowId, account: Account) -> Any:
    """Read a project."""
    return {"project": await account.project(project_id)}


@router.patch("/projects/{project_id}", tags=["Projects and keys"], response_model=ProjectAnswer)
async def update_project(project_id: RowId, body: ProjectUpdate, account: Account) -> Any:
    """Change a project; what is not sent stays."""
    return {"project": await account.update_project(project_id, body)}


@router.get("/projects/{project_id}/provider-credentials", tags=["Projects and keys"], response_model=CredentialList)
async def list_provider_credentials(project_id: RowId, keys: ProviderKeys) -> Any:
    """For which providers a project has keys of its own; the keys are never shown."""
    return {"credentials": await keys.all(project_id)}


@router.put(
    "/projects/{project_id}/provider-credentials/{provider}",
    tags=["Projects and keys"],
    response_model=CredentialAnswer,
)
async def set_provider_credential(
    project_id: RowId, provider: Provider, body: CredentialSet, keys: ProviderKeys
) -> Any:
    """Store a project's own key of a provider, encrypted, for meetings with `use_own_keys`."""
    return {"credential": await keys.put(project_id, provider, body)}


@router.delete(
    "/projects/{project_id}/provider-credentials/{provider}", tags=["Projects and keys"], response_model=Done
)
async def delete_provider_credential(project_id: RowId, provider: Provider, keys: ProviderKeys) -> Any:
    """Forget a project's own key of a provider; meetings that run keep it."""
    await keys.delete(project_id, provider)
    return Done(message="Provider credential deleted")


@router.get("/api-keys", tags=["Projects and keys"], response_model=KeyList)
async def list_keys(account: Account) -> Any:
    """List the account's API keys, without their secrets."""
    return {"api_keys": await account.keys()}


@router.post("/api-keys", tags=["Projects and keys"], status_code=201, response_model=KeyMadeAnswer)
async def create_key(body: KeyCreate, account: Account) -> Any:
    """Create an API key; key and secret are shown only here."""
    return {"api_key": await account.create_key(body)}


@router.get("/api-keys/{key_number}", tags=["Projects and keys"], response_model=KeyAnswer)
async def read_key(key_number: RowId, account: Account) -> Any:
    """Read an API key, without its secrets."""
    return {"api_key": await account.key(key_number)}


@router.patch("/api-keys/{key_number}", tags=["Projects and keys"], response_model=KeyAnswer)
async def update_key(key_number: RowId, body: KeyUpdate, account: Account) -> Any:
    """Change an API key's label, scopes or expiry; what is not sent stays."""
    return {"api_key": await account.update_key(key_number, body)}


@router.delete("/api-keys/{key_number}", tags=["Projects and keys"], response_model=Done)
async def revoke_key(key_number: RowId, account: Account) -> Any:
    """Revoke an API key at once."""
    await account.revoke_key(key_number)
    return Done(message="API key revoked")


@router.get("/members", tags=["Members"], response_model=MemberList)
async def list_members(members: Members) -> Any:
    """List the account's members."""
    return {"members": await members.all()}


@router.post("/members", tags=["Members"], status_code=201, response_model=MemberAnswer)
async def add_member(body: MemberCreate, members: Members) -> Any:
    """Add a member to the account."""
    return {"member": await members.add(body)}


@router.patch("/members/{member_id}", tags=["Members"], response_model=MemberAnswer)
async def update_member(member_id: RowId, body: MemberUpdate, members: Members) -> Any:
    """Change a member's name or role; the last owner stays one."""
    return {"member": await members.update(member_id, body)}


@router.delete("/members/{member_id}", tags=["Members"], response_model=Done)
async def remove_member(member_id: RowId, members: Members) -> Any:
    """Remove a member; the last owner stays."""
    await members.remove(member_id)
    return Done(message="Member removed")


@router.get("/audit", tags=["Audit"], response_model=AuditList)
async def read_audit(
    excerpt: Annotated[Excerpt, Depends()],
    db: DbDep,
    caller: CallerDep,
    search: Annotated[Search | None, Query(description="A part of the action, such as a path.")] = None,
    method: Literal["POST", "PUT", "PATCH", "DELETE"] | None = None,
    key_id: Annotated[Search | None, Query(description="Whose changes: a key's or a session's public name.")] = None,
    since: Annotated[Since | None, Query(alias="from")] = None,
    until: Annotated[Until | None, Query(alias="to")] = None,
) -> Any:
    """Read who changed what in the project, newest first."""
    narrow = TrailFilter(search, method, key_id, since, until)
    entries, total = await read_trail(db, excerpt, narrow, project_id=caller.project_id)
    return {"entries": entries, **excerpt.pages(total)}


@router.get("/audit/verify", tags=["Audit"], response_model=AuditVerdict)
async def verify_audit(
    request: Request,
    db: DbDep,
    caller: CallerDep,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="Where an answer that was not all said to go on.")] = 0,
) -> Any:
    """Find out whether the project's audit trail is as it was written: no entry changed, missing, added or moved."""
    return await verify_trail(db, request.app.state.audit_macs, caller.project_id, after=after)
