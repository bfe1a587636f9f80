"""What a request asks for, checked: whom to record and into what. What cannot be done is refused here, at once."""

import posixpath
from dataclasses import dataclass
from typing import Any, Final, Literal

from google.protobuf.message import Message
from livekit.protocol import egress, models

from pocket.psrpc import RpcError
from pocket.recorder.encoding import FORMATS, Kind
from pocket.recorder.names import file_name
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.sources import Channel, Route, Source

Asked = Literal["room_composite", "participant", "track_composite", "track", "egress"]

OFFICIAL: Final = "needs the official egress service"
_CHANNELS: Final = (Channel.BOTH, Channel.LEFT, Channel.RIGHT)
_STORES: Final = ("s3", "gcp", "azure", "aliOSS")
_UNUSED: Final = ("assume_role_arn", "assume_role_external_id", "proxy", "tagging")
"""Of an upload."""
_BITRATES: Final = (8, 512)
"""Thousands of bits a second that encoders take."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that can be carried out."""

    asked: Asked
    room: str
    source: Source
    kind: Kind
    path: str
    """A template."""
    upload: Message | None
    """`S3Upload`, `GCPUpload` or `AzureBlobUpload`; None for a local file."""
    manifest: bool
    bitrate: int
    """Bits a second; 0: as the format has it."""
    stereo: bool

    @property
    def label(self) -> str:
        """What a file is called that nobody named."""
        return self.source.identity or self.source.track or self.room


def missing(field: str) -> RpcError:
    """LiveKit's words for a request that lacks something."""
    return RpcError("invalid_argument", f"request has missing or invalid field: {field}")


def unable(what: str) -> RpcError:
    """Something that is LiveKit's, but not ours."""
    return RpcError("invalid_argument", f"{what} {OFFICIAL}")


def plan_of(asked: rpc.StartEgressRequest) -> Plan:
    """Read a request. Raises `RpcError` where it is wrong or asks for what is not done here."""
    which = asked.WhichOneof("request")
    if which is None:
        raise missing("request")
    if which in ("web", "replay"):
        raise unable("recording a web page" if which == "web" else "replaying")
    request: Any = getattr(asked, which)
    room = request.room_name or asked.room_name
    if not room:
        raise missing("room_name")
    source = _SOURCES[which](request)
    kind, path, upload, manifest = _file(which, request)
    return Plan(
        asked=which,
        room=room,
        source=source,
        kind=kind,
        path=path,
        upload=upload,
        manifest=manifest,
        bitrate=_bitrate(request),
        stereo=source.mixing != egress.DEFAULT_MIXING or any(route.channel != Channel.BOTH for route in source.routes),
    )


def _room_composite(request: egress.RoomCompositeEgressRequest) -> Source:
    if request.custom_base_url or request.layout:
        raise unable("a template from a URL" if request.custom_base_url else "a layout of a web page")
    if not request.audio_only:
        raise unable("video")
    return Source(everyone=True, mixing=request.audio_mixing)


def _participant(request: egress.ParticipantEgressRequest) -> Source:
    if not request.identity:
        raise missing("identity")
    return Source(identity=request.identity, screen_share=request.screen_share)


def _track_composite(request: egress.TrackCompositeEgressRequest) -> Source:
    if request.video_track_id:
        raise unable("video")
    if not request.audio_track_id:
        raise missing("audio_track_id")
    return Source(track=request.audio_track_id)


def _track(request: egress.TrackEgressRequest) -> Source:
    if not request.track_id:
        raise missing("track_id")
    return Source(track=request.track_id)


def _any(request: egress.StartEgressRequest) -> Source:
    match request.WhichOneof("source"):
        case "template":
            template = request.template
            if template.custom_base_url or template.layout:
                raise unable("a template from a URL" if template.custom_base_url else "a layout of a web page")
            if not template.audio_only:
                raise unable("video")
            return Source(everyone=True)
        case "media":
            return _media(request.media)
        case "web":
            raise unable("recording a web page")
    raise missing("source")


