"""What a request asks for, checked: whom to record and into what. What cannot be done is refused here, at once."""

import posixpath
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from google.protobuf.message import Message
from livekit.protocol import egress, models

from pocket.psrpc import RpcError
from pocket.recorder.encoding import FORMATS, LIVE, LIVE_PICTURES, Frame, Kind
from pocket.recorder.names import file_name
from pocket.recorder.outputs import Destination, missing, outputs_of, place_of, unable, upload_of
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.scene import LAYOUTS, Layout
from pocket.recorder.sources import Channel, Route, Source

Asked = Literal["room_composite", "participant", "track_composite", "track", "egress"]

FRAME: Final = Frame(640, 360, 15, 700_000)
MOST_FRAME: Final = Frame(1280, 720, 30, 2_500_000)
PICTURES_WEIGH: Final = 4
_CHANNELS: Final = (Channel.BOTH, Channel.LEFT, Channel.RIGHT)
_SOUNDS: Final = (".ogg", ".mp3", ".wav", ".m4a")
_TALL: Final = (
    egress.PORTRAIT_H264_720P_30,
    egress.PORTRAIT_H264_720P_60,
    egress.PORTRAIT_H264_1080P_30,
    egress.PORTRAIT_H264_1080P_60,
)
_PICTURES: Final[dict[str, tuple[int, ...]]] = {
    "mp4 video": (models.DEFAULT_VC, models.H264_BASELINE, models.H264_MAIN, models.H264_HIGH),
    "webm video": (models.DEFAULT_VC, models.VP8),
}
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
    frame: Frame | None = None
    """Of the pictures; None for sound alone."""
    layout: Layout = "grid"
    sound: bool = True
    segment: int = 0
    """Seconds of a piece of HLS; 0 for one file."""
    streams: tuple[Destination, ...] = ()
    """Where it is streamed to from its beginning."""
    stored: bool = True
    """Whether there is a file, or HLS; else it is streamed only, and `kind` is that of the stream."""

    @property
    def live_kind(self) -> Kind | None:
        """What is sent to servers; None where nothing is."""
        return (LIVE if self.frame is None else LIVE_PICTURES) if self.streams else None

    @property
    def weight(self) -> int:
        """How many recordings of sound it costs as much as: a stream beside a file is encoded by itself."""
        encodings = (1 if self.stored else 0) + (1 if self.streams else 0)
        return encodings * (1 if self.frame is None else PICTURES_WEIGH)

    @property
    def label(self) -> str:
        """What a file is called that nobody named."""
        return self.source.identity or self.source.track or self.room


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
    outputs = outputs_of(which, request)
    file = outputs.file
    path, segment = place_of(file) if file is not None else ("", 0)
    file_name(path, ".any", values={}, default="any")  # before anything is done
    if which == "participant" and (file is None or segment or _is_seen(file)):
        source = replace(source, seen="participant", camera=source.identity)
    frame = _frame(request) if source.seen else None
    template = request.template if which == "egress" else request
    return Plan(
        asked=which,
        room=room,
        source=source,
        kind=_kind_of(request, file, pictures=frame is not None),
        path=path,
        upload=upload_of(outputs.store),
        manifest=file is not None and not file.disable_manifest,
        streams=outputs.streams,
        stored=file is not None,
        bitrate=_bitrate(request),
        stereo=source.mixing != egress.DEFAULT_MIXING or any(route.channel != Channel.BOTH for route in source.routes),
        frame=frame,
        layout=_layout(getattr(template, "layout", "")),
        sound=not getattr(template, "video_only", False),
        segment=segment,
    )


def _room_composite(request: egress.RoomCompositeEgressRequest) -> Source:
    if request.custom_base_url:
        raise unable("a template from a URL")
    return Source(everyone=True, seen="" if request.audio_only else "everyone", mixing=request.audio_mixing)


def _participant(request: egress.ParticipantEgressRequest) -> Source:
    if not request.identity:
        raise missing("identity")
    return Source(identity=request.identity, screen_share=request.screen_share)


def _track_composite(request: egress.TrackCompositeEgressRequest) -> Source:
    if not request.audio_track_id and not request.video_track_id:
        raise missing("audio_track_id or video_track_id")
    seen: Literal["track", ""] = "track" if request.video_track_id else ""
    return Source(track=request.audio_track_id, seen=seen, camera=request.video_track_id)


def _track(request: egress.TrackEgressRequest) -> Source:
    if not request.track_id:
        raise missing("track_id")
    return Source(track=request.track_id)


def _any(request: egress.StartEgressRequest) -> Source:
    match request.WhichOneof("source"):
        case "template":
            if request.template.custom_base_url:
                raise unable("a template from a URL")
            return Source(everyone=True, seen="" if request.template.audio_only else "everyone")
        case "media":
            return _media(request.media)
        case "web":
            raise unable("recording a web page")
    raise missing("source")


