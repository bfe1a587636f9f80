"""Recordings of rooms."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import created_now, id_column, json_object, moment, owner


class RecordingStatus(StrEnum):
    """See `Recording`."""

    RECORDING = "recording"
    COMPLETED = "completed"
    ERROR = "error"


class RecordingOrigin(StrEnum):
    """Who wanted a recording: a caller of the API, the agent's own setting, the room's, or a bot that sits there."""

    API = "api"
    AGENT = "agent"
    ROOM = "room"
    BOT = "bot"


class RecordingKind(StrEnum):
    """What is recorded, or where a room is streamed to."""

    ROOM = "room"
    PARTICIPANT = "participant"
    TRACK = "track"
    HLS = "hls"
    LIVESTREAM = "livestream"


FILES: Final = (RecordingKind.ROOM, RecordingKind.PARTICIPANT, RecordingKind.TRACK)
"""Kinds that come to one file."""


class Recording(SQLModel, table=True):
    """recording ──complete file──▶ completed; recording ──anything else──▶ error."""

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("recording_by_project", "project_id", "id"),
        Index("recording_over", "project_id", "ended_at", postgresql_where=text("deleted_at is null")),
        Index("recording_of_session", "session_id", postgresql_where=text("session_id is not null")),
        Index(
            "recording_at_work",
            "id",
            postgresql_where=text(
                "status = 'recording' or deleted_at is not null or (duration is not null and size_bytes is null)"
            ),
        ),
    )

    id: int = id_column()
    project_id: int = owner()
    room_name: str = Field(description="LiveKit's name.")
    session_id: int | None = Field(default=None, sa_type=BigInteger)
    origin: str = Field(default=RecordingOrigin.API, description="See `RecordingOrigin`.")
    kind: str = Field(
        default=RecordingKind.ROOM, sa_column_kwargs={"server_default": "room"}, description="See `RecordingKind`."
    )
    details: dict[str, Any] = json_object()
    """Of whom or what it is, how it looks (`media.recorder.Picture`), and what a dialect was asked for."""
    sealed_urls: bytes | None = Field(default=None, sa_type=LargeBinary, description="Where a livestream goes.")
    playable_at: datetime | None = moment(nullable=True)
    """When its first part could be played."""
    egress_id: str | None = Field(default=None, unique=True)
    format: str = "ogg"
    channels: str = Field(default="mixed", description="mixed, or dual: agents left, people right.")
    status: str = Field(default=RecordingStatus.RECORDING, description="See `RecordingStatus`.")
    error: str | None = None
    storage_key: str | None = Field(default=None, description="Where the file is, in the store of the settings.")
    duration: float | None = Field(default=None, description="Seconds.")
    missing_ms: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, description="Of its middle.")
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    started_at: datetime = moment()
    """When it was asked for; as soon as it is known, when its sound begins."""
    waits_for_notice: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """No recorder is asked before people have heard of it."""
    ordered_at: datetime | None = moment(nullable=True)
    """When a recorder was asked; nobody asks twice."""
    heard_at: datetime | None = moment(nullable=True)
    """When a recorder said that it hears something."""
    stop_asked_at: datetime | None = moment(nullable=True)
    zero_at: datetime | None = moment(nullable=True)
    """What the times of its session's transcript count from."""
    speech_at: datetime | None = moment(nullable=True)
    """When its session's conversation began: what was said before `started_at` is not in it."""
    consent: bool | None = Field(default=None, description="Whether people agreed, where somebody said so.")
    deleted_at: datetime | None = moment(nullable=True)
    """Its file is being removed; nobody sees it any more."""
    ended_at: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()


class ToldEgress(SQLModel, table=True):
    """An egress of LiveKit's in a room of a project, whoever began it: told once that it runs, and once that it ended.

    It makes one of our recordings, or is somebody else's.
    """

    __tablename__ = "egress"
    __table_args__ = (
        Index("egress_running", "id", postgresql_where=text("ended_at is null")),
        Index("egress_ended", "ended_at", postgresql_where=text("ended_at is not null")),
    )

    id: str = Field(primary_key=True, description="LiveKit's id.")
    project_id: int = owner()
    room_name: str = Field(description="LiveKit's name.")
    began_at: datetime = moment()
    ended_at: datetime | None = moment(nullable=True)
