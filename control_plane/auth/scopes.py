"""What a key may do: everything (`*`), `read`, `write`, or one area of the API such as `rooms:read` or `rooms:write`.

Writing includes reading.
"""

from functools import cache
from typing import Final

AREAS: Final = (
    "account",
    "agents",
    "api-keys",
    "audit",
    "bots",
    "calendars",
    "embed-keys",
    "end-users",
    "events",
    "knowledge-bases",
    "meetings",
    "members",
    "privacy",
    "projects",
    "recordings",
    "rooms",
    "scenarios",
    "sessions",
    "sip",
    "tokens",
    "usage",
    "webhooks",
)
"""Parts of the primary surface that a key may be confined to."""

SCOPES: Final = ("*", "read", "write", *(f"{area}:{use}" for area in AREAS for use in ("read", "write")))


@cache
def granting(scope: str) -> frozenset[str]:
    """The scopes that include this one, itself among them."""
    area, _, use = scope.rpartition(":")
    uses = ("read", "write") if use == "read" else (use,)
    return frozenset({"*", *uses, *(f"{area}:{each}" for each in uses if area)})
