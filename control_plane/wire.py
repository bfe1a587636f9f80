"""Shapes that every surface shares: ids, pages, times, and the answer "done"."""

from datetime import UTC, datetime
from math import ceil
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, PlainSerializer

MAX_ID = 2**63 - 1


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


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clean(text: str) -> str:
    if "\x00" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError("must be text without NUL or lone surrogates")
    return text


RowId = Annotated[int, Path(ge=1, le=MAX_ID)]
"""A numeric id in a path."""

Instant = Annotated[datetime, PlainSerializer(_iso, return_type=str, when_used="json")]
"""A time on the wire: ISO 8601, UTC, `Z`, whole seconds."""

Clean = AfterValidator(_clean)
"""Text that PostgreSQL can store."""
