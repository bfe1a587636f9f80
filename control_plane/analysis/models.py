"""Analyses of conversations."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_object, moment, owner


class AnalysisStatus(StrEnum):
    """`failed`: the model gave no usable answer; the figures are there all the same."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class Analysis(SQLModel, table=True):
    """What one session came to. pending ──▶ ready, or failed."""

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
        UniqueConstraint("session_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    session_id: int = big()
    status: str = Field(default=AnalysisStatus.PENDING, description="See `AnalysisStatus`.")
    figures: dict[str, Any] = json_object()
    findings: dict[str, Any] = json_object()
    model: str | None = None
    extractive: bool = False
    error: str | None = None
    wish: str | None = Field(default=None, description="Which wish was met last: a job that is repeated has the same.")
    created_at: datetime = created_now()
    finished_at: datetime | None = moment(nullable=True)
