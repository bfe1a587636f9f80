"""Bots that were sent to meetings."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, json_list, json_object, moment, owner


class BotState(StrEnum):
    """See `Bot`."""

    SCHEDULED = "scheduled"
    JOINING = "joining"
    WAITING = "waiting"
    ATTENDING = "attending"
    ENDING = "ending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER: Final = (BotState.COMPLETED, BotState.FAILED, BotState.CANCELLED)
"""States that nothing leaves."""


class BotError(StrEnum):
    """Why a bot has failed, in the document's words."""

    CANNOT_JOIN = "CannotJoinMeeting"
    NOT_ADMITTED = "TimeoutWaitingToStart"
    NOT_ACCEPTED = "BotNotAccepted"
    INTERNAL = "InternalError"
    INVALID_URL = "InvalidMeetingUrl"


class Bot(SQLModel, table=True):
    """scheduled ──due, a host is free──▶ joining ──▶ waiting ──let in──▶ attending ──left──▶ ending ──file and words──▶
    completed; from anywhere ▶ failed; before it has joined ──DELETE──▶ cancelled.

    `wanted_at` is set while a host is wanted for it: from the start, and again whenever its host was lost.
    """

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("bot_by_project", "project_id", "id"),
        Index("bot_ending", "exited_at", postgresql_where=text("state = 'ending'")),
        Index("bot_writing", "writing_since", postgresql_where=text("writing_since is not null")),
        Index(
            "bot_with_keys",
            "ended_at",
            postgresql_where=text("sealed_secrets is not null and state in ('completed', 'failed', 'cancelled')"),
        ),
        Index("bot_wanted", "wanted_at", postgresql_where=text("wanted_at is not null")),
        Index(
            "bot_alive",
            "meeting_room",
            postgresql_where=text("state in ('joining', 'waiting', 'attending', 'ending')"),
        ),
    )

    id: int = id_column()
    uuid: UUID = Field(default_factory=uuid4, unique=True)
    project_id: int = owner()
    key_id: str = Field(description="Of the key that created it.")
    sealed_secrets: bytes | None = Field(
        default=None, sa_type=LargeBinary, description="That key and the recogniser's, as JSON, until its last webhook."
    )
    event_uuid: UUID | None = Field(default=None, index=True, description="Of the calendar event that sent it.")
    bot_name: str
    meeting_url: str
    deduplication_key: str | None = None
    webhook_url: str | None = None
    extra: dict[str, Any] = json_object()
    asked: dict[str, Any] = json_object()
    """Everything else of `asking.BotAsk`."""
    state: str = Field(default=BotState.SCHEDULED, description="See `BotState`.")
    told: str = Field(default="", description="The last status that was told; none is told twice.")
    error: str | None = Field(default=None, description="See `BotError`.")
    error_message: str | None = None
    room_name: str = Field(unique=True, description="Its session's: `<slug>_bot-<uuid>`.")
    meeting_room: str | None = Field(default=None, description="LiveKit's name of the room it sits in.")
    attendee_id: int | None = Field(default=None, sa_type=BigInteger)
    session_id: int | None = Field(default=None, sa_type=BigInteger, index=True)
    recording_id: int | None = Field(default=None, sa_type=BigInteger, index=True)
    endpoint_id: int | None = Field(default=None, sa_type=BigInteger, description="Where its webhooks go.")
    chat: list[dict[str, Any]] = json_list()
    """Lines `{identity, name, text, at}` that were written while it was there."""
    writing_since: datetime | None = moment(nullable=True)
    """Since when its recording is being written down."""
    writing_error: str | None = Field(default=None, description="Why it could not be, the last time.")
    due_at: datetime = moment()
    wanted_at: datetime | None = moment(nullable=True)
    leave_at: datetime | None = moment(nullable=True)
    """When somebody asked it to leave."""
    claimed_at: datetime | None = moment(nullable=True)
    """When its first host took it."""
    joined_at: datetime | None = moment(nullable=True)
    exited_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
    """When nothing more was to come of it."""
    deleted_at: datetime | None = moment(nullable=True)
    """When its data were."""
    created_at: datetime = created_now()

    @property
    def identity(self) -> str:
        """Its own in a room."""
        return f"bot-{self.uuid}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in OVER

    @property
    def sealed_as(self) -> str:
        """The row that its secrets are sealed for."""
        return f"bot:{self.uuid}"
