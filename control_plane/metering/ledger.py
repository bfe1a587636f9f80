"""Writing what was consumed."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.db.database import Db
from control_plane.metering.models import UsageEntry


async def record(db: Db, entry: UsageEntry) -> bool:
    """Write an entry; False where its source was counted already."""
    values = entry.model_dump(exclude={"id"})
    statement = insert(UsageEntry).values(**values).on_conflict_do_nothing().returning(col(UsageEntry.id))
    return await db.scalar(statement) is not None
