"""Embed keys: what a page of another site shows to open one agent."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Integer
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, moment, owner


class EmbedMode(StrEnum):
    """How visitors may speak with the agent."""

    VOICE = "voice"
    TEXT = "text"
    BOTH = "both"


class EmbedKey(SQLModel, table=True):
    """A public key. It is no secret: where it opens anything stands beside it."""

    __tablename__ = "embed_key"
    __table_args__ = (
        Index("embed_key_by_project", "project_id", "id"),
        Index("embed_key_by_origin", "origins", postgresql_using="gin"),
    )

    id: int = id_column()
    project_id: int = owner()
    persona_id: int = big()
    key: str = Field(unique=True, description="`ek_…`, as it stands in pages.")
    label: str
    origins: list[str] = Field(sa_type=ARRAY(TEXT), description="Whose pages may use it, as browsers write them.")
    mode: str = Field(description="See `EmbedMode`.")
    theme: str
    accent: str | None = None
    button: str
    greeting: str
    visitor_calls_per_hour: int = Field(sa_type=Integer)
    address_calls_per_hour: int = Field(sa_type=Integer)
    calls_at_once: int = Field(sa_type=Integer)
    longest_call: int = Field(sa_type=Integer, description="Seconds.")
    is_active: bool = True
    last_used_at: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()
