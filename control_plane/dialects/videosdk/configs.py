"""What a room may be told at its creation, and a recording at its start: every field checked."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from control_plane.wire import Clean, Sent, formed


def _flag(given: object) -> object:
    return {"true": True, "false": False}.get(given, given) if isinstance(given, str) else given


Flag = Annotated[bool, BeforeValidator(_flag)]
"""A truth that may be sent as text."""
Address = Annotated[str, StringConstraints(min_length=1, max_length=2048), Clean]
Folder = Annotated[
    str, formed(r"^[A-Za-z0-9 ._/=+-]*$", "must be letters, digits, spaces and . _ / = + -", max_length=512)
]
Prompt = Annotated[str, StringConstraints(max_length=8000), Clean]


class Layout(Sent):
    """Who is seen, and where."""

    type: Literal["GRID", "SPOTLIGHT", "SIDEBAR"] = "GRID"
    priority: Literal["SPEAKER", "PIN"] = "SPEAKER"
    gridSize: int = Field(25, ge=0, le=25)


class RoomLayout(Layout):
    """The same at a room's creation."""

    gridSize: int = Field(4, ge=1, le=4)


class Composition(Sent):
    """How a recording or stream looks."""

    layout: Layout = Layout()
    theme: Literal["DARK", "LIGHT", "DEFAULT"] = "DEFAULT"
    mode: Literal["video-and-audio", "audio"] = "video-and-audio"
    quality: Literal["low", "med", "high", "ultra"] = "med"
    orientation: Literal["portrait", "landscape"] = "landscape"


class RoomComposition(Composition):
    """The same at a room's creation."""

    layout: RoomLayout = RoomLayout()
    quality: Literal["low", "med", "high"] = "med"


class Kept(Sent):
    """Whether a stream is recorded, too."""

    enabled: Flag = False


class Summary(Sent):
    """Whether what was said is summed up, and how."""

    enabled: Flag = False
    prompt: Prompt = ""


class Transcription(Sent):
    """Whether what was said is written down."""

    enabled: Flag = False
    summary: Summary = Summary()


class AutoRecording(Sent):
    """`autoStartConfig.recording`."""

    templateUrl: Address | None = None
    transcription: Transcription = Transcription()
    config: RoomComposition = RoomComposition()
    awsDirPath: Folder = ""


class HlsComposition(RoomComposition):
    """How a stream looks, and whether it is kept."""

    recording: Kept = Kept()


class AutoHls(Sent):
    """`autoStartConfig.hls`."""

    templateUrl: Address | None = None
    transcription: Transcription = Transcription()
    config: HlsComposition = HlsComposition()


class AutoStart(Sent):
    """`autoStartConfig`."""

    recording: AutoRecording | None = None
    hls: AutoHls | None = None


class AutoClose(Sent):
    """`autoCloseConfig`. Minutes."""

    type: Literal["session-ends", "session-end-and-deactivate"] = "session-ends"
    duration: int = Field(480, ge=1, le=60 * 24 * 31)


class Webhook(Sent):
    """`webhook`: events by name, or by the beginning of it and a star."""

    endPoint: Address
    events: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=64), Clean]], Field(max_length=64)]


class Several(Sent):
    """`multiComposition`: whether several of a kind may run at once."""

    recording: Flag = False
    hls: Flag = False
    rtmp: Flag = False
