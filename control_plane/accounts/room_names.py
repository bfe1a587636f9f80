"""Which room a caller means, and whether it may be his."""

from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.names import RoomName, foreign_prefix, foreign_room, room_name

_RETIRED: Final = text("select exists (select from retired_room where full_name = :name)")


def retired(name: RoomName) -> Conflict:
    """The error for a name that nobody may enter any more."""
    return Conflict(f"The room {name.short!r} is deactivated")


async def resolve(db: Db, slug: str, given: str, *, field: str = "room", fresh: bool = False) -> RoomName:
    """Both names of the room that the project `slug` means; `Forbidden` where the name is another project's.

    `fresh`: a room may be given the name now. `Conflict` where it is deactivated.
    """
    name = room_name(given, slug, field=field, fresh=fresh)
    other = foreign_prefix(given, slug)
    if other and (await db.exec(select(Project.id).where(col(Project.slug) == other))).first():
        raise foreign_room(given)
    if fresh and await db.scalar(_RETIRED, {"name": name.full}):
        raise retired(name)
    return name
