"""Whom a request is about, and what becomes of it, as the API says it."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from control_plane.accounts.schemas import Email
from control_plane.phones import PhoneNumber
from control_plane.privacy.persons import Person
from control_plane.wire import Clean, Exactly, GivenId, Instant, Paged

Status = Literal["pending", "completed", "failed"]
_PERSON: Final = "Proof of whom it is about: the same for the same names in the same project, and nothing else."


class PersonAsked(Exactly):
    """Whom it is about: one of the fields, or more of the same person."""

    phone_number: PhoneNumber | None = None
    email: Email | None = None
    identity: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean] | None = Field(
        None, description="As rooms and sessions know them: `identity`, `caller_identity`."
    )
    end_user_id: GivenId | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("needs at least one of phone_number, email, identity, end_user_id")
        return self

    def person(self) -> Person:
        """Who it is."""
        return Person(self.phone_number or "", self.email or "", self.identity or "", self.end_user_id)


class RemovedRecordings(BaseModel):
    """Files that were removed, and those that a recorder still keeps: they go as soon as it gives them up."""

    removed: int
    to_come: int


class Spool(BaseModel):
    """Workers and bot hosts that were told to forget these sessions, and those that are told when they come back."""

    sessions: int
    told: list[str]
    missed: list[str]


class Backups(BaseModel):
    """Until when backups hold it, where the operator has said how long they are kept."""

    note: str
    until: str | None


class Receipt(BaseModel):
    """What an erasure came to."""

    id: int
    kind: Literal["erasure"]
    person: str = Field(description=_PERSON)
    rows: dict[str, int] = Field(description="Rows that were deleted, or that the person was taken out of, by table.")
    recordings: RemovedRecordings
    vectors: int
    events: int
    spool: Spool
    kept: dict[str, int] = Field(
        description="Rows of the project's own settings, and of its audit trail, that name the person, by table."
    )
    backups: Backups
    at: str
    mac: str


class ErasureRead(BaseModel):
    """An erasure."""

    id: int
    person: str = Field(description=_PERSON)
    status: Status
    progress: float = Field(description="Part of its steps that are done, from 0 to 1.")
    waits_for: str | None = Field(description="Why it is not done yet, such as a call that goes on.")
    receipt: Receipt | None
    receipt_holds: bool | None = Field(description="Whether the receipt is as it was written.")
    created_at: Instant
    finished_at: Instant | None


class ErasureAnswer(BaseModel):
    """One erasure."""

    erasure: ErasureRead


class ErasureList(Paged):
    """Erasures of the project, newest first."""

    erasures: list[ErasureRead]


class ExportRead(BaseModel):
    """An export."""

    id: int
    person: str = Field(description=_PERSON)
    status: Status
    url: str | None = Field(description="Opens the file for whoever has it, until `expires_at`.")
    size_bytes: int | None
    expires_at: Instant | None
    created_at: Instant
    finished_at: Instant | None


class ExportAnswer(BaseModel):
    """One export."""

    export: ExportRead


class ExportList(Paged):
    """Exports of the project, newest first."""

    exports: list[ExportRead]
