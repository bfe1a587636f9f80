"""Keys that this installation made for itself."""

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel


class SigningKey(SQLModel, table=True):
    """A private key by its use; sealed."""

    __tablename__ = "signing_key"

    name: str = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)
