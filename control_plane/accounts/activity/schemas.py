"""What an account is, was charged and has held, on the wire. Amounts are US dollars."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.accounts.schemas import AccountName, FirstProject
from control_plane.wire import Change, Clean, Instant, Paged

Row = ConfigDict(from_attributes=True)
WebhookUrl = Annotated[str, StringConstraints(min_length=8, max_length=2048), Clean]


class AccountInfo(BaseModel):
    """The account."""

    model_config = Row

    id: int
    email: str
    name: str
    plan: str
    plan_display: str
    created_at: Instant
    balance: float = Field(description="Credits and refunds, less all that was used.")
    used: float = Field(description="What all use has cost.")
    project: FirstProject = Field(
        description="The account's first: a browser's session works in it, unless `X-Project` names another."
    )
    active_keys: int
    max_active_keys: int
    meeting_baas_webhook_url: str | None = Field(description="Where bots tell that name no address of their own.")


class OwnAccountUpdate(Change):
    """`PATCH /account`: a field that is not sent stays as it is."""

    name: AccountName = Field("", description="What the account is called. Its e-mail address, the log-in, stays.")
    meeting_baas_webhook_url: WebhookUrl | None = Field(
        None, description="Where bots tell from their next beginning on; null: nowhere."
    )


class AccountInfoAnswer(BaseModel):
    """`GET /account`."""

    account: AccountInfo


class TransactionRead(BaseModel):
    """Something charged, or given. `usage` is charged; `credit` and `refund` are given."""

    model_config = Row

    id: str
    type: Literal["usage", "credit", "refund"]
    amount: float = Field(ge=0)
    description: str
    date: Instant


class TransactionList(Paged):
    """One page of transactions, newest first."""

    transactions: list[TransactionRead]


class MeetingHistoryRead(BaseModel):
    """A meeting that was created."""

    model_config = Row

    id: str = Field(description="Its public name, in `/join/<id>`.")
    title: str
    status: str
    created_at: Instant
    started_at: Instant | None
    duration: int | None = Field(description="Seconds, until now where it goes on.")
    participants: int = Field(description="People who have been there.")
    cost: float


class MeetingHistory(Paged):
    """One page of meetings, newest first."""

    meetings: list[MeetingHistoryRead]


class SupportKeyMade(BaseModel):
    """`POST /account/support-keys`, 201: the only time the key is shown."""

    key: str
    expires_at: Instant


class SupportKeyRead(BaseModel):
    """A support access key that was made."""

    model_config = Row

    id: int
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = Field(description="When the operator read the account's activity with it.")


class SupportKeyList(BaseModel):
    """The account's support access keys, newest first, at most a hundred."""

    support_keys: list[SupportKeyRead]


class KeyActivity(BaseModel):
    """A key, without anything of it."""

    model_config = Row

    label: str
    status: str
    last_used_at: Instant | None
    created_at: Instant


class WebhookActivity(BaseModel):
    """A receiver of webhooks, without its address, which may hold secrets."""

    model_config = Row

    id: int
    is_active: bool
    events: list[str] | None
    failing_since: Instant | None
    disabled_reason: str | None


class TrailActivity(BaseModel):
    """Something that was changed."""

    model_config = Row

    at: Instant
    action: str
    status: int


class Activity(BaseModel):
    """What an account has done: the newest hundred of each. Nothing that was said, recorded or is kept secret."""

    account: AccountInfo
    api_keys: list[KeyActivity]
    transactions: list[TransactionRead]
    meetings: list[MeetingHistoryRead]
    webhooks: list[WebhookActivity]
    audit: list[TrailActivity]


class ActivityAnswer(BaseModel):
    """`POST /admin/support-access`."""

    activity: Activity
