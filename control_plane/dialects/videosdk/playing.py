"""Lists and pieces of streams, and what was written down, for whoever has the signed address."""

import json
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel import select

from control_plane.db.database import Db
from control_plane.dialects.videosdk.models import VideoTranscription
from control_plane.dialects.videosdk.places import FORMATS, LIST
from control_plane.errors import Forbidden, NotFound
from control_plane.recordings.models import Recording, RecordingKind
from control_plane.recordings.pieces import piece_key, read_list

TYPES: Final = {"ts": "video/mp2t", "m4s": "video/iso.segment", "mp4": "video/mp4"}
OPEN: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
FORMULA: Final = ("=", "+", "-", "@")
"""What a spreadsheet calculates begins with one of these."""
"""Players in pages of any origin may read what they have the address of."""


async def find_played(
    request: Request, signature: str, recording_id: int
) -> tuple[Recording, VideoTranscription | None]:
    """What a signed address is of. Raises `Forbidden`, `NotFound`."""
    state = request.app.state
    project_id = state.links.project_of(signature, recording_id, now=state.clock.now())
    if project_id is None:
        raise Forbidden("This address is wrong, or its time is over")
    async with state.database.tenant(project_id) as db:
        recording = await db.get(Recording, recording_id)
        written = await _find_written(db, recording_id)
    if recording is None or recording.deleted_at is not None:
        raise NotFound("This recording is not there any more")
    return recording, written


async def _find_written(db: Db, recording_id: int) -> VideoTranscription | None:
    query = select(VideoTranscription).where(VideoTranscription.recording_id == recording_id)
    return (await db.exec(query)).one_or_none()


async def answer(request: Request, recording: Recording, written: VideoTranscription | None, name: str) -> Response:
    """A list, a piece or a text by its name. Raises `NotFound`, and `Unavailable` where the store is away."""
    store, key = request.app.state.recordings, recording.storage_key or ""
    stem, _, ending = name.rpartition(".")
    if recording.kind == RecordingKind.HLS and name == LIST:
        listed = await read_list(store, key)
        if not listed:
            raise NotFound("Nothing can be played yet")
        headers = OPEN | {"Cache-Control": "no-cache"}
        return Response(listed, headers=headers, media_type="application/vnd.apple.mpegurl")
    piece = piece_key(key, name) if recording.kind == RecordingKind.HLS else None
    size = await store.size(piece) if piece else None
    if piece and size:
        headers = OPEN | {"Content-Length": str(size), "Cache-Control": "private, max-age=86400"}
        return StreamingResponse(store.read(piece, 0, size), headers=headers, media_type=TYPES[ending])
    if written is not None and stem == "transcription" and ending in FORMATS:
        return Response(write_lines(written.lines, ending), media_type=f"text/{'plain' if ending != 'vtt' else 'vtt'}")
    if written is not None and name == "summary.txt" and written.summary is not None:
        return Response(written.summary, media_type="text/plain")
    raise NotFound("There is no such file")


def write_lines(lines: list[dict[str, Any]], ending: str) -> str:
    """What was said, in one of `FORMATS`."""
    match ending:
        case "json":
            return json.dumps({"segments": lines}, ensure_ascii=False)
        case "tsv":
            rows = [f"{each['start'] * 1000:.0f}\t{each['end'] * 1000:.0f}\t{_cell(_flat(each))}" for each in lines]
            return "\n".join(["start\tend\ttext", *rows, ""])
        case "srt":
            parts = [
                f"{number}\n{_clock(each['start'], ',')} --> {_clock(each['end'], ',')}\n{_flat(each)}\n"
                for number, each in enumerate(lines, 1)
            ]
            return "\n".join(parts)
        case "vtt":
            parts = [f"{_clock(each['start'], '.')} --> {_clock(each['end'], '.')}\n{_flat(each)}\n" for each in lines]
            return "\n".join(["WEBVTT\n", *parts])
    return "\n".join([*(_flat(each) for each in lines), ""])


def _flat(line: dict[str, Any]) -> str:
    said = " ".join(str(line["text"]).split())
    return f"{line['speaker']}: {said}" if line["speaker"] else said


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in FORMULA else text


def _clock(seconds: float, point: str) -> str:
    millis = round(seconds * 1000)
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}{point}{millis % 1000:03d}"
