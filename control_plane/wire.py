"""Shapes that every surface shares: ids, pages, times, and the answer "done"."""

import re
from datetime import UTC, datetime
from math import ceil, isfinite
from typing import Annotated, Any, Self

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from control_plane.clock import iso
from control_plane.errors import InvalidRequest
from control_plane.names import FRESH, NAME

SURFACE = "/api/v1"
"""Where the primary surface begins."""
EMBED = SURFACE + "/embed/"
"""Where requests show an embed key: visitors of other sites."""
BAAS = ("/bots", "/calendars", "/calendar_events", "/zoom_oauth_connections")
"""Where the surface of Meeting BaaS begins, whose requests show their key in a header of its own."""
SURFACES = (SURFACE + "/", "/api/meetings", *BAAS)
"""Where requests need a project's key: the primary surface, and those of other services."""
MAX_ID = 2**53 - 1
"""The largest number that every reader of JSON keeps exact."""
MAX_NUMBER = 2**63 - 1
FURTHEST = 10_000
"""Rows before the last page that can be asked for: those are read and thrown away. Cursors go on from there."""
SIGNED = "/v2/"
"""Where requests carry a token signed with a key's secret."""
SOCKETS = "/socket.io/"
"""Socket.IO; the slash at the end belongs to it."""
SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods of requests that change nothing."""
JSON_DEPTH = 20
"""How deep free JSON may be nested."""
NO_NUL = "^[^\\u0000]*$"
NOT_BLANK = "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$"
PATTERNS: dict[str, str] = {NO_NUL: "must be text without NUL"}
"""What is said of a text that has not the form of a pattern: nobody should have to read that one."""
FREE = {"x-free-json": True}
"""In a JSON schema: whatever `Storable` lets through. The reference writes it out."""


ROOM_NAME: dict[str, Any] = {"pattern": f"^{NAME.pattern}$", "minLength": 1, "maxLength": 128}
"""JSON schema of a room's name."""
FRESH_ROOM_NAME = ROOM_NAME | {"pattern": f"^{FRESH.pattern}$"}
"""The same where a room gets the name."""


class Sent(BaseModel):
    """Base of bodies that callers send: numbers are numbers and truths are truths, not strings that look like them."""

    model_config = ConfigDict(strict=True)


class Exactly(Sent):
    """Base of bodies in which an unknown field is refused."""

    model_config = ConfigDict(extra="forbid")


class Done(BaseModel):
    """It was done."""

    success: bool = True
    message: str


def _without_defaults(schema: dict[str, Any]) -> None:
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default", None)


