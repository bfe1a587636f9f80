"""Recordings on the wire."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.media.orders import Channels, Format
from control_plane.recordings.links import LONGEST
from control_plane.recordings.models import Recording
from control_plane.wire import Change, Clean, Instant, Paged, Sent

Status = Literal["recording", "completed", "error"]


class RecordingStart(Sent):
    """`POST /rooms/{roomName}/recordings/start`; the whole body may be left out."""

    format: Format = Field("ogg", description="ogg: Opus; mp4: AAC.")
    channels: Channels = Field("mixed", description="dual: agents on the left, people on the right.")


class RecordingStop(Sent):
    """`POST /rooms/{roomName}/recordings/stop`; the whole body may be left out."""

    egress_id: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean] | None = Field(
        None, description="Every running recording of the room where this is left out."
    )


class RecordingMade(BaseModel):
    """A recording just begun."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    egress_id: str
    room_name: str
    format: str
    status: str


class RecordingStarted(BaseModel):
    """`POST …/recordings/start`, 201."""

    success: bool = True
    recording: RecordingMade


class RecordingStopped(BaseModel):
    """`POST …/recordings/stop`."""

    success: bool = True
    stopped: list[str] = Field(description="The `egress_id` of each.")


class RecordingShown(BaseModel):
    """A recording in full."""

    id: int
    egress_id: str | None
    room_name: str = Field(description="Full name.")
    session_id: int | None
    origin: str = Field(description="api, or agent: by the agent's own setting.")
    format: str
    channels: str
    status: str
    duration: float | None = Field(description="Seconds.")
    size_bytes: int | None
    started_at: Instant
    ended_at: Instant | None
    offset_ms: int | None = Field(
        description="Milliseconds from the zero of its session's transcript to its first sound: a line is heard at "
        "`timestamp_ms` less this."
    )
    lost_head_ms: int | None = Field(description="How much of the conversation had passed when its sound begins.")
    missing_ms: int = Field(description="How much of it is silence because its recorder or LiveKit had died.")
    consent: bool | None = Field(description="Whether people agreed, where somebody has said so.")
    error: str | None


def show(recording: Recording) -> RecordingShown:
    """A recording as callers see it."""
    heard = recording.started_at if recording.heard_at else None
    return RecordingShown.model_validate(
        recording.model_dump()
        | {
            "offset_ms": round((heard - recording.zero_at).total_seconds() * 1000)
            if heard and recording.zero_at
            else None,
            "lost_head_ms": max(0, round((heard - recording.speech_at).total_seconds() * 1000))
            if heard and recording.speech_at
            else None,
        }
    )


class RecordingList(Paged):
    """`GET /recordings`."""

    recordings: list[RecordingShown]


class RecordingAnswer(BaseModel):
    """`GET /recordings/{id}`."""

    recording: RecordingShown


class RecordingChange(Change):
    """`PATCH /recordings/{id}`."""

    consent: bool = Field(False, description="Whether people agreed to be recorded.")


class LinkAsked(Sent):
    """`POST /recordings/{id}/link`; the whole body may be left out."""

    expires_in: int = Field(3600, ge=1, le=LONGEST, description="Seconds.")


class LinkMade(BaseModel):
    """`POST /recordings/{id}/link`."""

    url: str
    expires_at: Instant


class Peaks(BaseModel):
    """`GET /recordings/{id}/peaks`: what a player draws."""

    duration: float = Field(description="Seconds.")
    channels: int
    names: list[str] = Field(description="Whose sound each channel is: agents, people, or everyone.")
    peaks: list[list[float]] = Field(description="For each channel the loudest sample of each part, 0 to 1.")
