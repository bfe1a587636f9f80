"""Who pays, and what they own."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Numeric, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, json_list, json_object, json_value, moment


class Account(SQLModel, table=True):
    """A customer with a plan."""

    id: int = id_column()
    email: str = Field(unique=True)
    name: str = ""
    plan: str = "free"
    requests_per_minute: int | None = Field(default=None, description="In place of the plan's rate.")
    password_hash: str | None = Field(default=None, description="See `auth.passwords`.")
    meeting_baas_webhook_url: str | None = Field(default=None, description="Where bots tell, unless they say where.")
    created_at: datetime = created_now()


class Project(SQLModel, table=True):
    """A tenant: everything a caller of the API sees belongs to one project."""

    id: int = id_column()
    account_id: int = Field(foreign_key="account.id", index=True)
    slug: str = Field(unique=True, description="Prefix of its LiveKit rooms: [a-z0-9]{3,20}.")
    name: str
    store_transcripts: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    retention_days: int | None = Field(default=None, description="After which sessions are deleted; None: never.")
    redact: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    redact_names: list[str] = json_list()
    announce_recordings: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    allowed_origins: list[str] = json_list()
    budget: dict[str, Any] | None = json_value()
    settings: dict[str, Any] = json_object()
    created_at: datetime = created_now()


class Member(SQLModel, table=True):
    """Somebody who may see an account; its owner is one."""

    __table_args__ = (UniqueConstraint("account_id", "email"),)

    id: int = id_column()
    account_id: int = Field(foreign_key="account.id", index=True)
    email: str
    name: str = ""
    role: str = Field(default="member", description="`owner` or `member`.")
    created_at: datetime = created_now()


class ProviderCredential(SQLModel, table=True):
    """A project's own key of a provider of models or voices."""

    __tablename__ = "provider_credential"

    project_id: int = Field(sa_type=BigInteger, foreign_key="project.id", primary_key=True)
    provider: str = Field(primary_key=True, description="See `agents.calling.Provider`.")
    sealed_key: bytes = Field(sa_type=LargeBinary)
    region: str | None = None
    updated_at: datetime = moment()


class LedgerEntry(SQLModel, table=True):
    """Money that the operator gave to an account. What an account uses is in `usage_entry`."""

    __tablename__ = "ledger_entry"

    id: int = id_column()
    account_id: int = Field(sa_type=BigInteger, foreign_key="account.id", index=True)
    kind: str = Field(description="`credit` or `refund`.")
    amount_usd: Decimal = Field(sa_type=Numeric(20, 2))
    description: str = ""
    at: datetime = moment()


class SupportKey(SQLModel, table=True):
    """A key `sup_…` with which the operator reads an account's activity, once. Rows stay: they say that it was used."""

    __tablename__ = "support_key"

    id: int = id_column()
    account_id: int = Field(sa_type=BigInteger, foreign_key="account.id", index=True)
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    expires_at: datetime = moment()
    used_at: datetime | None = moment(nullable=True)
    created_at: datetime = moment()
