"""Finding analyses."""

from sqlmodel import select

from control_plane.analysis.models import Analysis
from control_plane.db.database import Db


async def find_analysis(db: Db, project_id: int, session_id: int) -> Analysis | None:
    """The analysis of a session; None while nothing is written yet."""
    query = select(Analysis).where(Analysis.project_id == project_id, Analysis.session_id == session_id)
    return (await db.exec(query)).one_or_none()
