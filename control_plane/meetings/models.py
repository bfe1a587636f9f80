"""Scenarios, the people they are held with, and meetings."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_list, json_object, moment, owner


class Scenario(SQLModel, table=True):
    """What meetings are about: who holds them, what is to be reached and by what they are judged."""

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "persona_id"], ["persona.project_id", "persona.id"]),
        UniqueConstraint("project_id", "id"),
    )

    id: int = id_column()
    project_id: int = owner()
    name: str
    persona_id: int = big()
    briefing: str = ""
    objectives: list[str] = json_list()
    criteria: list[dict[str, Any]] = json_list()
    call_duration: int | None = Field(default=None, description="Minutes.")
    controls: dict[str, Any] = json_object()
    """What its meetings allow, where they do not say."""
    created_at: datetime = created_now()
    updated_at: datetime | None = moment(nullable=True)
    deleted_at: datetime | None = moment(nullable=True)


class EndUser(SQLModel, table=True):
    """A person whom a project holds meetings with. Without an e-mail address it is an anonymous one."""

    __tablename__ = "end_user"
    __table_args__ = (UniqueConstraint("project_id", "id"), UniqueConstraint("project_id", "email"))

    id: int = id_column()
    project_id: int = owner()
    name: str
    email: str | None = Field(default=None, description="In lower case.")
    created_at: datetime = created_now()


class Membership(SQLModel, table=True):
    """A pair of end user and scenario."""

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "end_user_id"], ["end_user.project_id", "end_user.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["project_id", "scenario_id"], ["scenario.project_id", "scenario.id"]),
        UniqueConstraint("end_user_id", "scenario_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    end_user_id: int = big()
    scenario_id: int = big()
    created_at: datetime = created_now()


class AttendeeState(StrEnum):
    """`invited`: has a token for the waiting room, and is not there."""

    INVITED = "invited"
    WAITING = "waiting"
    ADMITTED = "admitted"
    DENIED = "denied"


class MeetingStatus(StrEnum):
    """`failed`: its persona could not begin."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


class Meeting(SQLModel, table=True):
    """scheduled ──somebody is in its room──▶ active ──ended, room gone──▶ completed or failed."""

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "scenario_id"], ["scenario.project_id", "scenario.id"]),
        UniqueConstraint("project_id", "id"),
        Index("meeting_by_project", "project_id", "id"),
        Index("meeting_by_room", "room_name"),
        Index("meeting_by_session", "session_id", postgresql_where=text("session_id is not null")),
        Index("meeting_going_on", "room_name", postgresql_where=text("status = 'active'")),
    )

    id: int = id_column()
    project_id: int = owner()
    code: str = Field(unique=True, description="Its public name, in `/join/<code>`.")
    room_name: str = Field(description="LiveKit's name.")
    scenario_id: int | None = big(nullable=True)
    """None: a meeting of people, without a persona."""
    persona_id: int | None = big(nullable=True)
    title: str = ""
    admin_hash: bytes | None = Field(default=None, sa_type=LargeBinary, description="Of its hosts' token.")
    session_id: int | None = big(nullable=True)
    name: str = Field(default="", description="Of the person whom a persona meets.")
    meeting_type: str = "regular"
    end_user_id: int | None = big(nullable=True)
    membership_id: int | None = big(nullable=True)
    language: str = "en"
    voice_id: str | None = None
    voice_provider: str = "azure"
    voice_provider_used: str = ""
    welcome_message: str = ""
    variables: dict[str, Any] = json_object()
    controls: dict[str, Any] = json_object()
    max_duration: int = Field(default=30, description="Minutes.")
    locked: bool = Field(default=False, description="Nobody new comes in, but its hosts.")
    status: str = Field(default=MeetingStatus.SCHEDULED, description="See `MeetingStatus`.")
    created_at: datetime = created_now()
    started_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)

    @property
    def has_waiting_room(self) -> bool:
        """Whether whoever comes has to be let in."""
        return self.controls["enable_waiting_room"] and not self.controls["auto_admit"]

    @property
    def told_variables(self) -> dict[str, Any]:
        """What fills the places in what its persona is told and says."""
        return {"name": self.name} | self.variables


class Attendee(SQLModel, table=True):
    """Somebody who has to wait before a meeting. invited ──in the waiting room──▶ waiting ──▶ admitted or denied."""

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "meeting_id"], ["meeting.project_id", "meeting.id"], ondelete="CASCADE"),
        UniqueConstraint("meeting_id", "identity"),
        Index("attendee_present", "seen_at", postgresql_where=text("seen_at is not null")),
        Index("attendee_waiting", "meeting_id", postgresql_where=text("state = 'waiting'")),
    )

    id: int = id_column()
    project_id: int = owner()
    meeting_id: int = big()
    identity: str
    name: str
    is_admin: bool = False
    is_bot: bool = False
    muted: bool = False
    hand_raised: bool = False
    state: str = Field(default=AttendeeState.INVITED, description="See `AttendeeState`.")
    seen_at: datetime | None = moment(nullable=True)
    """When a process last said that it holds their socket."""
    since: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()