def _media(media: egress.MediaSource) -> Source:
    if media.WhichOneof("video"):
        raise unable("video")
    routes = []
    for route in media.audio.routes:
        by = route.WhichOneof("match")
        if by is None or not 0 <= route.channel < len(_CHANNELS):
            raise missing("audio.routes")
        routes.append(Route(by, getattr(route, by), _CHANNELS[route.channel]))
    if not routes and not media.audio.capture_all:
        raise missing("audio or video")
    return Source(everyone=media.audio.capture_all, routes=tuple(routes))


_SOURCES: Final[dict[str, Any]] = {
    "room_composite": _room_composite,
    "participant": _participant,
    "track_composite": _track_composite,
    "track": _track,
    "egress": _any,
}


def _file(which: str, request: Any) -> tuple[Kind, str, Message | None, bool]:
    """The one file that is wanted: its format, its name, where it goes, and whether a manifest is beside it."""
    stored: list[tuple[Any, Any]]
    if which == "egress":
        for output in request.outputs:
            _only_files(output.WhichOneof("config"))
        shared = request.storage if request.HasField("storage") else None
        stored = [(out.file, out.storage if out.HasField("storage") else shared) for out in request.outputs]
    elif which == "track":
        _only_files(request.WhichOneof("output"))
        stored = [(request.file, request.file)]
    else:
        for name in ("stream", "segment", "image"):
            if getattr(request, f"{name}_outputs"):
                _only_files(name)
        old = "file" in request.DESCRIPTOR.fields_by_name and request.WhichOneof("output")
        if old:
            _only_files(old)
        stored = [(file, file) for file in request.file_outputs or ([request.file] if old else [])]
    if not stored:
        raise missing("output")
    if len(stored) > 1:
        raise missing("multiple file outputs")
    file, store = stored[0]
    file_name(file.filepath, ".any", values={}, default="any")  # before anything is done
    return _kind(request, file), file.filepath, _upload(store), not file.disable_manifest


def _only_files(output: str | None) -> None:
    if output is None:
        raise missing("output")
    if output != "file":
        raise unable(f"an output other than a file ({output})")


def _kind(request: Any, file: Any) -> Kind:
    """The format that is named, or that the name ends with; Ogg where nothing says more."""
    codec = request.advanced.audio_codec if _is_advanced(request) else models.DEFAULT_AC
    named = getattr(file, "file_type", egress.DEFAULT_FILETYPE)
    ending = posixpath.splitext(file.filepath)[1].lower()
    if named == egress.MP4 or (named == egress.DEFAULT_FILETYPE and ending in (".mp4", ".m4a")):
        kind: Kind = "mp4 opus" if codec == models.OPUS else "mp4"
    elif named == egress.MP3 or (named == egress.DEFAULT_FILETYPE and ending == ".mp3"):
        kind = "mp3"
    elif named == egress.DEFAULT_FILETYPE and ending == ".wav":
        kind = "wav"
    else:
        kind = "ogg"
    if codec not in (models.DEFAULT_AC, FORMATS[kind].codec_number):
        raise RpcError("invalid_argument", f"format {kind} incompatible with codec {models.AudioCodec.Name(codec)}")
    return kind


def _is_advanced(request: Any) -> bool:
    return "advanced" in request.DESCRIPTOR.fields_by_name and bool(request.HasField("advanced"))


def _bitrate(request: Any) -> int:
    asked = request.advanced.audio_bitrate if _is_advanced(request) else 0
    if asked and not _BITRATES[0] <= asked <= _BITRATES[1]:
        raise missing("audio_bitrate")
    return int(asked) * 1000


def _upload(store: Any) -> Message | None:
    """Where a file goes; None for a local one."""
    name = next((n for n in _STORES if store is not None and store.HasField(n)), None)
    if name is None:
        return None
    if name == "aliOSS":
        raise unable("storing in Alibaba's OSS")
    upload: Any = getattr(store, name)
    if not (upload.container_name if name == "azure" else upload.bucket):
        raise missing("bucket")
    for field, _ in upload.ListFields():
        if field.name in _UNUSED:
            raise unable(f"{name}.{field.name}")
    return upload  # type: ignore[no-any-return]
