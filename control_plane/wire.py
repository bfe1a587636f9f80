"""Shapes that every surface shares: ids, pages, times, and the answer "done"."""

import re
from datetime import UTC, datetime
from math import ceil, isfinite
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, PlainSerializer

from control_plane.clock import iso

MAX_ID = 2**63 - 1
JSON_DEPTH = 20
"""How deep free JSON may be nested."""


class Done(BaseModel):
    """It was done."""

    success: bool = True
    message: str


class Page:
    """Which part of a list is asked for; pages begin with 1."""

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        per_page: Annotated[int, Query(ge=1, le=100)] = 25,
    ) -> None:
        self.page, self.per_page = page, per_page

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.per_page

    def pages(self, total: int) -> dict[str, int]:
        """The fields beside a list."""
        return {"total": total, "page": self.page, "total_pages": ceil(total / self.per_page)}


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
        case int() if not -MAX_ID <= value <= MAX_ID:
            raise ValueError("must hold numbers of 64 bits only")
        case dict():
            for key, part in value.items():
                _clean(key)
                _storable(part, depth - 1)
        case list():
            for part in value:
                _storable(part, depth - 1)
    return value


def _in_calendar(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar") from error


RowId = Annotated[int, BeforeValidator(_digits), Path(ge=1, le=MAX_ID)]
"""A numeric id in a path."""

Storable = AfterValidator(_storable)
"""Free JSON that PostgreSQL can store and we can write again: clean text, finite numbers, bounded depth."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
"""A time that was sent, with its zone."""

Instant = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json")]
"""A time on the wire: ISO 8601, UTC, `Z`, whole seconds."""

Clean = AfterValidator(_clean)
"""Text that PostgreSQL can store."""
