"""Credentials: keys of projects, sessions of people at the console."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, moment


class ApiKey(SQLModel, table=True):
    """A key `pk_…` of a project. Only its hash is kept; the paired secret `sk_…` is encrypted."""

    __tablename__ = "api_key"

    id: int = id_column()
    project_id: int = Field(foreign_key="project.id", index=True)
    key_id: str = Field(unique=True, description="Public name of the key, safe in logs and tokens.")
    label: str = ""
    prefix: str = Field(description="First characters of the key, to recognise it by.")
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    sealed_secret: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(default=["*"], sa_type=ARRAY(TEXT))
    expires_at: datetime | None = moment(nullable=True)
    revoked_at: datetime | None = moment(nullable=True)
    last_used_at: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()


class ConsoleSession(SQLModel, table=True):
    """Somebody who has logged in with a browser. Only the hash of the cookie is kept."""

    __tablename__ = "console_session"

    id: int = id_column()
    account_id: int = Field(sa_type=BigInteger, foreign_key="account.id", index=True)
    session_id: str = Field(unique=True, description="Public name `ses_…`, safe in logs.")
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    last_used_at: datetime = moment()
    expires_at: datetime = moment()
    """Whatever happens; one that is not used for a week ends then: `auth.callers`."""
    created_at: datetime = created_now()