def _media(media: egress.MediaSource) -> Source:
    by_track = media.WhichOneof("video") == "video_track_id"
    camera = media.video_track_id if by_track else media.participant_video.identity
    routes = []
    for route in media.audio.routes:
        by = route.WhichOneof("match")
        if by is None or not 0 <= route.channel < len(_CHANNELS):
            raise missing("audio.routes")
        routes.append(Route(by, getattr(route, by), _CHANNELS[route.channel]))
    if not routes and not media.audio.capture_all and not camera:
        raise missing("audio or video")
    seen: Literal["track", "participant", ""] = ("track" if by_track else "participant") if camera else ""
    return Source(everyone=media.audio.capture_all, routes=tuple(routes), seen=seen, camera=camera)


_SOURCES: Final[dict[str, Any]] = {
    "room_composite": _room_composite,
    "participant": _participant,
    "track_composite": _track_composite,
    "track": _track,
    "egress": _any,
}


def _kind_of(request: Any, file: Any, *, pictures: bool) -> Kind:
    advanced = request.advanced if _is_advanced(request) else egress.EncodingOptions()
    if file is None:
        if advanced.audio_codec not in (models.DEFAULT_AC, models.AAC) or advanced.video_codec == models.VP8:
            raise RpcError("invalid_argument", "RTMP is incompatible with the codecs that are asked for")
        return LIVE_PICTURES if pictures else LIVE
    if isinstance(file, egress.SegmentedFileOutput):
        if advanced.audio_codec not in (models.DEFAULT_AC, models.AAC):
            raise RpcError("invalid_argument", "HLS is incompatible with the codecs that are asked for")
        return "hls video" if pictures else "hls"
    return _kind_with_pictures(request, file) if pictures else _kind(request, file)


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


def _kind_with_pictures(request: Any, file: Any) -> Kind:
    """MP4, or WebM where the name ends so; what cannot hold pictures is refused."""
    advanced = request.advanced if _is_advanced(request) else egress.EncodingOptions()
    named = getattr(file, "file_type", egress.DEFAULT_FILETYPE)
    if named not in (egress.DEFAULT_FILETYPE, egress.MP4):
        raise RpcError("invalid_argument", f"format {egress.EncodedFileType.Name(named)} incompatible with video")
    kind: Kind = "mp4 video"
    if named == egress.DEFAULT_FILETYPE and posixpath.splitext(file.filepath)[1].lower() == ".webm":
        kind = "webm video"
    codecs = (models.DEFAULT_AC, FORMATS[kind].codec_number)
    if advanced.video_codec not in _PICTURES[kind] or advanced.audio_codec not in codecs:
        raise RpcError("invalid_argument", f"format {kind} incompatible with the codecs that are asked for")
    return kind


def _is_seen(file: Any) -> bool:
    """Whether a participant's file has pictures: as LiveKit's own service has it, unless it is named as sound."""
    ending = posixpath.splitext(file.filepath)[1].lower()
    return file.file_type == egress.MP4 or (file.file_type == egress.DEFAULT_FILETYPE and ending not in _SOUNDS)


def _frame(request: Any) -> Frame:
    """The size that is asked for, as far as one machine can: presets are taken as their shape."""
    if not _is_advanced(request):
        tall = "preset" in request.DESCRIPTOR.fields_by_name and request.preset in _TALL
        return Frame(FRAME.height, FRAME.width, FRAME.rate, FRAME.bitrate) if tall else FRAME
    asked, most = request.advanced, MOST_FRAME
    width, height = asked.width or FRAME.width, asked.height or FRAME.height
    if min(width, height) < 64 or max(width, height) > 7680 or not 0 <= asked.framerate <= 240:
        raise missing("width, height or framerate")
    scale = min(1.0, most.width / max(width, height), most.height / min(width, height))
    bitrate = min(max(asked.video_bitrate, 0) * 1000 or FRAME.bitrate, most.bitrate)
    wide, high = (max(64, int(side * scale) // 2 * 2) for side in (width, height))
    return Frame(wide, high, min(asked.framerate or FRAME.rate, most.rate), bitrate)


def _layout(asked: str) -> Layout:
    name = asked.removesuffix("-light").removesuffix("-dark") or "grid"
    for layout in LAYOUTS:
        if layout == name:
            return layout
    raise unable("a layout of one's own")


def _is_advanced(request: Any) -> bool:
    return "advanced" in request.DESCRIPTOR.fields_by_name and bool(request.HasField("advanced"))


def _bitrate(request: Any) -> int:
    asked = request.advanced.audio_bitrate if _is_advanced(request) else 0
    if asked and not _BITRATES[0] <= asked <= _BITRATES[1]:
        raise missing("audio_bitrate")
    return int(asked) * 1000
