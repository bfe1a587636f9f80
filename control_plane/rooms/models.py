"""Rooms and who is in them, as LiveKit told us or the reconciler found."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text, true
from sqlmodel import Field, SQLModel

from agents.audience import SUPERVISOR_PREFIX
from control_plane.db.rows import big, created_now, id_column, json_list, moment, owner


class RoomOrigin(StrEnum):
    """What made a room. Those of `token` and `dial` are deleted with their session."""

    API = "api"
    TOKEN = "token"  # noqa: S105
    DIAL = "dial"


class RoomStatus(StrEnum):
    """A room that is closed is not opened again: its name belongs to the next one."""

    OPEN = "open"
    CLOSED = "closed"


class Room(SQLModel, table=True):
    """open ──finished, deleted or found gone──▶ closed. A name may be used again once its room is closed."""

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("one_open_room_per_name", "full_name", unique=True, postgresql_where=text("status = 'open'")),
        Index("one_room_of_a_sid", "full_name", "sid", unique=True, postgresql_where=text("sid is not null")),
        Index("room_by_project", "project_id", "full_name", "id"),
    )

    id: int = id_column()
    project_id: int = owner()
    name: str = Field(description="As the customer calls it.")
    full_name: str = Field(description="As LiveKit calls it: the project's slug, an underscore, the name.")
    sid: str | None = None
    status: str = Field(default=RoomStatus.OPEN, description="See `RoomStatus`.")
    origin: str = Field(default=RoomOrigin.API, description="See `RoomOrigin`.")
    empty_timeout: int = 300
    max_participants: int = 0
    metadata_: str = Field(default="", sa_column_kwargs={"name": "metadata"})
    request_key: str | None = Field(
        default=None, description="`Idempotency-Key` of the request that makes this room, until LiveKit has it."
    )
    created_at: datetime = created_now()
    started_at: datetime | None = moment(nullable=True)
    closed_at: datetime | None = moment(nullable=True)


class RetiredRoom(SQLModel, table=True):
    """A name that nobody may enter any more."""

    __tablename__ = "retired_room"

    full_name: str = Field(primary_key=True)
    project_id: int = owner()
    created_at: datetime = created_now()


class Participant(SQLModel, table=True):
    """Somebody's stay in a room."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "room_id"],
            ["room.project_id", "room.id"],
            name="participant_room",
            ondelete="CASCADE",
        ),
        UniqueConstraint("room_id", "sid"),
        Index("participant_by_project", "project_id", "left_at"),
        Index("participant_present", "room_id", postgresql_where=text("left_at is null")),
    )

    id: int = id_column()
    project_id: int = big()
    room_id: int = big()
    sid: str = Field(description="LiveKit's id of this stay.")
    identity: str
    name: str = ""
    kind: str = Field(default="standard", description="standard, agent, sip, egress, ingress, supervisor.")
    tracks: list[dict[str, Any]] = json_list()
    past_tracks: list[str] = json_list()
    """LiveKit's ids of those that have ended: a hook that comes late does not bring them back."""
    told: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Whether others hear that they came, went, and what they publish: not of a supervisor, nor of who is hidden."""
    joined_at: datetime = moment()
    left_at: datetime | None = moment(nullable=True)
    removed_at: datetime | None = moment(nullable=True)
    """When it was decided to remove them, should nobody hear that it was done."""


class Supervision(SQLModel, table=True):
    """Somebody supervises a room: under the identity `supervisor-<id>`, and speaks under that with `-voice`."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "room_id"],
            ["room.project_id", "room.id"],
            name="supervision_room",
            ondelete="CASCADE",
        ),
        Index("supervision_by_project", "project_id", "ended_at"),
        Index("supervision_running", "room_id", postgresql_where=text("ended_at is null")),
        Index(
            "one_supervisor_speaks",
            "room_id",
            unique=True,
            postgresql_where=text("ended_at is null and mode <> 'listen'"),
        ),
    )

    id: int = id_column()
    project_id: int = big()
    room_id: int = big()
    key_id: str = Field(description="Public name of the key or session that supervises.")
    name: str = ""
    mode: str = Field(default="listen", description="See `agents.audience`.")
    began_at: datetime = created_now()
    changed_at: datetime = moment()
    ended_at: datetime | None = moment(nullable=True)

    @property
    def identity(self) -> str:
        """As LiveKit knows who listens."""
        return f"{SUPERVISOR_PREFIX}{self.id}"
