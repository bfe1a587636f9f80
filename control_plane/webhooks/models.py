"""Where events are sent, what was sent, and how each attempt went."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_object, moment, owner

FIRST = "state = 'waiting' and attempts = 0 and in_order"
"""Deliveries that were planned from the log and not tried yet."""
LATER = "state = 'waiting' and (attempts > 0 or not in_order)"
"""All others that wait: they hold nothing back."""


class DeliveryState(StrEnum):
    """waiting ──2xx──▶ delivered; waiting ──last try, 410, endpoint switched off──▶ failed."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookEndpoint(SQLModel, table=True):
    """A receiver of a project's events."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("webhook_endpoint_active", "id", postgresql_where=text("is_active")),
    )

    id: int = id_column()
    project_id: int = owner()
    url: str
    description: str = ""
    events: list[str] | None = Field(default=None, sa_type=ARRAY(TEXT), description="None: the document's own 17.")
    dialect: str = Field(default="", sa_column_kwargs={"server_default": ""}, description="'': our own names.")
    room_name: str | None = Field(default=None, index=True, description="None: it is told of every room.")
    is_active: bool = True
    sealed_secret: bytes = Field(sa_type=LargeBinary)
    sealed_previous: bytes | None = Field(default=None, sa_type=LargeBinary, description="Signs too after a rotation.")
    previous_until: datetime | None = moment(nullable=True)
    sealed_headers: bytes | None = Field(
        default=None,
        sa_type=LargeBinary,
        description="Further headers of each request, as JSON: secrets of the receiver.",
    )
    failing_since: datetime | None = moment(nullable=True)
    disabled_reason: str | None = None
    created_at: datetime = created_now()
    updated_at: datetime | None = moment(nullable=True)


class WebhookDelivery(SQLModel, table=True):
    """One event for one endpoint."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "endpoint_id"], ["webhook_endpoint.project_id", "webhook_endpoint.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("project_id", "id"),
        Index(
            "one_delivery_per_event",
            "endpoint_id",
            "event_seq",
            unique=True,
            postgresql_where=text("in_order"),
        ),
        Index("webhook_delivery_first", "endpoint_id", "id", postgresql_where=text(FIRST)),
        Index("webhook_delivery_later", "endpoint_id", "next_at", postgresql_where=text(LATER)),
        Index("webhook_delivery_by_endpoint", "endpoint_id", "id"),
        Index(
            "webhook_delivery_of_bots",
            "endpoint_id",
            "room_name",
            postgresql_where=text("event_type in ('complete', 'transcript.line')"),
        ),
    )

    id: int = id_column()
    project_id: int = owner()
    endpoint_id: int = big()
    event_seq: int | None = Field(default=None, sa_type=BigInteger, description="None for a test event.")
    event_type: str
    room_name: str | None = None
    body: str = Field(description="The very bytes that are signed and sent.")
    state: str = Field(default=DeliveryState.WAITING, description="See `DeliveryState`.")
    attempts: int = 0
    next_at: datetime = moment()
    in_order: bool = Field(
        default=True, description="Planned from the log, whose order its first try keeps; not tests and repeats."
    )
    redelivery_of: int | None = Field(default=None, sa_type=BigInteger, description="The delivery it repeats.")
    created_at: datetime = created_now()
    finished_at: datetime | None = moment(nullable=True)


class WebhookAttempt(SQLModel, table=True):
    """One try: what came back, and how long it took."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "delivery_id"], ["webhook_delivery.project_id", "webhook_delivery.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("delivery_id", "number"),
    )

    id: int = id_column()
    project_id: int = owner()
    delivery_id: int = big()
    number: int
    at: datetime = moment()
    status: int | None = Field(default=None, description="HTTP status; None where there was no answer.")
    latency_ms: float
    error: str | None = None
    response: str = Field(default="", description="The first part of the answer's body.")
    response_headers: dict[str, str] = json_object()
