"""What every changing request leaves behind: its first answer where it may be repeated, and who did what."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, busy_owner, created_now, id_column, json_object, json_value, moment


class IdempotentRequest(SQLModel, table=True):
    """A request under an `Idempotency-Key`, and its answer once there is one."""

    __tablename__ = "idempotent_request"
    __table_args__ = (Index("idempotent_request_by_age", "created_at"),)

    project_id: int = Field(foreign_key="project.id", primary_key=True)
    key: str = Field(primary_key=True, description="The calling API key's id, a line break, the `Idempotency-Key`.")
    request_hash: bytes = Field(sa_type=LargeBinary, description="Of method, path, query and body.")
    status: int | None = Field(default=None, description="None while the first request runs.")
    sealed_body: bytes | None = Field(default=None, sa_type=LargeBinary)
    made: str | None = Field(default=None, description="What it has committed before it had an answer: see `Attempt`.")
    lease_until: datetime = moment()
    created_at: datetime = created_now()


class AuditEntry(SQLModel, table=True):
    """Somebody changed something."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("audit_entry_by_project", "project_id", "id"),)

    id: int = id_column()
    project_id: int = busy_owner()
    key_id: str = Field(description="Public name of the key that was used.")
    action: str = Field(description="Method and path template, such as `POST /rooms`.")
    target: dict[str, Any] = json_object()
    status: int
    at: datetime = moment()


class AuditLink(SQLModel, table=True):
    """An entry's place in the chain of its project: `accounts.chain`. Written once."""

    __tablename__ = "audit_link"
    __table_args__ = (UniqueConstraint("project_id", "seq"),)

    entry_id: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    project_id: int = big()
    seq: int = big()
    mac: bytes = Field(sa_type=LargeBinary)


class AuditHead(SQLModel, table=True):
    """How far the chain of a project goes."""

    __tablename__ = "audit_head"

    project_id: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    entry_id: int = big()
    seq: int = big()
    mac: bytes = Field(sa_type=LargeBinary)
    proof: bytes = Field(sa_type=LargeBinary, description="Says so, under the chain's key.")
    at: datetime = moment()


class AuditCheck(SQLModel, table=True):
    """How far a project's trail has been verified, round after round, and what was wrong: `supervisor.verifying`."""

    __tablename__ = "audit_check"
    __table_args__ = (
        Index("audit_check_broken", "project_id", postgresql_where=text("broken is not null")),
        Index("audit_check_by_round", "finished_at"),
    )

    project_id: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    after: int = big()
    """The link that the next look goes on behind; 0: from the beginning."""
    found: dict[str, Any] | None = json_value()
    """The first problem of this round."""
    broken: dict[str, Any] | None = json_value()
    """What is told: the first problem of this round, or of the one before until this one has come to its end."""
    looked_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)
    """When a round came to its end last."""
