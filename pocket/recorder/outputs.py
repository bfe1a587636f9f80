"""Where a request wants its recording: into a file or HLS, to servers that stream it on, or both."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from livekit.protocol import egress

from pocket.psrpc import RpcError

SEGMENT_SECONDS, LONGEST_SEGMENT = 4, 60
MOST_STREAMS: Final = 8
"""Servers that one recording is streamed to: each has a process."""
MOST_EVER: Final = 100
"""Servers, one after the other."""
OFFICIAL: Final = "needs the official egress service"
_STORES: Final = ("s3", "gcp", "azure", "aliOSS")
_UNUSED: Final = ("assume_role_arn", "assume_role_external_id", "proxy", "tagging")
"""Of an upload."""
_RTMP: Final = re.compile(r"(rtmps?://)([!-~]+/)([!-~]*/)([!-~]*)( live=1)?")
_MUX: Final = re.compile(r"mux://([!-~]+)")
_OTHERS: Final = ("twitch://", "srt://", "ws://", "wss://")
_SHOWN: Final = 3
"""Letters of a stream's key, at either end, that tell it from others."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A server that a recording is streamed to."""

    url: str
    """With its key: never to be told."""
    name: str = ""
    """What the request calls it."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a request asks for, of each kind at most one."""

    file: Any = None
    """`EncodedFileOutput`, `DirectFileOutput`, `FileOutput` or `SegmentedFileOutput`."""
    store: Any = None
    """The message that says where the file goes."""
    streams: tuple[Destination, ...] = ()


def missing(field: str) -> RpcError:
    """LiveKit's words for a request that lacks something."""
    return RpcError("invalid_argument", f"request has missing or invalid field: {field}")


def unable(what: str) -> RpcError:
    """Something that is LiveKit's, but not ours."""
    return RpcError("invalid_argument", f"{what} {OFFICIAL}")


def outputs_of(which: str, request: Any) -> Outputs:
    """The outputs of a request. Raises `RpcError` for none, for too many, and for those that are not made here."""
    found: list[tuple[Any, Any]]
    if which == "egress":
        shared = request.storage if request.HasField("storage") else None
        found = [
            (_of(output, "config"), output.storage if output.HasField("storage") else shared)
            for output in request.outputs
        ]
    elif which == "track":
        found = [(_of(request, "output"),) * 2]
    else:
        if request.image_outputs:
            raise _not_made("images")
        several = (*request.file_outputs, *request.segment_outputs, *request.stream_outputs)
        old = "file" in request.DESCRIPTOR.fields_by_name and request.WhichOneof("output")
        found = [(each, each) for each in several] or ([(_of(request, "output"),) * 2] if old else [])
    files = [(output, store) for output, store in found if not isinstance(output, egress.StreamOutput)]
    streams = [output for output, _ in found if isinstance(output, egress.StreamOutput)]
    if not found:
        raise missing("output")
    if len(files) > 1 or len(streams) > 1:
        raise missing("multiple outputs")
    file, store = files[0] if files else (None, None)
    return Outputs(file, store, _streams(streams[0]) if streams else ())


def place_of(file: Any) -> tuple[str, int]:
    """The template of a file's or a list's name, and the seconds of its pieces."""
    if not isinstance(file, egress.SegmentedFileOutput):
        return file.filepath, 0
    if file.protocol == egress.HLS_FMP4_PROTOCOL or file.filename_suffix != egress.INDEX or file.live_playlist_name:
        raise unable("HLS with fragments of MP4, times as suffixes or a second list")
    if file.segment_duration > LONGEST_SEGMENT:
        raise missing("segment_duration")
    folder, _, prefix = file.filename_prefix.rpartition("/")
    name = file.playlist_name.rpartition("/")[2] or prefix
    folder = folder or file.playlist_name.rpartition("/")[0]
    return f"{folder}/{name}" if folder else name, file.segment_duration or SEGMENT_SECONDS


def upload_of(store: Any) -> Message | None:
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


def destination(url: str, name: str = "") -> Destination:
    """A server by its address. Raises `RpcError`, without the key, for what is none."""
    mux = _MUX.fullmatch(url)
    if mux:
        return Destination(f"rtmps://global-live.mux.com:443/app/{mux[1]}", name)
    if url.startswith(_OTHERS):
        raise unable(f"a stream to {url.partition(':')[0]}")
    if not _RTMP.fullmatch(url):
        words = "rtmp urls must be of format rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)"
        raise RpcError("invalid_argument", f"invalid url: {words}")
    return Destination(url.removesuffix(" live=1"), name)


def changes(request: egress.UpdateStreamRequest, now: Sequence[str], ever: int) -> tuple[list[Destination], list[str]]:
    """Where to stream from now on, too, and no more. Raises `RpcError`."""
    added = [destination(url) for url in request.add_output_urls]
    added += [destination(each.url, each.id) for each in request.add_destinations]
    removed = [destination(url).url for url in request.remove_output_urls]
    _only_once([*now, *(each.url for each in added)])
    for url in removed:
        if url not in now and all(url != each.url for each in added):
            raise RpcError("not_found", f"stream {redacted(url)} not found")
    if len(now) + len(added) - len(set(removed)) > MOST_STREAMS or ever + len(added) > MOST_EVER:
        raise RpcError("resource_exhausted", "too many streams")
    return added, removed


def redacted(url: str) -> str:
    """An address without its key, as LiveKit writes it."""
    match = _RTMP.fullmatch(url)
    start, key = (url[: match.start(4)], match[4]) if match else ("", url)
    size = next((number for number in range(_SHOWN, 0, -1) if len(key) >= 3 * number), 0)
    return f"{start}{{{key[:size]}...{key[-size:] if size else ''}}}"


def _of(message: Any, oneof: str) -> Any:
    """The output that is set."""
    name = message.WhichOneof(oneof)
    if name is None:
        raise missing("output")
    if name not in ("file", "segments", "stream"):
        raise _not_made(name)
    return getattr(message, name)


def _not_made(name: str) -> RpcError:
    return unable(f"an output other than a file, segments or a stream ({name})")


def _streams(output: egress.StreamOutput) -> tuple[Destination, ...]:
    if output.protocol in (egress.SRT, egress.WEBSOCKET):
        raise unable(f"a stream by {egress.StreamProtocol.Name(output.protocol)}")
    found = [destination(url) for url in output.urls]
    found += [destination(each.url, each.id) for each in output.destinations]
    if not found:
        raise missing("urls")
    _only_once([each.url for each in found])
    if len(found) > MOST_STREAMS:
        raise missing("urls")
    return tuple(found)


def _only_once(urls: Sequence[str]) -> None:
    if len(set(urls)) < len(urls):
        raise RpcError("already_exists", "stream already exists")
