"""What a call may search, signed: a capability that its holder cannot widen and that ends by itself.

The control plane signs it when a session opens; the knowledge process of any host verifies it. Both derive the key from
the worker token, so there is no secret more to hand around, and a leaked capability does not reveal that token.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LABEL: Final = b"parley knowledge capability v1"
VERSION: Final = "k1"


class CapabilityError(ValueError):
    """A capability that proves nothing: damaged, signed with another key, or expired."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Leave to search these bases of this project on behalf of this session, until it expires."""

    project_id: int
    base_ids: tuple[int, ...]
    session_id: int
    expires_at: datetime


def derive_key(worker_token: str) -> bytes:
    """The key that capabilities are signed with."""
    return hmac.digest(worker_token.encode(), LABEL, hashlib.sha256)


def sign(key: bytes, *, project_id: int, base_ids: Iterable[int], session_id: int, expires_at: datetime) -> str:
    """A capability as text, safe in JSON, URLs and headers. `expires_at` must have a zone."""
    claims = [project_id, sorted(set(base_ids)), session_id, int(expires_at.astimezone(UTC).timestamp())]
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    return f"{VERSION}.{body}.{_encode(_signature(key, body))}"


def verify(key: bytes, token: str, now: datetime) -> Capability:
    """What `token` allows, or `CapabilityError`."""
    version, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    right = _encode(_signature(key, body))  # compared as text: another spelling of the same bytes is another token
    if version != VERSION or not hmac.compare_digest(signature.encode(), right.encode()):
        raise CapabilityError("the capability is not signed by this platform")
    project_id, base_ids, session_id, expires = json.loads(_decode(body))
    expires_at = datetime.fromtimestamp(expires, UTC)
    if expires_at <= now:
        raise CapabilityError(f"the capability expired at {expires_at.isoformat()}")
    return Capability(project_id, tuple(base_ids), session_id, expires_at)


def _signature(key: bytes, body: str) -> bytes:
    return hmac.digest(key, f"{VERSION}.{body}".encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CapabilityError("the capability is not readable") from error
    if _encode(data) != text:  # other spellings of the same bytes
        raise CapabilityError("the capability is not readable")
    return data
