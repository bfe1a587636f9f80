"""Receiving webhooks."""

from __future__ import annotations

import hashlib
import hmac


def verify(body: bytes, signature: str, secret: str) -> bool:
    """Whether a webhook's raw body is the platform's, by its `X-Webhook-Signature` and the endpoint's `whsec_…`."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())
