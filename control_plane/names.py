"""Room names: what the customer says, and what LiveKit is told. Pure.

The full name is `<slug>_<name>`. Slugs have no underscore, so (project, name) → full name never collides.
"""

import re
from dataclasses import dataclass

from control_plane.errors import Forbidden, InvalidRequest

NAME = re.compile(r"[A-Za-z0-9._+-]{1,128}")
FRESH = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""What a room may be called that is not there yet: a `+` is only in those that LiveKit names for calls in."""
PREFIX = re.compile(r"([a-z0-9]{3,20})_.+")


@dataclass(frozen=True, slots=True)
class RoomName:
    """Both names of a room."""

    short: str
    full: str


def room_name(given: str, slug: str, *, field: str = "room", fresh: bool = False) -> RoomName:
    """The room a project means. A name with the project's own prefix is the full one, never prefixed twice.

    Raises `InvalidRequest` for a name that cannot be one, or that a room may not be given now (`fresh`).
    """
    if not (FRESH if fresh else NAME).fullmatch(given):
        raise InvalidRequest.field(field, "must be 1 to 128 letters, digits, dots, dashes or underscores")
    short = given.removeprefix(f"{slug}_") or given
    return RoomName(short=short, full=f"{slug}_{short}")


def foreign_prefix(given: str, slug: str) -> str | None:
    """The slug in front of a name, if it could be another project's."""
    match = PREFIX.fullmatch(given)
    return match.group(1) if match and match.group(1) != slug else None


def foreign_room(given: str) -> Forbidden:
    """The error for a name that begins with another project's slug."""
    return Forbidden(f"The room name {given!r} belongs to another project")
