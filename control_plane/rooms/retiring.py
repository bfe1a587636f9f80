"""Names that nobody may enter any more, whoever asks and by whatever surface."""

from datetime import datetime
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from control_plane.db.database import Db
from control_plane.jobs.queue import enqueue
from control_plane.rooms.models import RetiredRoom

SHUT: Final = "room.shut"
"""Job: close a room, whoever is in it. Payload: room_name."""


async def shut(db: Db, full_name: str, key: str, *, at: datetime) -> None:
    """Have a room closed then, whoever is in it; `key` tells this wish from others."""
    await enqueue(db, SHUT, f"{full_name} {key}", run_at=at, room_name=full_name)


async def retire(db: Db, project_id: int, full_name: str) -> None:
    """Have nobody enter a room of this name any more. Who is in it stays until it is closed."""
    await db.execute(insert(RetiredRoom).values(project_id=project_id, full_name=full_name).on_conflict_do_nothing())


async def is_retired(db: Db, full_name: str) -> bool:
    """Whether nobody may enter it."""
    query = select(RetiredRoom.full_name).where(RetiredRoom.full_name == full_name)
    return (await db.exec(query)).first() is not None
