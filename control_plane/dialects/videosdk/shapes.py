"""How things look on this surface: ids of 24 digits, times with milliseconds, links, pages, its own errors."""

import re
from math import ceil
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import StringConstraints

from control_plane.errors import NotFound
from control_plane.wire import MAX_NUMBER, Clean, Page

OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}")
MOST: Final = 100

GivenName = Annotated[str, StringConstraints(min_length=1, max_length=256), Clean]
"""What somebody calls a room or a participant."""


class RoomNotFound(NotFound):
    """There is no such room, as this surface says it."""

    status = 402

    def __init__(self) -> None:
        super().__init__("Please provide a valid roomId")


def object_id(number: int) -> str:
    """A row's number as an id of this surface."""
    return f"{number:024x}"


def number_of(given: str) -> int | None:
    """The number of an id; None where it is none of ours."""
    number = int(given, 16) if OBJECT_ID.fullmatch(given) else 0
    return number if 0 < number <= MAX_NUMBER else None


class Pages(Page):
    """Which part of a list is asked for."""

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        perPage: Annotated[int, Query(ge=1, le=MOST)] = 20,
    ) -> None:
        super().__init__(page, perPage)

    def show(self, rows: list[Any], total: int) -> dict[str, Any]:
        """A page on the wire."""
        last = max(1, ceil(total / self.per_page))
        info = {"currentPage": self.page, "perPage": self.per_page, "lastPage": last, "total": total}
        return {"pageInfo": info, "data": rows}


class Links:
    """Addresses of this surface."""

    def __init__(self, public_url: str) -> None:
        self.base = f"{public_url}/v2"

    def of(self, room_id: str, session_id: int | None = None) -> dict[str, str]:
        """What a room or session leads to."""
        session = object_id(session_id) if session_id else ""
        return {"get_room": f"{self.base}/rooms/{room_id}", "get_session": f"{self.base}/sessions/{session}"}
