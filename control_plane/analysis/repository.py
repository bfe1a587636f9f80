"""Finding analyses."""

from sqlmodel import select

from control_plane.analysis.models import Analysis
from control_plane.db.database import Db


async def find_analysis(db: Db, project_id: int, session_id: int, *, lock: bool = False) -> Analysis | None:
    """The analysis of a session, locked until the commit where that is asked for; None while nothing is written yet."""
    query = select(Analysis).where(Analysis.project_id == project_id, Analysis.session_id == session_id)
    return (await db.exec(query.with_for_update() if lock else query)).one_or_none()
