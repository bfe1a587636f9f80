"""`POST /livekit/webhook`: what LiveKit tells us. Verified, deduplicated, applied in one transaction."""

import structlog
from fastapi import APIRouter, Request, Response

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import Unauthorized
from control_plane.livekit_hooks.service import take

router = APIRouter()
log = structlog.get_logger()


@router.post("/livekit/webhook", include_in_schema=False)
async def receive(request: Request) -> Response:
    """200 once it is applied or known already; 401 for a bad signature; 503 makes LiveKit repeat it."""
    body = (await request.body()).decode("utf-8", "replace")
    header = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        event = request.app.state.hook_receiver.receive(body, header)
    except Exception as error:  # the SDK raises plain exceptions for each way a signature can be wrong
        log.warning("hook refused")
        raise Unauthorized("The signature of this hook is not LiveKit's") from error
    database: Database = request.app.state.database
    clock: Clock = request.app.state.clock
    async with database.platform() as db:
        await take(db, clock, event)
    return Response(status_code=200)
