"""Which room a caller means, and whether it may be his."""

from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.db.database import Db
from control_plane.names import RoomName, foreign_prefix, foreign_room, room_name


async def resolve(db: Db, slug: str, given: str, *, field: str = "room", fresh: bool = False) -> RoomName:
    """Both names of the room that the project `slug` means; `Forbidden` where the name is another project's."""
    name = room_name(given, slug, field=field, fresh=fresh)
    other = foreign_prefix(given, slug)
    if other and (await db.exec(select(Project.id).where(col(Project.slug) == other))).first():
        raise foreign_room(given)
    return name
