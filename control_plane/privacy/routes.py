"""`/privacy`: what is known of one person, handed out or erased."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.errors import Forbidden
from control_plane.gate.operation import primary
from control_plane.privacy.models import RequestKind
from control_plane.privacy.schemas import (
    ErasureAnswer,
    ErasureList,
    ExportAnswer,
    ExportList,
    PersonAsked,
)
from control_plane.privacy.service import PrivacyRequests, find_file, show_erasure, show_export
from control_plane.wire import SURFACE, Excerpt, RowId

router = primary("/privacy", tags=["Privacy"])
public = APIRouter(prefix=SURFACE, tags=["Privacy"])

FETCHED = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}


async def find_requests(request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> PrivacyRequests:
    """The requests of this request's project."""
    return PrivacyRequests(db, caller, clock, request.app.state.secrets, request.app.state.receipts)


Requests = Annotated[PrivacyRequests, Depends(find_requests)]


@router.post("/exports", status_code=201, response_model=ExportAnswer)
async def export_person(body: PersonAsked, request: Request, service: Requests, settings: SettingsDep) -> Any:
    """Have everything that is known of somebody put into one file: JSON and recordings. Its link is there when the
    export is `completed`, for 24 hours."""
    made = await service.ask(RequestKind.EXPORT, body.person())
    return {"export": show_export(made, request.app.state.export_links, settings.public_url, service.clock)}


@router.get("/exports", response_model=ExportList)
async def list_exports(
    request: Request, service: Requests, settings: SettingsDep, excerpt: Annotated[Excerpt, Depends()]
) -> Any:
    """List exports, newest first."""
    found, total = await service.page(RequestKind.EXPORT, excerpt)
    links = request.app.state.export_links
    shown = [show_export(each, links, settings.public_url, service.clock) for each in found]
    return {"exports": shown, **excerpt.pages(total)}


@router.get("/exports/{export_id}", response_model=ExportAnswer)
async def read_export(export_id: RowId, request: Request, service: Requests, settings: SettingsDep) -> Any:
    """Export detail."""
    found = await service.get(RequestKind.EXPORT, export_id)
    return {"export": show_export(found, request.app.state.export_links, settings.public_url, service.clock)}


@router.post("/erasures", status_code=201, response_model=ErasureAnswer)
async def erase_person(body: PersonAsked, service: Requests) -> Any:
    """Have somebody erased. It begins at once, waits for a conversation of theirs that goes on, and cannot be undone;
    its receipt is there when the erasure is `completed`."""
    made = await service.ask(RequestKind.ERASURE, body.person())
    return {"erasure": show_erasure(made, service.receipts)}


@router.get("/erasures", response_model=ErasureList)
async def list_erasures(service: Requests, excerpt: Annotated[Excerpt, Depends()]) -> Any:
    """List erasures with their receipts, newest first."""
    found, total = await service.page(RequestKind.ERASURE, excerpt)
    return {"erasures": [show_erasure(each, service.receipts) for each in found], **excerpt.pages(total)}


@router.get("/erasures/{erasure_id}", response_model=ErasureAnswer)
async def read_erasure(erasure_id: RowId, service: Requests) -> Any:
    """Erasure detail, with its receipt."""
    found = await service.get(RequestKind.ERASURE, erasure_id)
    return {"erasure": show_erasure(found, service.receipts)}


@public.api_route("/privacy/exports/{export_id}/file", methods=["GET", "HEAD"], include_in_schema=False)
async def fetch_export(export_id: RowId, request: Request, signature: str = "") -> Response:
    """The file behind a link."""
    state = request.app.state
    project_id = state.export_links.project_of(signature, export_id, now=state.clock.now())
    if project_id is None:
        raise Forbidden("This link is wrong, or its time is over")
    async with state.database.tenant(project_id) as db:
        key, size = await find_file(db, state.clock, project_id, export_id)
    headers = FETCHED | {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="export-{export_id}.zip"',
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/zip")
    return StreamingResponse(state.recordings.read(key, 0, size), headers=headers, media_type="application/zip")
