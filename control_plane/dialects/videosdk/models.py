"""What exists only here: a room that outlives its sessions, and what is to happen when one begins."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_list, json_value, moment, owner


class VideoRoom(SQLModel, table=True):
    """A durable name. Each time somebody is in it is a session, one row of `room`."""

    __tablename__ = "video_room"
    __table_args__ = (
        UniqueConstraint("project_id", "room_id"),
        UniqueConstraint("project_id", "custom_room_id"),
        Index("video_room_by_project", "project_id", "id"),
    )

    id: int = id_column()
    project_id: int = owner()
    room_id: str = Field(description="Such as `abc-xyzw-lmno`.")
    full_name: str = Field(unique=True, description="LiveKit's name.")
    custom_room_id: str | None = None
    disabled: bool = False
    geo_fence: str | None = None
    webhook: dict[str, Any] | None = json_value()
    auto_close: dict[str, Any] | None = json_value()
    auto_start: dict[str, Any] | None = json_value()
    """These three as they were sent."""
    multi_composition: dict[str, Any] | None = json_value()
    created_at: datetime = created_now()
    updated_at: datetime | None = moment(nullable=True)


class VideoTranscription(SQLModel, table=True):
    """What was said in a session, and its summary. pending ──▶ completed, or failed."""

    __tablename__ = "video_transcription"
    __table_args__ = (UniqueConstraint("project_id", "recording_id"),)

    id: int = id_column()
    project_id: int = owner()
    recording_id: int = big()
    room_name: str
    status: str = "pending"
    error: str | None = None
    lines: list[dict[str, Any]] = json_list()
    """`{start, end, speaker, text}`, times in seconds of the recording."""
    summary: str | None = None
    created_at: datetime = created_now()
    finished_at: datetime | None = moment(nullable=True)
