"""What the log keeps of the headers of an answer. Pure."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

KEPT: Final = (
    "Age",
    "Allow",
    "Cache-Control",
    "CF-Ray",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Date",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Request-Id",
    "Retry-After",
    "Server",
    "Traceparent",
    "Via",
    "X-Amzn-RequestId",
    "X-Correlation-Id",
    "X-Powered-By",
    "X-Request-Id",
    "X-Trace-Id",
)
"""Headers that tell who answered, why, and where to find it in the receiver's own log. Those that open something,
such as cookies, are not among them; what nobody foresaw is not kept either."""
LONGEST: Final = 256
"""Characters of one value."""


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are kept, by their usual spelling, each shortened."""
    found = {name: headers[name] for name in KEPT if name in headers}
    if "Location" in found:
        found["Location"] = _without_secrets(found["Location"])
    return {name: _printable(value[:LONGEST]) for name, value in found.items()}


def _without_secrets(address: str) -> str:
    """An address without who may open it, its query and its fragment. What is none is not kept."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _printable(value: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in value)
