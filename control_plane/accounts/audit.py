"""Who changed what: reading the entries that every changing request leaves behind."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, select, true
from sqlmodel import col

from control_plane.auth.models import ApiKey
from control_plane.db.database import Db
from control_plane.db.rows import read_rows
from control_plane.gate.models import AuditEntry
from control_plane.wire import Page

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


async def read_trail(db: Db, page: Page, *, project_id: int | None = None) -> tuple[Sequence[Row[Any]], int]:
    """A page of entries, newest first, and how many there are: of one project, or of all where none is named."""
    wanted: ColumnElement[bool] = true() if project_id is None else col(AuditEntry.project_id) == project_id
    query = select(*_SHOWN).outerjoin(ApiKey, col(ApiKey.key_id) == col(AuditEntry.key_id)).where(wanted)
    return await read_rows(db, query.order_by(col(AuditEntry.id).desc()), page)
