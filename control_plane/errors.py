"""Everything that can go wrong in a documented way. Services raise these; one handler renders them.

PlatformError
├── InvalidRequest      400   INVALID_REQUEST
├── Unauthorized        401   UNAUTHORIZED
├── Forbidden           403   FORBIDDEN
├── NotFound            404   NOT_FOUND
├── MethodNotAllowed    405   INVALID_REQUEST    with Allow
├── Conflict            409   CONFLICT
│   └── StillRunning                             with Retry-After
├── Gone                410   NOT_FOUND
├── TooLarge            413   INVALID_REQUEST
├── Unreadable          415   INVALID_REQUEST
├── QuotaExceeded       429   QUOTA_EXCEEDED
├── RateLimited         429   RATE_LIMITED       with Retry-After
├── InternalError       500   INTERNAL_ERROR
└── Unavailable         503   UNAVAILABLE        with Retry-After
"""

from collections.abc import Sequence
from typing import Any, Self


class PlatformError(Exception):
    """Base: an HTTP status, a code of the documented table, a sentence, and optional details."""

    status = 500
    code = "INTERNAL_ERROR"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message, self.details = message, details

    @classmethod
    def field(cls, name: str, problem: str) -> Self:
        """One wrong field."""
        return cls(f"{name}: {problem}", details={"fields": [{"field": name, "problem": problem}]})

    def body(self) -> dict[str, Any]:
        """The documented error object."""
        content: dict[str, Any] = {"error": self.message, "code": self.code}
        if self.details:
            content["details"] = self.details
        return content

    def headers(self) -> dict[str, str]:
        """Headers that belong to this error."""
        return {}


class InvalidRequest(PlatformError):
    """The request itself is wrong; `fields` names what, one problem each."""

    status, code = 400, "INVALID_REQUEST"


class Unauthorized(PlatformError):
    """No credential, or not a good one."""

    status, code = 401, "UNAUTHORIZED"


class Forbidden(PlatformError):
    """A good credential of somebody else."""

    status, code = 403, "FORBIDDEN"


class NotFound(PlatformError):
    """There is no such thing."""

    status, code = 404, "NOT_FOUND"


class MethodNotAllowed(PlatformError):
    """The path exists, the method does not; `allowed` are those that do."""

    status, code = 405, "INVALID_REQUEST"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This path does not allow this method; it allows {', '.join(allowed)}")
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class Conflict(PlatformError):
    """The thing is in a state that does not allow this."""

    status, code = 409, "CONFLICT"


class StillRunning(Conflict):
    """The first request under an `Idempotency-Key` has no answer yet."""

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running; try again")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class Gone(PlatformError):
    """It was there, and is used up or over."""

    status, code = 410, "NOT_FOUND"


class TooLarge(PlatformError):
    """The body is over its limit."""

    status, code = 413, "INVALID_REQUEST"


class Unreadable(PlatformError):
    """The body is compressed, or its text is not UTF-8."""

    status, code = 415, "INVALID_REQUEST"


class QuotaExceeded(PlatformError):
    """The plan allows no more of this resource."""

    status, code = 429, "QUOTA_EXCEEDED"

    def __init__(self, resource: str, *, limit: int, used: int, upgrade_url: str) -> None:
        details = {"resource": resource, "limit": limit, "used": used, "upgrade_url": upgrade_url}
        super().__init__(f"Quota exceeded: {used} of {limit} {resource} in use", details=details)


class RateLimited(PlatformError):
    """Too many requests; worth another try after `retry_after` seconds. Its figures are beside the code."""

    status, code = 429, "RATE_LIMITED"

    def __init__(self, *, limit: int, retry_after: int, message: str = "Rate limit exceeded") -> None:
        super().__init__(message)
        self.limit, self.retry_after = limit, retry_after

    def body(self) -> dict[str, Any]:
        return super().body() | {"limit": self.limit, "remaining": 0, "retry_after": self.retry_after}

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class InternalError(PlatformError):
    """A fault of ours; `error_id` is in the log."""

    def __init__(self, error_id: str) -> None:
        super().__init__("Unexpected server error", details={"error_id": error_id})


class Unavailable(PlatformError):
    """Something we depend on is away; worth another try after `retry_after` seconds."""

    status, code = 503, "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}
