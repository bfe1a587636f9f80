"""`/sessions/{id}/analysis`, `/meetings/{id}/analysis`."""

from typing import Any

from control_plane.analysis.repository import find_analysis
from control_plane.analysis.schemas import AnalysisAsked, AnalysisRead, show_analysis, silent
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.errors import Conflict
from control_plane.gate.operation import primary
from control_plane.meetings.routes import Meetings
from control_plane.sessions.ending import wish_analysis
from control_plane.sessions.models import SessionStatus
from control_plane.sessions.routes import Sessions
from control_plane.wire import RowId

router = primary(tags=["Analysis"])


@router.get("/sessions/{session_id}/analysis", response_model=AnalysisRead)
async def read_session_analysis(session_id: RowId, db: DbDep, caller: CallerDep, sessions: Sessions) -> Any:
    """What a session came to: counted, and read by a model."""
    await sessions.get(session_id)
    return show_analysis(session_id, await find_analysis(db, caller.project_id, session_id))


@router.post("/sessions/{session_id}/analysis", status_code=202, response_model=AnalysisAsked)
async def repeat_analysis(session_id: RowId, db: DbDep, clock: ClockDep, sessions: Sessions) -> Any:
    """Analyse a session that has ended once more."""
    session = await sessions.get(session_id)
    if session.status == SessionStatus.ACTIVE:
        raise Conflict("The session is active; it is analysed when it has ended")
    await wish_analysis(db, session_id, run_at=clock.now())
    return AnalysisAsked(session_id=session_id)


@router.get("/meetings/{meeting_id}/analysis", response_model=AnalysisRead)
async def read_meeting_analysis(meeting_id: RowId, db: DbDep, caller: CallerDep, meetings: Meetings) -> Any:
    """What a meeting came to, by the objectives and criteria of its scenario."""
    meeting = await meetings.get(meeting_id)
    if meeting.session_id is None:
        return silent(over=meeting.ended_at is not None)
    return show_analysis(meeting.session_id, await find_analysis(db, caller.project_id, meeting.session_id))
