"""Links that show a session to others."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, LargeBinary
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, id_column, moment


class ReplayShare(SQLModel, table=True):
    """A link to one session's replay. Only the hash of its secret is kept. It opens until it expires or is revoked."""

    __tablename__ = "replay_share"
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
    )

    id: int = id_column()
    project_id: int = big()
    session_id: int = big(index=True)
    hash: bytes = Field(sa_type=LargeBinary, unique=True)
    key_id: str = Field(description="Public name of the key or session that made it.")
    expires_at: datetime = moment()
    revoked_at: datetime | None = moment(nullable=True)
    opened: int = Field(default=0, description="How often.")
    opened_at: datetime | None = moment(nullable=True)
    created_at: datetime = moment()
