"""Webhooks on the wire."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, model_validator

from control_plane.clock import iso_ms
from control_plane.events.facts import DOCUMENTED_WEBHOOKS, TEST_WEBHOOK, WEBHOOKS
from control_plane.webhooks.models import DeliveryState
from control_plane.wire import MAX_ID, Change, Clean, Exactly, Instant, Paged, Since, Storable, Until, once
from guard.outbound import LONGEST_URL

KNOWN_EVENTS = DOCUMENTED_WEBHOOKS | WEBHOOKS


def _known(name: str) -> str:
    if name not in KNOWN_EVENTS:
        raise ValueError(f"unknown event type; known are {', '.join(sorted(KNOWN_EVENTS))}")
    return str(name)


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    Clean,
    Field(json_schema_extra={"format": "uri", "pattern": "^https?://"}),
]
Description = Annotated[str, StringConstraints(max_length=500), Clean]
EventType = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(KNOWN_EVENTS)})]
Filter = Annotated[list[EventType], Field(min_length=1, max_length=100), AfterValidator(once)]
Millis = Annotated[datetime, PlainSerializer(iso_ms, return_type=str, when_used="json")]
"""A time on the wire with milliseconds."""


class EndpointCreate(Exactly):
    """`POST /webhooks`."""

    url: Url = Field(description="Where events are posted: http or https, on the public internet.")
    events: Filter | None = Field(None, description="Event types to send; null for the 17 of the document.")
    description: Description = ""
    is_active: bool = True


class EndpointUpdate(EndpointCreate, Change):
    """`PATCH /webhooks/{id}`: a field that is not sent stays as it is."""

    url: Url = ""


class EndpointRead(BaseModel):
    """A webhook endpoint as it is listed."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    url: str
    events: list[str] | None
    description: str
    is_active: bool
    disabled_reason: str | None = Field(description="`gone` (410) or `failing` (5 days), where we switched it off.")
    failing_since: Instant | None = Field(description="The first of the failed tries since the last success.")
    created_at: Instant
    updated_at: Instant | None


class EndpointSecret(EndpointRead):
    """A webhook endpoint with its secret, which is shown only here."""

    secret: str = Field(description="`whsec_` and base64; keys the signatures.")


class EndpointList(BaseModel):
    """All webhook endpoints of the project."""

    webhooks: list[EndpointRead]


class EndpointAnswer(BaseModel):
    """One webhook endpoint."""

    webhook: EndpointRead


class EndpointSecretAnswer(BaseModel):
    """One webhook endpoint, with a new secret."""

    webhook: EndpointSecret


class AttemptRead(BaseModel):
    """One try of a delivery."""

    number: int
    at: Millis
    status: int | None = Field(description="HTTP status; null where no answer came.")
    latency_ms: float
    error: str | None
    request_headers: dict[str, str] = Field(description="Signatures are not shown.")
    response_headers: dict[str, str] = Field(description="Of the answer: what tells how it came about, no secrets.")
    response: str = Field(description="The first 1024 bytes of the answer's body.")


class DeliveryRead(BaseModel):
    """An event on its way to an endpoint."""

    id: int
    endpoint_id: int
    event_id: int | None = Field(description="The event's id in `GET /events`; null for a test.")
    event_type: str
    room_name: str | None
    message_id: str = Field(description="The header `webhook-id`: the same for every try and redelivery.")
    state: DeliveryState
    attempt_count: int
    last_status: int | None = Field(description="HTTP status of the last try; null where no answer came, or none yet.")
    last_latency_ms: float | None = Field(description="How long the last try took; null where there was none yet.")
    next_attempt_at: Instant | None
    redelivery_of: int | None
    created_at: Instant
    finished_at: Instant | None


class DeliveryDetail(DeliveryRead):
    """A delivery with what was sent and what came back."""

    body: str = Field(description="The very text that is signed and sent.")
    attempts: list[AttemptRead]


class DeliveryList(Paged):
    """Deliveries of an endpoint, the newest first."""

    deliveries: list[DeliveryRead]


class DeliveryAnswer(BaseModel):
    """One delivery."""

    delivery: DeliveryDetail


class Redelivered(BaseModel):
    """The delivery that was made to repeat another."""

    delivery: DeliveryRead


class ReplayStart(Exactly):
    """`POST /webhooks/{id}/replay`: from an event id or a time, to a time or the end of the log."""

    model_config = ConfigDict(
        populate_by_name=True, json_schema_extra={"oneOf": [{"required": ["after_id"]}, {"required": ["from"]}]}
    )

    after_id: Annotated[int, Field(ge=0, le=MAX_ID)] | None = Field(None, description="Events with greater ids.")
    since: Since | None = Field(None, alias="from", description="Events of this time and later.")
    until: Until | None = Field(None, alias="to", description="Events up to this time.")

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.after_id is None) == (self.since is None):
            raise ValueError("send either after_id or from")
        return self


class Replayed(BaseModel):
    """How much of the range is on its way."""

    success: bool = True
    queued: int
    last_id: int | None = Field(description="The last event that is on its way.")
    complete: bool = Field(
        description="False: the range is longer than one call takes; go on with `after_id: last_id`."
    )


class WebhookTest(Exactly):
    """`POST /webhooks/test`."""

    event_type: EventType = Field(TEST_WEBHOOK, description="Event type to simulate.")
    payload: Annotated[dict[str, Any], Storable] | None = Field(None, description="Becomes `data`.")


class TestResult(BaseModel):
    """How the test went at one endpoint; `error` where it did not go well."""

    endpoint_id: int
    delivery_id: int
    status: int | None
    latency_ms: float
    error: str = ""


class TestAnswer(BaseModel):
    """How the test went."""

    success: bool = Field(description="Whether every active endpoint answered 2xx.")
    results: list[TestResult]
