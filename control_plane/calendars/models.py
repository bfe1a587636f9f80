"""Calendars that a project connected, what stands in them, and which series have bots."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_list, json_object, json_value, moment, owner


class Platform(StrEnum):
    """Who keeps a calendar."""

    GOOGLE = "Google"
    MICROSOFT = "Microsoft"
    CALDAV = "CalDAV"
    ICS = "ICS"


class CalendarStatus(StrEnum):
    """active ◀─▶ failing; ──credentials refused──▶ revoked, which only new credentials or a resync end."""

    ACTIVE = "active"
    FAILING = "failing"
    REVOKED = "revoked"


class Calendar(SQLModel, table=True):
    """A calendar and how far it was read.

    Whoever reads it holds a lease and the number of its claim; a change of credentials counts the claim up, so that
    what was read with the former ones is no longer written.
    """

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("calendar_due", "next_sync_at", postgresql_where=text("next_sync_at is not null")),
    )

    id: int = id_column()
    project_id: int = owner()
    uuid: UUID = Field(default_factory=uuid4, unique=True)
    platform: str = Field(description="See `Platform`.")
    remote_id: str = Field(description="The provider's id of the calendar.")
    name: str
    email: str
    sealed_credentials: bytes = Field(sa_type=LargeBinary, description="JSON, by platform.")
    sealed_key: bytes = Field(sa_type=LargeBinary, description="The API key that connected it; webhooks carry it.")
    sealed_access: bytes | None = Field(default=None, sa_type=LargeBinary, description="The access token at hand.")
    access_until: datetime | None = moment(nullable=True)
    status: str = Field(default=CalendarStatus.ACTIVE, description="See `CalendarStatus`.")
    status_reason: str | None = None
    failures: int = Field(default=0, description="Attempts in a row that came to nothing.")
    quiet: int = Field(default=0, description="Attempts in a row that found no change.")
    sync_token: str | None = None
    full_at: datetime | None = moment(nullable=True)
    """When the whole window was last read; it moves with the days."""
    days: int = Field(default=90, description="How far ahead the window reaches.")
    generation: int = Field(default=0, description="Counts the readings of the whole window.")
    claim: int = 0
    lease_until: datetime | None = moment(nullable=True)
    synced_at: datetime | None = moment(nullable=True)
    next_sync_at: datetime | None = moment(nullable=True)
    channel_id: str | None = Field(default=None, unique=True, description="Of the provider's push channel.")
    channel_resource: str | None = None
    channel_until: datetime | None = moment(nullable=True)
    created_at: datetime = created_now()


class CalendarEvent(SQLModel, table=True):
    """One occurrence of what stands in a calendar."""

    __tablename__ = "calendar_event"
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "calendar_id"], ["calendar.project_id", "calendar.id"], ondelete="CASCADE"),
        UniqueConstraint("calendar_id", "remote_id"),
        Index("calendar_event_by_start", "calendar_id", "starts_at", "id"),
        Index("calendar_event_by_series", "calendar_id", "series_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    calendar_id: int = big()
    uuid: UUID = Field(default_factory=uuid4, unique=True)
    remote_id: str
    series_id: str | None = None
    name: str
    meeting_url: str = Field(description="Empty where none was found.")
    dial_in: dict[str, Any] | None = json_value()
    """`{number, pin}` of the meeting's telephone entry."""
    starts_at: datetime = moment()
    ends_at: datetime = moment(index=True)
    is_organizer: bool = False
    is_recurring: bool = False
    organizer_email: str | None = None
    attendees: list[dict[str, Any]] = json_list()
    raw: dict[str, Any] = json_object()
    digest: bytes = Field(sa_type=LargeBinary, description="Of everything above, to know a change by.")
    deleted: bool = False
    generation: int = Field(default=0, description="The last reading of the whole window that found it.")
    bot: dict[str, Any] | None = json_value()
    """What was asked of the bot that goes there; None: no bot goes."""
    updated_at: datetime = moment()


class CalendarSeries(SQLModel, table=True):
    """A series with a bot for all its occurrences, also those that come into the window later."""

    __tablename__ = "calendar_series"
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "calendar_id"], ["calendar.project_id", "calendar.id"], ondelete="CASCADE"),
    )

    project_id: int = owner()
    calendar_id: int = Field(sa_type=BigInteger, primary_key=True)
    series_id: str = Field(primary_key=True)
    bot: dict[str, Any] = json_object()
