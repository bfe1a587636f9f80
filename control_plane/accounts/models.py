"""Who pays, and what they own."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, json_object


class Account(SQLModel, table=True):
    """A customer with a plan."""

    id: int = id_column()
    email: str = Field(unique=True)
    name: str = ""
    plan: str = "free"
    created_at: datetime = created_now()


class Project(SQLModel, table=True):
    """A tenant: everything a caller of the API sees belongs to one project."""

    id: int = id_column()
    account_id: int = Field(foreign_key="account.id", index=True)
    slug: str = Field(unique=True, description="Prefix of its LiveKit rooms: [a-z0-9]{3,20}.")
    name: str
    store_transcripts: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    settings: dict[str, Any] = json_object()
    created_at: datetime = created_now()
