"""Work to be done outside a request."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import id_column, json_object, moment


class JobState(StrEnum):
    """waiting ─claimed▶ running ─▶ done | failed; a lease that runs out makes it claimable again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(SQLModel, table=True):
    """One piece of work, committed with its cause."""

    __table_args__ = (
        Index("job_waiting", "run_at", postgresql_where=text("state in ('waiting', 'running')")),
        Index("job_by_state", "state", "run_at"),
        Index(
            "one_open_job_per_key",
            "kind",
            "key",
            unique=True,
            postgresql_where=text("state in ('waiting', 'running')"),
        ),
    )

    id: int = id_column()
    kind: str
    key: str = Field(description="At most one open job per kind and key.")
    project_id: int | None = Field(default=None, sa_type=BigInteger, description="Not used any more.")
    payload: dict[str, Any] = json_object()
    state: str = Field(default=JobState.WAITING, description="See `JobState`.")
    attempts: int = 0
    run_at: datetime = moment()
    lease_until: datetime | None = moment(nullable=True)
    error: str | None = None
