"""What is answered on this surface. A field with a default is left out where it does not apply."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class VideoPageInfo(BaseModel):
    """Which part of a list it is; pages are counted from 1."""

    currentPage: int
    perPage: int
    lastPage: int
    total: int


class VideoLinks(BaseModel):
    """Where more is to be had."""

    get_room: str
    get_session: str


class VideoRoomRead(BaseModel):
    """A room. What it was told at its creation is shown as it was sent."""

    roomId: str
    customRoomId: str | None
    userId: str
    disabled: bool
    createdAt: str | None
    updatedAt: str | None
    id: str
    links: VideoLinks
    geoFence: str | None = None
    webhook: dict[str, Any] | None = None
    autoCloseConfig: dict[str, Any] | None = None
    autoStartConfig: dict[str, Any] | None = None
    multiComposition: dict[str, Any] | None = None


class VideoRoomList(BaseModel):
    """Rooms, newest first."""

    pageInfo: VideoPageInfo
    data: list[VideoRoomRead]


class VideoStay(BaseModel):
    """From when to when somebody was there; `end` is null while they are."""

    start: str | None
    end: str | None


class VideoParticipantRead(BaseModel):
    """Somebody who has been in a session, with all their stays."""

    participantId: str
    name: str
    timelog: list[VideoStay]


class VideoSessionRead(BaseModel):
    """A session with its people."""

    id: str
    roomId: str
    customRoomId: str | None = None
    start: str | None
    end: str | None
    participants: list[VideoParticipantRead]
    status: Literal["ongoing", "ended"]
    links: VideoLinks


class VideoSessionList(BaseModel):
    """Sessions, newest first."""

    pageInfo: VideoPageInfo
    data: list[VideoSessionRead]


class VideoPeople(BaseModel):
    """A session with a page of its people."""

    pageInfo: VideoPageInfo
    data: VideoSessionRead


class VideoFileMeta(BaseModel):
    """`duration` in seconds."""

    duration: float | None
    format: str | None


class VideoFile(BaseModel):
    """A file of a recording, at an address that is good for a week. `size` in bytes."""

    filePath: str
    fileUrl: str
    type: Literal["video", "audio"]
    size: int | None
    meta: VideoFileMeta


class VideoTranscriptionRead(BaseModel):
    """What was said, by format, and what it came to."""

    status: str
    transcriptionFilePaths: dict[str, str]
    summarizedFilePaths: dict[str, str] | None = None


class VideoRecordingRead(BaseModel):
    """A recording or stream, with what was asked for (`config`, `participantId`, `kind`, `outputs`).

    `file` is of rooms, `files` of participants and tracks; `duration` (seconds) and the three addresses are of HLS.
    """

    id: str
    roomId: str
    sessionId: str
    status: str
    start: str | None
    end: str | None
    createdAt: str | None
    links: VideoLinks
    error: str | None = None
    config: dict[str, Any] | None = None
    participantId: str | None = None
    kind: str | None = None
    outputs: list[dict[str, str]] | None = None
    duration: float | None = None
    downstreamUrl: str | None = None
    playbackHlsUrl: str | None = None
    livestreamUrl: str | None = None
    file: VideoFile | None = None
    files: list[VideoFile] | None = None
    transcription: VideoTranscriptionRead | None = None


class VideoRecordingList(BaseModel):
    """Recordings or streams of one kind, newest first."""

    pageInfo: VideoPageInfo
    data: list[VideoRecordingRead]


class VideoActive(BaseModel):
    """What runs in a room."""

    data: VideoRecordingRead


class VideoDone(BaseModel):
    """It was done."""

    message: str


class VideoPublicKey(BaseModel):
    """An RSA key."""

    publicKey: str = Field(description="PEM.")
