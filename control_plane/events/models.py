"""The log: one row per fact, written beside the rows it is about."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Index, text
from sqlmodel import Field, SQLModel, col

from control_plane.db.rows import big, id_column, json_object, moment

LATE: Final = 1_000_000
"""By how much the `seq` of an event may be above its `id` at most.

An event whose transaction stays open while others are numbered gets a number above its id. The table is in parts by
`id` and read by `seq`: within this bound, which the sequencer keeps and the database demands, those who read what is
young need not look into old parts.
"""


class Event(SQLModel, table=True):
    """A fact. `id` is handed out before commit and is not commit order; `seq`, stamped afterwards, is the public id.

    The table is in parts by `id` (decision 0034). `seq` is unique in each, and one sequencer gives it out.
    """

    __table_args__ = (
        CheckConstraint(f"seq <= id + {LATE}", name="event_numbered"),
        Index("event_unstamped", "id", postgresql_where=text("seq is null")),
        Index("event_by_project", "project_id", "seq"),
    )

    id: int = id_column()
    seq: int | None = Field(default=None, sa_type=BigInteger)
    project_id: int = big()
    type: str
    room_name: str | None = Field(default=None, description="LiveKit's name of the room, with the project's prefix.")
    data: dict[str, Any] = json_object()
    created_at: datetime = moment()


def beyond(seq: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The conditions of events after `seq`, which spare the parts that have none."""
    return col(Event.seq) > seq, col(Event.id) > seq - LATE


class EventCursor(SQLModel, table=True):
    """How far a durable reader of the log has come."""

    __tablename__ = "event_cursor"

    reader: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
