"""Replays and their links on the wire. Times are milliseconds from the session's start, unless they say otherwise."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from control_plane.analysis.schemas import AnalysisRead
from control_plane.metering.schemas import Costs
from control_plane.replays.waterfall import Bar
from control_plane.sessions.schemas import SessionListed, SessionShown
from control_plane.wire import Instant, Sent

WEEK: Final = 7 * 24 * 3600
MONTH: Final = 30 * 24 * 3600


class SpokenWord(BaseModel):
    """One word of a line."""

    text: str
    start_ms: int
    end_ms: int


class ReplayLine(BaseModel):
    """Something that was said."""

    id: int
    speaker: str
    name: str = Field(description="Who it was, as the room knew them.")
    content: str
    timestamp_ms: int
    duration_ms: int
    interrupted: bool
    words_measured: bool = Field(description="False: the times of its words are spread over the line by their length.")
    words: list[SpokenWord]


class Passage(BaseModel):
    """A passage that was put before the model."""

    chunk_id: int
    source: str
    score: float
    heading: str | None
    content: str | None = Field(description="As it stands today; null where it was deleted.")
    changed: bool = Field(description="It was edited or deleted since.")


class ReplayTurn(BaseModel):
    """One answer: the gap that was heard before it, and where that went."""

    sequence: int
    speech_ended_ms: int | None = Field(description="When the person fell silent; null where nobody had spoken.")
    audio_started_ms: int | None = Field(description="When the answer was heard.")
    gap_ms: float | None
    waterfall: list[Bar] = Field(description="Parts that sum to the gap.")
    passages: list[Passage]


class ToolUse(BaseModel):
    """A tool that was used."""

    name: str
    arguments: str | None = Field(description="JSON; null where the session keeps no transcript.")
    result: str | None
    failed: bool
    at_ms: int
    ms: float


class Fallback(BaseModel):
    """Another model took over."""

    service: str
    wanted: str
    used: str
    reason: str
    at_ms: int


class Fault(BaseModel):
    """A service did not do its work this once."""

    service: str
    source: str
    reason: str
    recovered: bool = Field(description="It was tried again.")
    at_ms: int


class SoundPeaks(BaseModel):
    """What a player draws."""

    names: list[str] = Field(description="Whose sound each channel is: agents, people, or everyone.")
    peaks: list[list[float]] = Field(description="For each channel the loudest sample of each part, 0 to 1.")


class Sound(BaseModel):
    """A recording of the session."""

    id: int
    format: str
    channels: str
    status: str
    error: str | None
    duration: float | None = Field(description="Seconds.")
    offset_ms: int | None = Field(description="A line is heard at `timestamp_ms` less this.")
    missing_ms: int
    url: str | None = Field(description="Plays it without a key until `url_expires_at`. Needs `recordings:read`.")
    url_expires_at: Instant | None
    peaks_url: str | None
    peaks: SoundPeaks | None = Field(description="Null until it has been measured.")


class _Replay(BaseModel):
    transcript_kept: bool = Field(description="False: this session's words are not kept, its times are.")
    duration_ms: int = Field(description="From the session's start to its end, or to what was last heard of it.")
    words_measured: bool = Field(description="Whether the times of all words were measured.")
    lines: list[ReplayLine]
    turns: list[ReplayTurn]
    tools: list[ToolUse]
    fallbacks: list[Fallback]
    faults: list[Fault]
    recordings: list[Sound]
    analysis: AnalysisRead | None = Field(description="Null while there is none.")


class Replay(_Replay):
    """`GET /sessions/{id}/replay`."""

    session: SessionShown
    costs: Costs


class SharedSession(SessionListed):
    """A session as those see it to whom it was shown."""

    summary: str | None


class SharedReplay(_Replay):
    """`GET /shared/replay`: without costs, and without who called from where."""

    session: SharedSession
    expires_at: Instant = Field(description="When the link opens nothing any more.")


class ShareAsked(Sent):
    """`POST /sessions/{id}/share`; the whole body may be left out."""

    expires_in: Annotated[int, Field(ge=60, le=MONTH, description="Seconds.")] = WEEK


class ShareMadeRow(BaseModel):
    """A link just made. Its secret is shown only here."""

    id: int
    url: str
    expires_at: Instant


class ShareMade(BaseModel):
    """`POST /sessions/{id}/share`, 201."""

    share: ShareMadeRow


class ShareShown(BaseModel):
    """A link; its secret is not known any more."""

    id: int
    key_id: str = Field(description="Public name of the key or the browser's session that made it.")
    active: bool = Field(description="Whether it opens anything now.")
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    opened: int = Field(description="How often.")
    opened_at: Instant | None = Field(description="When last.")


class ShareList(BaseModel):
    """`GET /sessions/{id}/shares`."""

    shares: list[ShareShown]
