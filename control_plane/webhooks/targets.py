"""An endpoint as the sender needs it, and one try of a delivery."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from control_plane.clock import Clock
from control_plane.secrets.box import SecretBox
from control_plane.webhooks import signing
from control_plane.webhooks.answers import kept_headers
from control_plane.webhooks.dialects import Dialect
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.schedule import Tried, read_retry_after
from guard.outbound import Outbound, OutboundError

KEPT_OF_ANSWER: Final = 1024
"""Bytes of an answer's body that the log keeps."""

log = structlog.get_logger()


def sealed_as(endpoint_id: int) -> str:
    """The row that an endpoint's secrets are sealed for."""
    return f"webhook_endpoint:{endpoint_id}"


def headers_row(endpoint_id: int) -> str:
    """The row that an endpoint's further headers are sealed for."""
    return f"webhook_endpoint:{endpoint_id}:headers"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and what to sign with. No secret: it was sealed with another key and nothing can be sent."""

    id: int
    project_id: int
    url: str
    secret: str | None
    previous: str | None = None
    previous_until: datetime | None = None
    dialect: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def keys(self, *, now: datetime) -> list[str]:
        """The secrets that sign, the current one first."""
        keys = [self.secret] if self.secret else []
        if self.previous and self.previous_until and now < self.previous_until:
            keys.append(self.previous)
        return keys


def open_target(box: SecretBox, endpoint: WebhookEndpoint) -> Target:
    """Unseal what a row holds."""
    row = sealed_as(endpoint.id)
    headers: dict[str, str] = {}
    try:
        if endpoint.sealed_headers:
            headers = json.loads(box.open(endpoint.sealed_headers, row=headers_row(endpoint.id)))
        secret: str | None = box.open(endpoint.sealed_secret, row=row)
        previous = box.open(endpoint.sealed_previous, row=row) if endpoint.sealed_previous else None
    except ValueError:
        log.error("webhook secret cannot be opened", endpoint=endpoint.id)
        secret = previous = None
    until = endpoint.previous_until
    return Target(endpoint.id, endpoint.project_id, endpoint.url, secret, previous, until, endpoint.dialect, headers)


async def attempt(
    outbound: Outbound, clock: Clock, target: Target, *, body: str, message: str, dialect: Dialect | None = None
) -> Tried:
    """Send a delivery once. Whatever happens is told, nothing is raised."""
    at, began = clock.now(), time.perf_counter_ns()
    keys = target.keys(now=at)
    if not keys:
        return Tried(at, 0.0, error="the secret of this endpoint cannot be opened; rotate it")
    content = body.encode()
    headers = {**target.headers, **signing.headers(content, message=message, timestamp=int(at.timestamp()), keys=keys)}
    if dialect is not None:
        headers |= dialect.headers(content)
    try:
        answer = await outbound.send("POST", target.url, body=content, headers=headers)
    except OutboundError as error:
        return Tried(at, _since(began), error=error.reason)
    except Exception:  # a try that fails in a way nobody foresaw is still a failed try
        log.exception("webhook not sent", endpoint=target.id)
        return Tried(at, _since(began), error="could not be sent")
    return Tried(
        at,
        _since(began),
        status=answer.status,
        error="redirects are not followed" if 300 <= answer.status < 400 else None,
        response=answer.body[:KEPT_OF_ANSWER].decode("utf-8", "replace").replace("\x00", "\ufffd"),
        headers=kept_headers(answer.headers),
        retry_after=read_retry_after(answer.headers.get("Retry-After"), now=at),
    )


def _since(began: int) -> float:
    """Milliseconds since a reading of the counter, to a tenth."""
    return (time.perf_counter_ns() - began) // 100_000 / 10
