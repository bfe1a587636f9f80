"""Answers that hold a file: whole, or the part that a `Range` header names (RFC 9110, section 14)."""

import re
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from control_plane.errors import InvalidRequest, PlatformError, Unavailable
from control_plane.recordings.models import Recording
from control_plane.recordings.sealing import SealBroken
from control_plane.recordings.storage import RecordingStore

MEDIA_TYPES: Final = {
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "wav": "audio/wav",
    "webm": "video/webm",
}
PLAYED: Final = {
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; frame-ancestors 'none'",
}
"""A link to a file may be played in any page, and opened by itself."""
_UNIT: Final = re.compile(r"bytes=", re.I)
_RANGE: Final = re.compile(r"bytes=\s*(\d{0,99})-(\d{0,99})\s*", re.I)


class BadRange(ValueError):
    """A range that no byte of the file is in, or that is none."""


class OutOfRange(InvalidRequest):
    """A range that cannot be served."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"Range: no such part of a file of {size} bytes")
        self.size = size

    def headers(self) -> dict[str, str]:
        """How long the file is."""
        return {"Content-Range": f"bytes */{self.size}"}


def read_range(header: str, size: int) -> tuple[int, int]:
    """First byte and the one after the last of one range. Raises `BadRange`."""
    match = _RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        raise BadRange
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
    if begin >= end:
        raise BadRange
    return begin, end


async def file_response(request: Request, store: RecordingStore, recording: Recording) -> Response:
    """The file of a recording, as much as is asked for. HEAD gets the same headers; 304 and 416 where they fit.

    Raises `Unavailable` where the store is away, and `NotFound` where the file is not in it any more.
    """
    size, key = recording.size_bytes or 0, recording.storage_key or ""
    tag = f'"{recording.id}-{size}"'  # what is complete never changes
    headers = PLAYED | {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range", "")
    begin, end, status = 0, size, 200
    # Of several ranges at once the whole is sent, as the standard lets a server do.
    if _UNIT.match(asked) and "," not in asked and request.headers.get("if-range", tag) == tag:
        try:
            begin, end = read_range(asked, size)
        except BadRange:
            raise OutOfRange(size) from None
        status, headers["Content-Range"] = 206, f"bytes {begin}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - begin)
    headers["Content-Disposition"] = f'inline; filename="recording-{recording.id}.{recording.format}"'
    has_pictures = recording.format == "mp4" and (recording.kind != "room" or recording.details.get("picture"))
    kind = "video/mp4" if has_pictures else MEDIA_TYPES[recording.format]
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    pieces = store.read(key, begin, end)
    try:
        first = await anext(pieces)  # before the status is sent
    except SealBroken as error:
        raise Unavailable(f"Recording {recording.id} cannot be opened: {error}") from error
    return StreamingResponse(_pieces(first, pieces), status_code=status, headers=headers, media_type=kind)


async def _pieces(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    try:
        async for piece in others:
            yield piece
    except (PlatformError, SealBroken) as error:  # the status is sent: all that can be said is that it is not whole
        raise ConnectionError("the rest of a recording cannot be read") from error
