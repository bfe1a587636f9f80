"""`/recordings`, and what starts and stops them in a room."""

from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import FileResponse

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import DbDep
from control_plane.gate.bodies import described, optional
from control_plane.gate.operation import primary
from control_plane.plans.quota import QuotaDep
from control_plane.recordings.schemas import (
    RecordingAnswer,
    RecordingList,
    RecordingShown,
    RecordingStart,
    RecordingStarted,
    RecordingStop,
    RecordingStopped,
    Status,
)
from control_plane.recordings.service import RecordingService
from control_plane.wire import ROOM_NAME, Done, Page, RoomPath, RowId

router = primary(tags=["Recordings"])

AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {kind: {} for kind in ("audio/ogg", "audio/mp4", "audio/wav")}}
}


async def find_recordings(db: DbDep, caller: CallerDep, quota: QuotaDep) -> RecordingService:
    """The recordings of this request's caller."""
    return RecordingService(db, caller, quota)


Recordings = Annotated[RecordingService, Depends(find_recordings)]


@router.post(
    "/rooms/{room_name}/recordings/start",
    status_code=201,
    response_model=RecordingStarted,
    openapi_extra=described(RecordingStart),
)
async def start_recording(
    room_name: RoomPath, recordings: Recordings, _body: Annotated[RecordingStart, Depends(optional(RecordingStart))]
) -> Any:
    """Start recording a room."""
    return await recordings.start(room_name)


@router.post(
    "/rooms/{room_name}/recordings/stop", response_model=RecordingStopped, openapi_extra=described(RecordingStop)
)
async def stop_recording(
    room_name: RoomPath, recordings: Recordings, body: Annotated[RecordingStop, Depends(optional(RecordingStop))]
) -> Any:
    """Stop one recording of a room, or all that run."""
    return await recordings.stop(room_name, body.egress_id)


@router.get("/recordings", response_model=RecordingList)
async def list_recordings(
    recordings: Recordings,
    page: Annotated[Page, Depends()],
    room_name: Annotated[str | None, Query(description="Short or full name.", json_schema_extra=ROOM_NAME)] = None,
    status: Status | None = None,
) -> Any:
    """List recordings, newest first."""
    found, total = await recordings.page(page, room_name=room_name, status=status)
    return {"recordings": [RecordingShown.model_validate(row) for row in found], **page.pages(total)}


@router.get("/recordings/{recording_id}", response_model=RecordingAnswer)
async def read_recording(recording_id: RowId, recordings: Recordings) -> Any:
    """Recording detail."""
    return {"recording": await recordings.get(recording_id)}


@router.get("/recordings/{recording_id}/download", response_class=FileResponse, responses=AUDIO)
async def download_recording(recording_id: RowId, recordings: Recordings) -> Any:
    """Download the file of a recording."""
    return await recordings.open_file(recording_id)


@router.delete("/recordings/{recording_id}", response_model=Done)
async def delete_recording(recording_id: RowId, recordings: Recordings) -> Any:
    """Delete a recording and its file."""
    await recordings.delete(recording_id)
    return Done(message="Recording deleted")
