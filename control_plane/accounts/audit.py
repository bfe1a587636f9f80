"""Who changed what: reading the entries that every changing request leaves behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select, true
from sqlmodel import col

from control_plane.auth.models import ApiKey
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt
from control_plane.gate.models import AuditEntry
from control_plane.wire import Excerpt

_SHOWN: tuple[Any, ...] = (
    col(AuditEntry.id),
    col(AuditEntry.project_id),
    col(AuditEntry.at),
    col(AuditEntry.key_id),
    col(AuditEntry.action),
    col(AuditEntry.target),
    col(AuditEntry.status),
    col(ApiKey.label).label("key_label"),
)


@dataclass(frozen=True)
class TrailFilter:
    """What a trail is narrowed to; None does not narrow."""

    search: str | None = None
    """A part of the action, such as a path."""
    method: str | None = None
    key_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def read_trail(
    db: Db, excerpt: Excerpt, narrow: TrailFilter | None = None, *, project_id: int | None = None
) -> tuple[Sequence[Row[Any]], int]:
    """An excerpt of the entries, newest first, and how many there are: of one project, or of all."""
    narrow = narrow or TrailFilter()
    wanted: ColumnElement[bool] = true() if project_id is None else col(AuditEntry.project_id) == project_id
    query = select(*_SHOWN).outerjoin(ApiKey, col(ApiKey.key_id) == col(AuditEntry.key_id)).where(wanted)
    if narrow.search is not None:
        query = query.where(col(AuditEntry.action).icontains(narrow.search, autoescape=True))
    if narrow.method is not None:
        query = query.where(col(AuditEntry.action).startswith(f"{narrow.method} "))
    if narrow.key_id is not None:
        query = query.where(col(AuditEntry.key_id) == narrow.key_id)
    if narrow.since is not None:
        query = query.where(col(AuditEntry.at) >= narrow.since)
    if narrow.until is not None:
        query = query.where(col(AuditEntry.at) <= narrow.until)
    return await read_excerpt(db, query, col(AuditEntry.id), excerpt)
