"""Sessions on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from control_plane.metering.schemas import Costs
from control_plane.sessions.models import Session, TranscriptLine, Turn
from control_plane.wire import FRESH_ROOM_NAME, Clean, GivenId, Instant, Paged, Sent, Storable, rounded

Words = Annotated[str, StringConstraints(min_length=1, max_length=20_000), Clean]
SessionType = Literal["voice", "sip"]


class SessionCreate(Sent):
    """`POST /sessions`, for a customer's own agent servers."""

    room_name: Annotated[str, Field(json_schema_extra=FRESH_ROOM_NAME)]
    agent_config_id: GivenId | None = None
    caller_identity: Annotated[str, StringConstraints(max_length=256), Clean] | None = None
    session_type: SessionType = "voice"
    metadata: Annotated[dict[str, Any], Storable] = Field(default_factory=dict)


class SessionMade(BaseModel):
    """A session just opened."""

    id: int
    project_id: int
    room_name: str
    status: str
    session_type: str
    created_at: Instant


class SessionCreated(BaseModel):
    """`POST /sessions`, 201."""

    session: SessionMade


class SessionListed(BaseModel):
    """A session in the list."""

    id: int
    room_name: str
    agent_name: str | None
    status: str
    session_type: str
    duration: int | None
    message_count: int
    started_at: Instant
    ended_at: Instant | None
    outcome: str | None
    end_reason: str | None


class SessionList(Paged):
    """`GET /sessions`."""

    sessions: list[SessionListed]


class SessionShown(SessionListed):
    """One session in full."""

    agent_config_id: int | None
    llm_provider: str | None
    llm_model: str | None
    duration_seconds: int | None
    caller_identity: str | None
    recording_announced_at: Instant | None = Field(description="When people had heard that it is recorded.")
    summary: str | None
    metadata: dict[str, Any]


class SessionDetail(BaseModel):
    """`GET /sessions/{id}/detail`."""

    session: SessionShown
    costs: Costs


class LineCreate(Sent):
    """`POST /sessions/{roomName}/transcript`."""

    speaker: Literal["agent", "user", "supervisor", "system"]
    content: Words
    timestamp_ms: (
        Annotated[int, Field(ge=0, le=10**12, json_schema_extra={"type": "number"}), rounded(10**12)] | None
    ) = None
    is_final: bool = True
    sequence: Annotated[int, Field(ge=1, le=10**9)] | None = Field(None, description="Makes a repeat harmless.")


class Line(BaseModel):
    """Something that was said."""

    id: int | None = Field(None, description="Null where it is not kept, or was there already.")
    speaker: str
    name: str = Field("", description="Who it was, as the room knew them.")
    content: str
    timestamp_ms: int
    created_at: Instant


class LineCreated(BaseModel):
    """`POST …/transcript`, 201."""

    success: bool = True
    transcript: Line


class Transcript(BaseModel):
    """`GET /sessions/{id}/transcript`."""

    session_id: int
    transcripts: list[Line]


class SessionEnd(Sent):
    """`POST /sessions/{roomName}/end`."""

    summary: Annotated[str, StringConstraints(max_length=20_000), Clean] | None = None
    duration: Annotated[int, Field(ge=0, le=10**7, json_schema_extra={"type": "number"}), rounded(10**7)] | None = None


class SessionEnded(BaseModel):
    """`POST …/end`."""

    success: bool = True
    session: SessionShown


class TurnShown(BaseModel):
    """Where the time of one answer went."""

    sequence: int
    speech_ended_at: str | None
    audio_started_at: str | None
    parts: dict[str, float | None]
    chunks: list[dict[str, Any]]


class TurnList(BaseModel):
    """`GET /sessions/{id}/turns`."""

    session_id: int
    turns: list[TurnShown]


def show_session(session: Session) -> SessionShown:
    """One session in full."""
    return SessionShown(
        **session.model_dump(include=set(SessionShown.model_fields) - {"metadata", "duration_seconds"}),
        agent_config_id=session.persona_id,
        duration_seconds=session.duration,
        metadata=session.details,
    )


def show_line(line: TranscriptLine) -> Line:
    """One line."""
    return Line.model_validate(line.model_dump(include=set(Line.model_fields)))


def show_turn(turn: Turn) -> TurnShown:
    """One answer's times, with milliseconds: they are compared with a caller's own clock."""
    return TurnShown(
        sequence=turn.sequence,
        speech_ended_at=turn.speech_ended_at.isoformat() if turn.speech_ended_at else None,
        audio_started_at=turn.audio_started_at.isoformat() if turn.audio_started_at else None,
        parts=turn.parts,
        chunks=turn.chunks,
    )


def as_text(lines: list[TranscriptLine]) -> str:
    """`[MM:SS] Speaker: text`, a line each; `[H:MM:SS]` from one hour on."""
    return "".join(f"[{_clock(line.timestamp_ms)}] {line.speaker.capitalize()}: {line.content}\n" for line in lines)


def _clock(timestamp_ms: int) -> str:
    minutes, seconds = divmod(timestamp_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
