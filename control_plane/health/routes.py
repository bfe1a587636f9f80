"""`/health/live` and `/health/ready`."""

from typing import Any

from fastapi import APIRouter, Request, Response

from control_plane.db.database import find_revision
from control_plane.errors import Unavailable

router = APIRouter(prefix="/health", tags=["Health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "It cannot serve now.", "content": {"application/json": {}}}})
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """The process can serve: its database answers and is migrated. 503 where not.

    `rate_windows` are `shared` by all processes, or `per process` while Redis is away.
    """
    try:
        async with request.app.state.database.platform() as db:
            revision = await find_revision(db)
    except Unavailable as error:
        response.status_code = 503
        return {"status": "unavailable", "reason": error.message}
    windows = "shared" if await request.app.state.limiter.probe() else "per process"
    workers = request.app.state.hub.worker_ids()
    return {"status": "ok", "revision": revision, "rate_windows": windows, "workers": workers}
