"""How operations may answer besides their own success: errors with their bodies, and the headers of every answer."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from control_plane.errors import (
    Conflict,
    Forbidden,
    Gone,
    InternalError,
    InvalidRequest,
    NotFound,
    PlatformError,
    QuotaExceeded,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreadable,
)

Json = dict[str, Any]

ERRORS: Final[tuple[PlatformError, ...]] = (
    InvalidRequest.field("room", "is required"),
    Unauthorized("Invalid or deactivated API key"),
    Forbidden("This API key lacks the scope rooms:write", details={"scope": "rooms:write"}),
    NotFound("There is no room my-room"),
    Conflict("The room my-room exists already"),
    Gone("This support access key was used, or is older than a day"),
    TooLarge("The body is over 1 MiB"),
    Unreadable("Send bodies as they are, without Content-Encoding"),
    QuotaExceeded("rooms", limit=10, used=10, upgrade_url="https://parley.example/billing"),
    RateLimited(limit=60, retry_after=12),
    InternalError("9f86d081884c7d65"),
    Unavailable("LiveKit does not answer"),
)
"""One of each that an operation may answer with."""

ERROR_SCHEMA: Final[Json] = {
    "type": "object",
    "title": "Error",
    "description": "What went wrong: `code` for programs, `error` for people, `details` where there is more to say.",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "enum": sorted({error.code for error in ERRORS})},
        "details": {
            "type": "object",
            "description": "`fields` of INVALID_REQUEST; `resource`, `limit`, `used`, `upgrade_url` of QUOTA_EXCEEDED; "
            "`scope` of FORBIDDEN; `error_id` of INTERNAL_ERROR.",
            "properties": {
                "fields": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "problem"],
                        "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
                    },
                },
                "resource": {"type": "string"},
                "limit": {"type": "integer"},
                "used": {"type": "integer"},
                "upgrade_url": {"type": "string"},
                "scope": {"type": "string"},
                "error_id": {"type": "string"},
            },
        },
        "limit": {"type": "integer", "description": "RATE_LIMITED: requests a minute."},
        "remaining": {"type": "integer", "description": "RATE_LIMITED: always 0."},
        "retry_after": {"type": "integer", "minimum": 1, "description": "RATE_LIMITED: seconds to wait."},
    },
}

RATE_HEADERS: Final[Json] = {
    "X-RateLimit-Limit": {"description": "Requests a minute that the key may make.", "minimum": 1},
    "X-RateLimit-Remaining": {"description": "Requests left in the current window.", "minimum": 0},
    "X-RateLimit-Reset": {"description": "Unix time at which the oldest request leaves the window.", "minimum": 0},
}
RETRY_AFTER: Final = "Retry-After"


def headers() -> Json:
    """The header objects that answers refer to."""
    made: Json = {
        name: {
            "description": about["description"],
            "required": True,
            "schema": {"type": "integer", "minimum": about["minimum"]},
        }
        for name, about in RATE_HEADERS.items()
    }
    made[RETRY_AFTER] = {
        "description": "Whole seconds after which another try is worth its while; on RATE_LIMITED and UNAVAILABLE.",
        "schema": {"type": "integer", "minimum": 1},
    }
    return made


def rate_headers() -> Json:
    """The three headers of every answer below `/api/v1`."""
    return _refer(RATE_HEADERS)


def error_answers() -> Json:
    """One answer for each status, called as `name_of` says."""
    answers: Json = {}
    for status in sorted({error.status for error in ERRORS}):
        same = [error for error in ERRORS if error.status == status]
        codes = sorted({error.code for error in same})
        waits = any(RETRY_AFTER in error.headers() for error in same)
        answers[name_of(status)] = {
            "description": f"{' or '.join(codes)}: {_sentence(same)}",
            "headers": rate_headers() | (_refer([RETRY_AFTER]) if waits else {}),
            "content": {
                "application/json": {
                    "schema": {
                        "allOf": [{"$ref": "#/components/schemas/Error"}],
                        "properties": {"code": {"enum": codes}},
                    },
                    "examples": {error.code: {"value": error.body()} for error in same},
                }
            },
        }
    return answers


def name_of(status: int) -> str:
    """The name of an error answer, such as `NotFound` for 404."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def refer(statuses: Iterable[int]) -> Json:
    """These errors as the answers of an operation."""
    return {str(status): {"$ref": f"#/components/responses/{name_of(status)}"} for status in sorted(statuses)}


def _refer(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _sentence(errors: list[PlatformError]) -> str:
    return " ".join((type(error).__doc__ or "").strip().split("\n")[0] for error in errors)
