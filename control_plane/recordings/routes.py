"""`/recordings`, and what starts and stops them in a room."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.errors import Conflict, Forbidden, NotFound, Unavailable
from control_plane.gate.bodies import described, optional
from control_plane.gate.operation import CONFLICTS, AttemptDep, primary
from control_plane.plans.quota import QuotaDep
from control_plane.recordings.files import MEDIA_TYPES, file_response
from control_plane.recordings.models import Recording
from control_plane.recordings.peaks import names_of, peaks_key, read_peaks
from control_plane.recordings.removing import Remover
from control_plane.recordings.schemas import (
    LinkAsked,
    LinkMade,
    Peaks,
    RecordingAnswer,
    RecordingChange,
    RecordingList,
    RecordingStart,
    RecordingStarted,
    RecordingStop,
    RecordingStopped,
    Status,
    show,
)
from control_plane.recordings.service import RecordingService, with_file
from control_plane.wire import ROOM_NAME, SURFACE, Done, Excerpt, RoomPath, RowId, Since, Until

router = primary(tags=["Recordings"])
public = APIRouter(prefix=SURFACE, tags=["Recordings"])

FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
    206: {"description": "The part that `Range` names.", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
    304: {"description": "`If-None-Match` names the file as it is."},
    416: {"description": "No byte of the file is in the range."},
}


async def find_recordings(
    request: Request, db: DbDep, caller: CallerDep, quota: QuotaDep, clock: ClockDep, attempt: AttemptDep
) -> RecordingService:
    """The recordings of this request's caller."""
    state = request.app.state
    return RecordingService(db, caller, quota, clock, state.recorder, state.taker, attempt)


Recordings = Annotated[RecordingService, Depends(find_recordings)]


@router.post(
    "/rooms/{room_name}/recordings/start",
    status_code=201,
    response_model=RecordingStarted,
    openapi_extra=described(RecordingStart),
)
async def start_recording(
    room_name: RoomPath, recordings: Recordings, body: Annotated[RecordingStart, Depends(optional(RecordingStart))]
) -> Any:
    """Start recording a room; the file begins with the first sound."""
    return {"recording": await recordings.start(room_name, body)}


@router.post(
    "/rooms/{room_name}/recordings/stop", response_model=RecordingStopped, openapi_extra=described(RecordingStop)
)
async def stop_recording(
    room_name: RoomPath, recordings: Recordings, body: Annotated[RecordingStop, Depends(optional(RecordingStop))]
) -> Any:
    """Stop one recording of a room, or all that run."""
    return {"stopped": await recordings.stop(room_name, body.egress_id)}


@router.get("/recordings", response_model=RecordingList)
async def list_recordings(
    recordings: Recordings,
    excerpt: Annotated[Excerpt, Depends()],
    room_name: Annotated[str | None, Query(description="Short or full name.", json_schema_extra=ROOM_NAME)] = None,
    status: Status | None = None,
    session_id: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None,
    since: Annotated[Since | None, Query(alias="from")] = None,
    until: Annotated[Until | None, Query(alias="to")] = None,
) -> Any:
    """List recordings, newest first."""
    found, total = await recordings.page(
        excerpt, room_name=room_name, status=status, session_id=session_id, since=since, until=until
    )
    return {"recordings": [show(row) for row in found], **excerpt.pages(total)}


@router.get("/recordings/{recording_id}", response_model=RecordingAnswer)
async def read_recording(recording_id: RowId, recordings: Recordings) -> Any:
    """Recording detail."""
    return {"recording": show(await recordings.get(recording_id))}


@router.patch("/recordings/{recording_id}", response_model=RecordingAnswer)
async def update_recording(recording_id: RowId, body: RecordingChange, recordings: Recordings) -> Any:
    """Note whether people agreed to a recording."""
    return {"recording": show(await recordings.consent(recording_id, body.consent))}


@router.get("/recordings/{recording_id}/download", response_class=Response, responses=FILE, openapi_extra=CONFLICTS)
async def download_recording(recording_id: RowId, request: Request, recordings: Recordings) -> Any:
    """Download the file of a recording, or a part of it."""
    recording = await recordings.get_file(recording_id)
    await recordings.db.commit()  # no connection waits for the store
    return await file_response(request, request.app.state.recordings, recording)


@router.get("/recordings/{recording_id}/peaks", response_model=Peaks, openapi_extra=CONFLICTS)
async def read_recording_peaks(
    recording_id: RowId,
    request: Request,
    recordings: Recordings,
    points: Annotated[int, Query(ge=10, le=10_000, description="Parts of each channel at most.")] = 800,
) -> Any:
    """How loud a recording is, part by part, for a player to draw. 409 until it has been measured."""
    recording = await recordings.get_file(recording_id)
    await recordings.db.commit()
    store, key = request.app.state.recordings, peaks_key(recording.storage_key or "")
    size = await store.size(key)
    if size is None:
        raise Conflict("The recording is being measured; try again in a few seconds")
    kept = b"".join([piece async for piece in store.read(key, 0, size)])
    peaks = read_peaks(kept, points)
    names = names_of(recording.channels, len(peaks))
    return {"duration": recording.duration or 0, "channels": len(peaks), "names": names, "peaks": peaks}


@router.post(
    "/recordings/{recording_id}/link", response_model=LinkMade, openapi_extra=described(LinkAsked), status_code=201
)
async def link_recording(
    recording_id: RowId,
    request: Request,
    recordings: Recordings,
    settings: SettingsDep,
    caller: CallerDep,
    body: Annotated[LinkAsked, Depends(optional(LinkAsked))],
) -> Any:
    """Make a link that plays a recording without a key, for a time."""
    recording = await recordings.get_file(recording_id)
    expires_at = recordings.expiry(body.expires_in)
    signature = request.app.state.links.sign(caller.project_id, recording.id, expires_at=expires_at)
    url = f"{settings.public_url}{SURFACE}/recordings/{recording.id}/file?signature={signature}"
    return {"url": url, "expires_at": expires_at}


@router.delete("/recordings/{recording_id}", response_model=Done)
async def delete_recording(recording_id: RowId, request: Request, recordings: Recordings, caller: CallerDep) -> Any:
    """Delete a recording and its file. Answered when the bytes are gone; after a 503 they go as soon as they can."""
    state = request.app.state
    await recordings.mark_deleted(recording_id)
    await recordings.db.commit()
    if not await Remover(state.database, state.clock, state.recordings).remove(recording_id, by=caller.key_id):
        raise Unavailable("The recorder keeps the file of this recording; it is removed as soon as it is stored")
    return Done(message="Recording deleted")


@public.api_route("/recordings/{recording_id}/file", methods=["GET", "HEAD"], include_in_schema=False)
async def play_recording(recording_id: RowId, request: Request, signature: str = "") -> Response:
    """The file behind a link."""
    state = request.app.state
    project_id = state.links.project_of(signature, recording_id, now=state.clock.now())
    if project_id is None:
        raise Forbidden("This link is wrong, or its time is over")
    async with state.database.tenant(project_id) as db:
        recording = await db.get(Recording, recording_id)
    if recording is None or recording.deleted_at is not None:
        raise NotFound(f"There is no recording {recording_id}")
    return await file_response(request, state.recordings, with_file(recording))
