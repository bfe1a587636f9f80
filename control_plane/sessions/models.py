"""Conversations: sessions and their jobs, what was said, how long answers took, what they consumed, their places."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from control_plane.db.rows import (
    big,
    busy_owner,
    created_now,
    id_column,
    json_list,
    json_object,
    json_value,
    moment,
    owner,
)

BOT: Final = "bot"
"""Type of the sessions of bots that attend meetings."""
OWN_EPOCH: Final = 0
"""Epoch of lines that no job of ours reported; those of jobs begin with 1. Lines below it are not all there yet, and
nobody's to read."""


class SessionStatus(StrEnum):
    """A session is one or the other; how it ended is its outcome."""

    ACTIVE = "active"
    COMPLETED = "completed"


class Slot(SQLModel, table=True):
    """A place for a conversation: held by a token until it expires, then by its session until that ends."""

    __table_args__ = (
        Index("slot_by_account", "account_id"),
        Index("slot_by_room", "room_name"),
        Index("slot_waiting", "expires_at", postgresql_where=text("session_id is null")),
        Index("slot_promised", "promised_until", postgresql_where=text("promised_until is not null")),
        Index("slot_of_embed", "embed_key_id", postgresql_where=text("embed_key_id is not null")),
    )

    id: int = id_column()
    project_id: int = busy_owner()
    account_id: int = big()
    room_name: str = Field(description="LiveKit's name.")
    persona_ids: list[int] = Field(sa_type=ARRAY(BigInteger))
    ticket_hash: bytes = Field(sa_type=LargeBinary, unique=True)
    nonce: str | None = Field(default=None, description="What its secret is derived from, where tokens may repeat it.")
    variables: dict[str, Any] = json_object()
    caller_identity: str | None = None
    embed_key_id: int | None = Field(default=None, sa_type=BigInteger, description="By whose key its caller came.")
    only_text: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    longest_call: int | None = Field(default=None, description="Seconds, beside the agent's own limit.")
    draft: dict[str, Any] | None = json_value()  # settings of its one agent that are tried, published or not
    session_id: int | None = Field(default=None, sa_type=BigInteger, index=True)
    dispatched_at: datetime = moment()
    expires_at: datetime = moment()
    promised_until: datetime | None = moment(nullable=True)
    """Until when a place is kept for a persona that is to come into its session: for a phone that is being called, or
    in the stead of one that was lost."""


class Worker(SQLModel, table=True):
    """A worker that has been heard of."""

    id: str = Field(primary_key=True)
    capacity: int = Field(description="Calls it takes at once.")
    connected: bool = True
    seen_at: datetime = moment()
    figures: dict[str, Any] = json_object()
    """What it told of itself last: `agents.figures`. For the operator to see; nothing rests on it."""


class Session(SQLModel, table=True):
    """active ──last job ended, API, room gone, worker lost──▶ completed."""

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index(
            "one_active_session_per_room",
            "room_name",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index("session_by_project", "project_id", "id"),
        Index("session_by_start", "project_id", "started_at"),
        Index("session_going_on", "project_id", postgresql_where=text("status = 'active'")),
    )

    id: int = id_column()
    project_id: int = owner()
    room_name: str = Field(description="LiveKit's name.")
    persona_id: int | None = Field(default=None, sa_type=BigInteger)
    agent_name: str | None = None
    llm_provider: str | None = None
    llm_model: str | None = None
    status: str = Field(default=SessionStatus.ACTIVE, description="See `SessionStatus`.")
    outcome: str | None = None
    end_reason: str | None = None
    session_type: str = "voice"
    caller_identity: str | None = None
    details: dict[str, Any] = json_object()
    summary: str | None = None
    message_count: int = 0
    store_transcripts: bool = True
    epochs: int = Field(default=0, description="Jobs this session has had.")
    persona_versions: dict[str, int | None] = json_object()
    """By agent, the version that its first job here began with; null: its unpublished settings. Later ones keep it."""
    giving_up: str | None = Field(default=None, description="Why, since nobody speaks here any more but to say so.")
    started_at: datetime = moment()
    announced_at: datetime | None = moment(nullable=True)
    recording_announced_at: datetime | None = moment(nullable=True)
    """When people had heard that it is recorded."""
    ended_at: datetime | None = moment(nullable=True)
    duration: int | None = Field(default=None, description="Seconds.")
    created_at: datetime = created_now()


