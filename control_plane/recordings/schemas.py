"""Recordings on the wire."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.wire import Clean, Instant, Paged, Sent

Status = Literal["recording", "completed", "error"]
Format = Literal["ogg", "mp4", "wav"]


class RecordingStart(Sent):
    """`POST /rooms/{roomName}/recordings/start`; the whole body may be left out."""

    format: Format = "ogg"


class RecordingStop(Sent):
    """`POST /rooms/{roomName}/recordings/stop`; the whole body may be left out."""

    egress_id: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean] | None = Field(
        None, description="Every running recording of the room where this is left out."
    )


class RecordingMade(BaseModel):
    """A recording just begun."""

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

    model_config = ConfigDict(from_attributes=True)

    id: int
    egress_id: str | None
    room_name: str = Field(description="Full name.")
    format: str
    status: str
    duration: float | None = Field(description="Seconds.")
    size_bytes: int | None
    started_at: Instant
    ended_at: Instant | None
    error: str | None


class RecordingList(Paged):
    """`GET /recordings`."""

    recordings: list[RecordingShown]


class RecordingAnswer(BaseModel):
    """`GET /recordings/{id}`."""

    recording: RecordingShown
