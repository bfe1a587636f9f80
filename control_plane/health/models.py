"""Signs of life of this plane's own processes; workers and bot hosts give theirs over their uplinks."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from control_plane.db.rows import json_object, moment


class ProcessPulse(SQLModel, table=True):
    """A process that runs, or was killed: one that is stopped takes its row away."""

    __tablename__ = "process_pulse"

    id: str = Field(primary_key=True)
    kind: str = Field(description="`serve` or `jobs`.")
    seen_at: datetime = moment()
    """By the database's clock, as whoever reads it counts from there."""
    figures: dict[str, Any] = json_object()
