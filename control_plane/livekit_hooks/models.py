"""Hooks that were handled, so that a repeat changes nothing."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from control_plane.db.rows import moment


class LivekitHook(SQLModel, table=True):
    """One hook of LiveKit."""

    __tablename__ = "livekit_hook"

    id: str = Field(primary_key=True, description="LiveKit's event id.")
    received_at: datetime = moment()
