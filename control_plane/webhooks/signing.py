"""How a receiver can tell that a webhook is ours: three headers over the very bytes that are sent. Pure.

* `X-Webhook-Signature`: hex HMAC-SHA256 of the body, keyed with the whole secret as shown, `whsec_` included;
* `X-Signature`: the same behind `sha256=`;
* `webhook-id`, `webhook-timestamp`, `webhook-signature`: the Standard Webhooks triple, keyed with the decoded part.

In the day after a rotation the first two are of the new secret, and the third has a signature of each.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
HIDDEN: Final = "***"
USER_AGENT: Final = "Parley-Webhooks/1"
SIGNATURES: Final = ("X-Webhook-Signature", "X-Signature", "webhook-signature")


def new_secret() -> str:
    """`whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def message_id(*, event_seq: int | None, delivery_id: int) -> str:
    """What a receiver recognises a repeat by: the event's public id, the same at every try and redelivery.

    A test event has no public id and gets one of its own.
    """
    return str(event_seq) if event_seq is not None else f"test_{delivery_id}"


def headers(body: bytes, *, message: str, timestamp: int, keys: Sequence[str]) -> dict[str, str]:
    """All headers of a request. `timestamp` is in Unix seconds; `keys` are secrets as shown, the current one first."""
    legacy = hmac.digest(keys[0].encode(), body, "sha256").hex()
    signed = f"{message}.{timestamp}.".encode() + body
    return _plain(message, timestamp) | {
        "X-Webhook-Signature": legacy,
        "X-Signature": f"sha256={legacy}",
        "webhook-signature": " ".join(_standard(key, signed) for key in keys),
    }


def shown_headers(*, message: str, timestamp: int, secret: Iterable[str] = ()) -> dict[str, str]:
    """The headers as the log shows them: a signature would let its reader send the body again in our name, and those
    named `secret` are the receiver's own."""
    return _plain(message, timestamp) | dict.fromkeys((*SIGNATURES, *secret), HIDDEN)


def _plain(message: str, timestamp: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
    }


def _standard(key: str, signed: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(raw, signed, "sha256")).decode()
