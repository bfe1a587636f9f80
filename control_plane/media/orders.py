"""What a recorder is asked for, and how LiveKit's egress API says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from livekit import api

Format = Literal["ogg", "mp3", "mp4", "wav"]
Kind = Literal["room", "participant", "track", "hls", "livestream"]
"""The first three come to a file, HLS to a list of pieces, a livestream to nothing that is kept."""
Channels = Literal["mixed", "dual"]
"""`dual`: agents on the left, people on the right."""
Access = api.S3Upload | api.GCPUpload | api.AzureBlobUpload
SEGMENT_SECONDS: Final = 4

# LiveKit has no name for WAV and WebM: recorders that can write them go by the path.
_FILE_TYPES: Final[Mapping[str, api.EncodedFileType]] = {
    "ogg": api.EncodedFileType.OGG,
    "mp3": api.EncodedFileType.MP3,
    "mp4": api.EncodedFileType.MP4,
}
_MIXING: Final[Mapping[str, Any]] = {
    "mixed": api.AudioMixing.DEFAULT_MIXING,
    "dual": api.AudioMixing.DUAL_CHANNEL_AGENT,
}


@dataclass(frozen=True)
class Picture:
    """How a recording looks. `layout` is a name of LiveKit's templates."""

    width: int
    height: int
    framerate: int
    layout: str = "grid"
    template_url: str = ""

    def encoding(self) -> api.EncodingOptions:
        """The same for LiveKit."""
        return api.EncodingOptions(width=self.width, height=self.height, framerate=self.framerate)


@dataclass(frozen=True)
class RecordingOrder:
    """A recording to make. `key` is what the store will call the file, or the list of pieces."""

    room: str
    key: str
    format: str
    channels: Channels = "mixed"
    kind: Kind = "room"
    picture: Picture | None = None
    """None: sound alone, but for one track of pictures."""
    identity: str = ""
    """Of the participant who is recorded."""
    audio_track: str = ""
    video_track: str = ""
    urls: tuple[str, ...] = ()
    """Where a livestream goes, keys and all: never to be told."""


Request = api.RoomCompositeEgressRequest | api.ParticipantEgressRequest | api.TrackCompositeEgressRequest


def request_of(order: RecordingOrder, path: str, access: Access | None) -> Request:
    """LiveKit's request for an order; `path` is where its recorder writes."""
    outputs: dict[str, Any]
    match order.kind:
        case "livestream":
            outputs = {"stream_outputs": [api.StreamOutput(protocol=api.StreamProtocol.RTMP, urls=order.urls)]}
        case "hls":
            pieces = api.SegmentedFileOutput(
                filename_prefix=path.removesuffix(".m3u8"),
                playlist_name=path,
                segment_duration=SEGMENT_SECONDS,
                disable_manifest=True,
            )
            outputs = {"segment_outputs": [_stored(pieces, access)]}
        case _:
            kind = _FILE_TYPES.get(order.format, api.EncodedFileType.DEFAULT_FILETYPE)
            file = api.EncodedFileOutput(file_type=kind, filepath=path, disable_manifest=True)
            outputs = {"file_outputs": [_stored(file, access)]}
    picture = order.picture
    looks: dict[str, Any] = {} if picture is None else {"advanced": picture.encoding()}
    match order.kind:
        case "participant":
            return api.ParticipantEgressRequest(room_name=order.room, identity=order.identity, **outputs, **looks)
        case "track":
            return api.TrackCompositeEgressRequest(
                room_name=order.room,
                audio_track_id=order.audio_track,
                video_track_id=order.video_track,
                **outputs,
                **looks,
            )
    if picture is not None:
        looks |= {"layout": picture.layout, "custom_base_url": picture.template_url}
    return api.RoomCompositeEgressRequest(
        room_name=order.room,
        audio_only=picture is None,
        audio_mixing=_MIXING[order.channels],
        **outputs,
        **looks,
    )


def _stored(output: Any, access: Access | None) -> Any:
    """An output with access to the bucket it goes to."""
    match access:
        case api.S3Upload():
            output.s3.CopyFrom(access)
        case api.GCPUpload():
            output.gcp.CopyFrom(access)
        case api.AzureBlobUpload():
            output.azure.CopyFrom(access)
    return output
