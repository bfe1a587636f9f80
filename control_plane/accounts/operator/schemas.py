"""The operator's surface on the wire: e-mail, plan, counts. Never what customers named, said or keep secret."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from control_plane.accounts.activity.schemas import TransactionRead
from control_plane.accounts.schemas import AccountName, Email, FirstProject, KeyMade, KnownEmail, NewPassword
from control_plane.plans.catalogue import plans
from control_plane.wire import Change, Clean, Exactly, Instant, Paged


def _known_plan(given: str) -> str:
    if given not in plans():
        raise ValueError(f"must be one of {', '.join(plans())}")
    return given


PlanName = Annotated[str, AfterValidator(_known_plan), Field(json_schema_extra={"enum": list(plans())})]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]


class AccountCreate(Exactly):
    """`POST /admin/accounts`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    name: AccountName = ""
    password: NewPassword = Field(repr=False)
    plan: PlanName = "free"


class PasswordLinkCreate(Exactly):
    """`POST /admin/password-links`."""

    email: KnownEmail


class PasswordLinkMade(BaseModel):
    """The link, which is shown only here."""

    url: str = Field(description="Whoever opens it sets another password, once.")
    expires_at: Instant


class AccountUpdate(Change):
    """`PATCH /admin/accounts/{id}`: a field that is not sent stays as it is."""

    name: AccountName = ""
    plan: PlanName = "free"
    requests_per_minute: Rate | None = Field(None, description="In place of the plan's rate; null: the plan's.")


def _cents(given: float) -> float:
    if round(given, 2) != given:
        raise ValueError("must be whole cents")
    return given


class LedgerEntryCreate(Exactly):
    """`POST /admin/accounts/{id}/transactions`."""

    type: Literal["credit", "refund"]
    amount: Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False), AfterValidator(_cents)]
    description: Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), Clean] = ""


class SupportAccess(Exactly):
    """`POST /admin/support-access`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    key: Annotated[str, StringConstraints(min_length=1, max_length=200), Clean] = Field(repr=False)


class AccountRead(BaseModel):
    """An account as the operator sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    plan: str
    requests_per_minute: int | None
    projects: int
    members: int
    api_keys: int = Field(description="Those that are not revoked.")
    created_at: Instant


class AccountAnswer(BaseModel):
    """One account."""

    account: AccountRead


class AccountList(Paged):
    """One page of accounts, oldest first."""

    accounts: list[AccountRead]


class AccountMade(AccountAnswer):
    """`POST /admin/accounts`, 201: the only time the key and its secret are shown."""

    project: FirstProject
    api_key: KeyMade


class PlanRead(BaseModel):
    """A plan; -1 is unlimited."""

    name: str
    display: str
    requests_per_minute: int
    limits: dict[str, int]


class PlanList(BaseModel):
    """All plans."""

    plans: list[PlanRead]


class OperatorAuditRead(BaseModel):
    """Somebody changed something in a project."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: Instant
    project_id: int
    key_id: str
    action: str
    status: int


class OperatorAuditList(Paged):
    """One page of all projects' audit trails, newest first."""

    entries: list[OperatorAuditRead]


class GivenAnswer(BaseModel):
    """`POST /admin/accounts/{id}/transactions`, 201."""

    transaction: TransactionRead
