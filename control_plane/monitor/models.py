"""Tickets for sockets that cannot send a header and should not show a key."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

from control_plane.db.rows import moment


class MonitorTicket(SQLModel, table=True):
    """Opens one socket, once."""

    __tablename__ = "monitor_ticket"

    hash: bytes = Field(sa_type=LargeBinary, primary_key=True)
    key_id: str
    project_id: int | None = Field(
        default=None, sa_type=BigInteger, description="Null: of those before there were any."
    )
    expires_at: datetime = moment(index=True)
