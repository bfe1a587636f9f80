"""How operations may answer besides their own success: errors with their bodies, and the headers of every answer."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from control_plane.dialects.videosdk.shapes import RoomNotFound
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
from control_plane.refusals import body_of
from control_plane.wire import SIGNED

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

SIGNED_ERROR_SCHEMA: Final[Json] = {
    "type": "object",
    "title": "VideoError",
    "description": "What went wrong at `/v2`.",
    "required": ["statusCode", "message"],
    "properties": {"statusCode": {"type": "integer"}, "message": {"type": "string"}},
}
ERROR_SCHEMAS: Final = {"Error": ERROR_SCHEMA, "VideoError": SIGNED_ERROR_SCHEMA}

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
    """The three headers of every answer that the gate lets through."""
    return _refer(RATE_HEADERS)


def error_answers() -> Json:
    """One answer for each status and each shape of errors, called as `name_of` says."""
    answers: Json = {}
    for signed, errors in ((False, ERRORS), (True, (*ERRORS, RoomNotFound()))):
        for status in sorted({error.status for error in errors}):
            same = [error for error in errors if error.status == status]
            waits = any(RETRY_AFTER in error.headers() for error in same)
            answers[name_of(status, signed=signed)] = {
                "description": f"{' or '.join(_codes(same))}: {_sentence(same)}",
                "headers": rate_headers() | (_refer([RETRY_AFTER]) if waits else {}),
                "content": {"application/json": _signed(same) if signed else _plain(same)},
            }
    return answers


def _plain(same: list[PlatformError]) -> Json:
    return {
        "schema": {
            "allOf": [{"$ref": "#/components/schemas/Error"}],
            "properties": {"code": {"enum": _codes(same)}},
        },
        "examples": {error.code: {"value": error.body()} for error in same},
    }


def _signed(same: list[PlatformError]) -> Json:
    return {
        "schema": {"$ref": "#/components/schemas/VideoError"},
        "examples": {error.code: {"value": body_of(error, SIGNED)} for error in same},
    }


def _codes(errors: list[PlatformError]) -> list[str]:
    return sorted({error.code for error in errors})


def name_of(status: int, *, signed: bool = False) -> str:
    """The name of an error answer, such as `NotFound` for 404, and `VideoNotFound` at `/v2`."""
    called = HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    return f"Video{called}" if signed else called


def refer(statuses: Iterable[int], path: str) -> Json:
    """These errors as the answers of an operation at a path."""
    names = {status: name_of(status, signed=path.startswith(SIGNED)) for status in sorted(statuses)}
    return {str(status): {"$ref": f"#/components/responses/{name}"} for status, name in names.items()}


def _refer(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _sentence(errors: list[PlatformError]) -> str:
    return " ".join((type(error).__doc__ or "").strip().split("\n")[0] for error in errors)
