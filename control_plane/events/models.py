"""The log: one row per fact, written beside the rows it is about."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, id_column, json_object, moment


class Event(SQLModel, table=True):
    """A fact. `id` is handed out before commit and is not commit order; `seq`, stamped afterwards, is the public id."""

    __table_args__ = (
        Index("event_unstamped", "id", postgresql_where=text("seq is null")),
        Index("event_by_project", "project_id", "seq"),
    )

    id: int = id_column()
    seq: int | None = Field(default=None, sa_type=BigInteger, unique=True)
    project_id: int = big()
    type: str
    room_name: str | None = Field(default=None, description="LiveKit's name of the room, with the project's prefix.")
    data: dict[str, Any] = json_object()
    created_at: datetime = moment()


class EventCursor(SQLModel, table=True):
    """How far a durable reader of the log has come."""

    __tablename__ = "event_cursor"

    reader: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
