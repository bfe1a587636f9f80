"""`/sessions`."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import PlainTextResponse

from agents.contract import EndReason
from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.bodies import described, optional
from control_plane.gate.operation import primary
from control_plane.metering.schemas import show_costs
from control_plane.sessions.repository import SessionFilter, SessionRepository
from control_plane.sessions.schemas import (
    LineCreate,
    LineCreated,
    SessionCreate,
    SessionCreated,
    SessionDetail,
    SessionEnd,
    SessionEnded,
    SessionList,
    SessionType,
    Transcript,
    TurnList,
    as_text,
    show_line,
    show_session,
    show_turn,
)
from control_plane.sessions.service import SessionService
from control_plane.wire import MAX_ID, Excerpt, RoomPath, RowId, Search, Since, Until

router = primary("/sessions", tags=["Sessions"])


async def find_rows(db: DbDep, caller: CallerDep) -> SessionRepository:
    """The rows of this request's caller."""
    return SessionRepository(db, caller.project_id)


SessionRows = Annotated[SessionRepository, Depends(find_rows)]


async def find_sessions(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, rows: SessionRows
) -> SessionService:
    """The sessions of this request's caller."""
    return SessionService(db, caller, clock, rows, request.app.state.live)


Sessions = Annotated[SessionService, Depends(find_sessions)]


@router.post("", status_code=201, response_model=SessionCreated)
async def create_session(body: SessionCreate, sessions: Sessions) -> Any:
    """Create a session log, for a customer's own agent server."""
    return {"session": (await sessions.create(body)).model_dump()}


@router.get("", response_model=SessionList)
async def list_sessions(
    rows: SessionRows,
    excerpt: Annotated[Excerpt, Depends()],
    status: Literal["active", "completed"] | None = None,
    agent_config_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    session_type: SessionType | Literal["bot"] | None = None,
    since: Annotated[Since | None, Query(alias="from")] = None,
    until: Annotated[Until | None, Query(alias="to")] = None,
    outcome: Literal["ok", "failed"] | None = None,
    end_reason: EndReason | None = None,
    search: Annotated[Search | None, Query(description="In the names of room, caller and agent; or a number.")] = None,
) -> Any:
    """List sessions, newest first."""
    narrow = SessionFilter(status, agent_config_id, session_type, since, until, outcome, end_reason, search)
    found, total = await rows.page(narrow, excerpt)
    return {"sessions": [show_session(session).model_dump() for session in found], **excerpt.pages(total)}


@router.get("/{session_id}/detail", response_model=SessionDetail)
async def read_session(session_id: RowId, sessions: Sessions) -> Any:
    """Session detail with costs; a model that the agent does not name is the one that answered."""
    session, used = await sessions.get_with_usage(session_id)
    shown = show_session(session)
    answered = next((row.model for row in used if row.service == "llm"), None)
    shown.llm_model = shown.llm_model or answered
    return SessionDetail(session=shown, costs=show_costs(used))


@router.get("/{session_id}/transcript", response_model=Transcript)
async def read_transcript(session_id: RowId, sessions: Sessions, rows: SessionRows) -> Any:
    """Get the transcript as JSON."""
    session = await sessions.get(session_id)
    lines = await rows.lines(session.id)
    return Transcript(session_id=session.id, transcripts=[show_line(line) for line in lines])


@router.get("/{session_id}/transcript/text", response_class=PlainTextResponse)
async def read_transcript_text(session_id: RowId, sessions: Sessions, rows: SessionRows) -> str:
    """Get the transcript as plain text."""
    session = await sessions.get(session_id)
    return as_text(await rows.lines(session.id))


@router.get("/{session_id}/turns", response_model=TurnList)
async def read_turns(session_id: RowId, sessions: Sessions, rows: SessionRows) -> Any:
    """Where the time of each answer went, and which passages it used."""
    session = await sessions.get(session_id)
    turns = await rows.turns(session.id)
    return TurnList(session_id=session.id, turns=[show_turn(turn) for turn in turns])


@router.post("/{room_name}/transcript", status_code=201, response_model=LineCreated)
async def add_line(room_name: RoomPath, body: LineCreate, sessions: Sessions) -> Any:
    """Add a transcript entry to the room's active session."""
    return LineCreated(transcript=show_line(await sessions.add_line(room_name, body)))


@router.post("/{room_name}/end", response_model=SessionEnded, openapi_extra=described(SessionEnd))
async def end_session(
    room_name: RoomPath, sessions: Sessions, body: Annotated[SessionEnd, Depends(optional(SessionEnd))]
) -> Any:
    """End the room's active session."""
    return SessionEnded(session=show_session(await sessions.end(room_name, body)))
