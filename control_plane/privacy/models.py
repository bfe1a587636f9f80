"""Requests to hand out, or to erase, what is known of somebody."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, json_list, json_object, json_value, moment, owner


class RequestKind(StrEnum):
    """What was asked for."""

    EXPORT = "export"
    ERASURE = "erasure"


class RequestStatus(StrEnum):
    """See `PrivacyRequest`."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


class PrivacyRequest(SQLModel, table=True):
    """pending ──its job is done──▶ completed, or failed. Whom it is about is known, sealed, while it is."""

    __tablename__ = "privacy_request"
    __table_args__ = (
        Index("privacy_request_by_project", "project_id", "id"),
        Index("privacy_request_of_late", "created_at", postgresql_where=text("kind = 'erasure'")),
        Index("privacy_request_at_work", "id", postgresql_where=text("status = 'pending' or storage_key is not null")),
    )

    id: int = id_column()
    project_id: int = owner()
    kind: str = Field(description="See `RequestKind`.")
    status: str = Field(default=RequestStatus.PENDING, description="See `RequestStatus`.")
    key_id: str = Field(description="Public name of the key or session that asked.")
    person: str = Field(description="Proof of whom it is about: the same for the same person, and nothing else.")
    sealed_person: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Who it is, and what was found of them, as JSON."""
    progress: dict[str, Any] = json_object()
    """How far its job is: `{step, after}`, and what was counted. Once it is done, whose `sessions` and
    `calls` it was about, by number."""
    told: list[str] = json_list()
    """Workers that were told to forget."""
    receipt: dict[str, Any] | None = json_value()
    waits_for: str | None = Field(default=None, description="Why it is not done yet.")
    storage_key: str | None = Field(default=None, description="Of an export, while its file is there.")
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    expires_at: datetime | None = moment(nullable=True)
    """When an export's file goes."""
    created_at: datetime = created_now()
    finished_at: datetime | None = moment(nullable=True)

    @property
    def sealed_as(self) -> str:
        """The row that whom it is about is sealed for."""
        return f"privacy_request:{self.id}"
