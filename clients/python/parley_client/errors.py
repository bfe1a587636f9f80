"""What can go wrong.

ParleyError     the platform answered, and the answer was no
└── Unreachable no answer at all
"""

from __future__ import annotations

from typing import Any


class ParleyError(Exception):
    """The platform refused: HTTP `status`, its `code` (`NOT_FOUND`, `QUOTA_EXCEEDED` …), `details` if it gave any."""

    def __init__(self, message: str, *, status: int, code: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.details = status, code, details or {}


class Unreachable(ParleyError):
    """Nobody answered, or somebody who is not Parley; `status` is 0 where nobody did."""