class SessionTally(SQLModel, table=True):
    """How many sessions a project has: the sum of its rows.

    The database writes one down with whatever begins or deletes sessions (migration 0048). All but the sums stand apart
    until `tally.draw_together`: so nobody who begins a session waits for another.
    """

    __tablename__ = "session_tally"
    __table_args__ = (
        Index("session_tally_by_project", "project_id"),
        Index("session_tally_apart", "id", postgresql_where=text("not is_sum")),
        Index("session_tally_sum", "project_id", unique=True, postgresql_where=text("is_sum")),
    )

    id: int = id_column()
    project_id: int = busy_owner()
    sessions: int = big()
    is_sum: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


def _of_session() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE")


class SessionJob(SQLModel, table=True):
    """One job of a session: a persona in a worker. Lives as long as its lease is renewed."""

    __tablename__ = "session_job"
    __table_args__ = (
        _of_session(),
        UniqueConstraint("session_id", "epoch"),
        # None has `lease_until`: a heartbeat renews the leases of all calls of a worker, and would write all indexes.
        Index("session_job_going_on", "id", postgresql_where=text("ended_at is null")),
        Index("session_job_untold", "session_id", postgresql_where=text("told_at is null and identity like 'bot-%'")),
    )

    id: int = id_column()
    project_id: int = big()
    session_id: int = big()
    epoch: int
    livekit_job_id: str = Field(unique=True)
    persona_id: int = big()
    identity: str
    worker_id: str
    accepted_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
    lost_at: datetime | None = moment(nullable=True)
    """When it ended though its conversation goes on: another job of its persona is to come."""
    lease_until: datetime = moment()
    told_at: datetime | None = moment(nullable=True)
    """When its worker's last report came: a bot that has left still writes down what was said."""
    wind_up_at: datetime | None = moment(nullable=True)
    """When it was decided to bring this job to a polite end."""
    begun: dict[str, Any] | None = json_value()
    """What its persona was heard saying as its worker closed its uplink, as a report; nothing once that is back."""


class TranscriptLine(SQLModel, table=True):
    """Something that was said. Order: epoch, then sequence.

    Lines, turns and traces are in parts by `session_id` (decision 0034): who names the session has one part read.
    """

    __tablename__ = "transcript_line"
    __table_args__ = (_of_session(), UniqueConstraint("session_id", "epoch", "sequence"))

    id: int = id_column()
    project_id: int = big()
    session_id: int = big(index=True)
    epoch: int = 0
    sequence: int
    speaker: str
    identity: str = ""
    name: str = Field(default="", sa_column_kwargs={"server_default": ""}, description="How the room knew who it was.")
    content: str
    timestamp_ms: int = Field(sa_type=BigInteger)
    interrupted: bool = False
    duration_ms: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, description="0: unknown.")
    words: list[dict[str, Any]] | None = json_value()
    """`{text, start_ms, end_ms}` from the session's start, where they were measured."""
    created_at: datetime = moment()


class Turn(SQLModel, table=True):
    """Where the time of one answer went, and which passages it used."""

    __table_args__ = (
        _of_session(),
        UniqueConstraint("session_id", "epoch", "sequence"),
        Index(
            "turn_by_answer",
            "project_id",
            "audio_started_at",
            postgresql_include=["speech_ended_at"],
            postgresql_where=text("speech_ended_at is not null"),
        ),
    )

    id: int = id_column()
    project_id: int = big()
    session_id: int = big(index=True)
    epoch: int
    sequence: int
    speech_ended_at: datetime | None = moment(nullable=True)
    audio_started_at: datetime | None = moment(nullable=True)
    parts: dict[str, Any] = json_object()
    chunks: list[dict[str, Any]] = json_list()
    created_at: datetime = moment()


class SessionTrace(SQLModel, table=True):
    """What happened besides words: a tool that was used, a service that failed or was replaced."""

    __tablename__ = "session_trace"
    __table_args__ = (_of_session(), UniqueConstraint("session_id", "epoch", "sequence"))

    id: int = id_column()
    project_id: int = big()
    session_id: int = big(index=True)
    epoch: int
    sequence: int
    kind: str = Field(description="`tool`, `fallback` or `fault`.")
    content: dict[str, Any] = json_object()
    """The report without its times; of a tool without what was said, where the session keeps no transcript."""
    began_at: datetime = moment()
    created_at: datetime = moment()
