"""Webhooks in the words of another service: what facts are called there, and how their bodies are signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from control_plane.db.database import Db
from control_plane.events.models import Event


@dataclass(frozen=True, slots=True)
class Letter:
    """A fact as another service would tell it."""

    name: str
    body: str

    def is_wanted(self, events: Sequence[str] | None) -> bool:
        """Whether an endpoint with this filter is sent it; a star stands for any letters."""
        return any(fnmatchcase(self.name, pattern) for pattern in events or ())


class Dialect(Protocol):
    """Writes letters for the endpoints of its name."""

    facts: frozenset[str]

    async def write(self, db: Db, events: Sequence[Event]) -> Mapping[int, Letter]:
        """Letters by the number of their event; some events have none."""

    def headers(self, body: bytes) -> dict[str, str]:
        """Headers by which a receiver knows that a body is ours."""
