"""Recordings of rooms."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, moment, owner


class RecordingStatus(StrEnum):
    """See `Recording`."""

    RECORDING = "recording"
    COMPLETED = "completed"
    ERROR = "error"


class Recording(SQLModel, table=True):
    """recording ──complete file──▶ completed; recording ──anything else──▶ error."""

    __table_args__ = (UniqueConstraint("project_id", "id"), Index("recording_by_project", "project_id", "id"))

    id: int = id_column()
    project_id: int = owner()
    room_name: str = Field(description="LiveKit's name.")
    session_id: int | None = Field(default=None, sa_type=BigInteger)
    egress_id: str | None = Field(default=None, unique=True)
    format: str = "ogg"
    status: str = Field(default=RecordingStatus.RECORDING, description="See `RecordingStatus`.")
    error: str | None = None
    storage_key: str | None = Field(default=None, description="Where the file is, in the store of the settings.")
    duration: float | None = Field(default=None, description="Seconds.")
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    started_at: datetime = moment()
    ended_at: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()
