"""Hooks that were handled, so that a repeat changes nothing; and what came before what it is about."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import json_value, moment


class LivekitHook(SQLModel, table=True):
    """One hook of LiveKit."""

    __tablename__ = "livekit_hook"
    __table_args__ = (
        Index("livekit_hook_early", "awaits", postgresql_where=text("awaits is not null")),
        Index("livekit_hook_by_age", "received_at"),
    )

    id: str = Field(primary_key=True, description="LiveKit's event id.")
    received_at: datetime = moment()
    awaits: str | None = Field(default=None, description="Whose stay it is about, which nobody has told of.")
    content: dict[str, Any] | None = json_value()
    """Of a hook that waits for a stay: `{track, published}`."""