class Change(Exactly):
    """A change of something: at least one field, none of them unknown. What is not sent stays as it is.

    The defaults of its fields are never read: `changes` holds what was sent.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"needs at least one of {', '.join(type(self).model_fields)}")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True)


class Paged(BaseModel):
    """A part of a list; its pages are counted from 1."""

    total: int
    page: int
    total_pages: int


class Page:
    """Which part of a list is asked for; pages begin with 1."""

    go_on = "narrow the list to what is wanted"
    """What whoever wants to read further may do."""

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        per_page: Annotated[int, Query(ge=1, le=100)] = 25,
    ) -> None:
        self.page, self.per_page = page, per_page
        if self.offset > FURTHEST:
            raise InvalidRequest.field("page", f"begins more than {FURTHEST:,} rows into the list: {self.go_on}")

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.per_page

    def pages(self, total: int) -> dict[str, int]:
        """The fields of `Paged`."""
        return {"total": total, "page": self.page, "total_pages": ceil(total / self.per_page)}


class Excerpt(Page):
    """Which part of a list, newest first, is asked for: a page of it, or what is older or newer than one of its rows.

    What comes meanwhile moves pages, and no excerpt. `total` counts the whole list in each case.
    """

    go_on = "read on with before_id, the last id that was seen"

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        per_page: Annotated[int, Query(ge=1, le=100)] = 25,
        before_id: Annotated[
            int | None, Query(ge=1, le=MAX_ID, description="Those that are older: the last id that was seen.")
        ] = None,
        after_id: Annotated[
            int | None, Query(ge=1, le=MAX_ID, description="The next that are newer, also newest first.")
        ] = None,
    ) -> None:
        super().__init__(page, per_page)
        self.before_id, self.after_id = before_id, after_id
        if before_id is not None and after_id is not None:
            raise InvalidRequest.field("after_id", "goes without before_id")
        if page > 1 and (before_id is not None or after_id is not None):
            raise InvalidRequest.field("page", "goes without before_id and after_id")


class Onward(Page):
    """Which part of a list, oldest first, is asked for: a page of it, or what comes after one of its rows."""

    go_on = "read on with after_id, the last id that was seen"

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        per_page: Annotated[int, Query(ge=1, le=100)] = 20,
        after_id: Annotated[
            int | None, Query(ge=1, le=MAX_ID, description="Those that follow: the last id that was seen.")
        ] = None,
    ) -> None:
        super().__init__(page, per_page)
        self.after_id = after_id
        if page > 1 and after_id is not None:
            raise InvalidRequest.field("page", "goes without after_id")


def once(given: list[str]) -> list[str]:
    """The same without repeats."""
    return list(dict.fromkeys(given))


def formed(pattern: str, problem: str, **limits: Any) -> StringConstraints:
    """Text that has the form of a pattern; `problem` asks for it in words."""
    PATTERNS[pattern] = problem
    return StringConstraints(pattern=pattern, **limits)


def rounded(most: int) -> BeforeValidator:
    """Reads a number up to `most` that may be sent with a fraction."""

    def read(given: object) -> object:
        return round(given) if isinstance(given, float) and 0 <= given <= most else given

    return BeforeValidator(read)


def _clean(text: str) -> str:
    if "\x00" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError("must be text without NUL or lone surrogates")
    return text


def _digits(given: object) -> object:
    if isinstance(given, str) and not re.fullmatch(r"[1-9][0-9]{0,18}", given):
        raise ValueError("must be a number from 1 up")
    return given


def _storable(value: Any, depth: int = JSON_DEPTH) -> Any:
    if depth == 0:
        raise ValueError(f"must not be nested deeper than {JSON_DEPTH}")
    match value:
        case str():
            _clean(value)
        case float() if not isfinite(value):
            raise ValueError("must hold finite numbers only")
        case int() if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise ValueError("must hold numbers of 64 bits only")
        case dict():
            for key, part in value.items():
                _clean(key)
                _storable(part, depth - 1)
        case list():
            for part in value:
                _storable(part, depth - 1)
    return value


class _CleanText:
    """Validates with `_clean`, and says in JSON schema which text that is."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_clean, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shown = handler(schema)
        inner: Any = schema
        while "schema" in inner:
            inner = inner["schema"]
        stripped = inner.get("strip_whitespace") and inner.get("min_length")
        shown.setdefault("pattern", NOT_BLANK if stripped else NO_NUL)
        return shown


class _StorableJson:
    """Validates with `_storable`, and says in JSON schema as much of it as can be said."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_storable, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _free(handler(schema))


def _free(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "object" and "properties" not in schema:
        inside = schema.get("additionalProperties", True)
        schema["additionalProperties"] = FREE if inside is True else _free(inside)
        schema["propertyNames"] = {"pattern": NO_NUL}
    elif schema.get("type") == "array":
        schema["items"] = _free(schema.get("items", {}))
    elif schema.get("type") == "string":
        schema.setdefault("pattern", NO_NUL)
    elif not schema.keys() - {"title"}:
        return FREE
    for alternative in schema.get("anyOf", ()):
        alternative.update(_free(alternative))
    return schema


def _written(given: object) -> object:
    """Numbers, and text of digits alone, are no times."""
    if isinstance(given, datetime) or (isinstance(given, str) and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given)):
        return given
    raise ValueError("must be a time in ISO 8601, such as 2026-03-31T10:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar") from error


def _bound(given: object, *, time_of_day: str) -> object:
    if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        return f"{given}T{time_of_day}Z"
    return _written(given)


def _begin(given: object) -> object:
    return _bound(given, time_of_day="00:00:00")


def _end(given: object) -> object:
    return _bound(given, time_of_day="23:59:59.999999")


GivenId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""The numeric id of something in a body."""

RowId = Annotated[int, Path(ge=1, le=MAX_ID), BeforeValidator(_digits)]
"""A numeric id in a path."""

Storable = _StorableJson()
"""Free JSON that PostgreSQL can store and we can write again: clean text, finite numbers, bounded depth."""

_bound_schema = WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]})
Since = Annotated[datetime, Field(strict=False), BeforeValidator(_begin), AfterValidator(_in_utc), _bound_schema]
Until = Annotated[datetime, Field(strict=False), BeforeValidator(_end), AfterValidator(_in_utc), _bound_schema]
"""From and to when: a date alone is the whole day, a time without a zone is UTC."""

Instant = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json")]
"""A time on the wire: ISO 8601, UTC, `Z`, whole seconds."""

Clean = _CleanText()
"""Text that PostgreSQL can store."""

Search = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Clean]
"""Text that lists are searched for, in whatever case."""

RoomPath = Annotated[
    str, Path(description="Name of the room, with or without the project's prefix.", json_schema_extra=ROOM_NAME)
]
"""A room in a path; `accounts.room_names.resolve` is who judges it."""
