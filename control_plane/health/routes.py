"""`/health/live` and `/health/ready`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from control_plane.db.database import Database
from control_plane.errors import Unavailable
from control_plane.gate.window import RateLimiter
from control_plane.stopping import Stopping

router = APIRouter(prefix="/health", tags=["Health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "It cannot serve now.", "content": {"application/json": {}}}})
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """The process can serve: its database answers and is migrated. 503 where not, within two seconds, and from the
    moment on at which the process is told to stop.

    `rate_windows` are `shared` by all processes, or `per process` while Redis is away.
    """
    stopping: Stopping = request.app.state.stopping
    if stopping.begun:
        response.status_code = 503
        return {"status": "unavailable", "reason": stopping.refusal().message}
    database: Database = request.app.state.database
    limiter: RateLimiter = request.app.state.limiter
    # Both at once: the one that is silent must not eat the time of the other.
    async with asyncio.TaskGroup() as asked:
        looked_up, probed = asked.create_task(_find_revision(database)), asked.create_task(limiter.probe())
    revision = looked_up.result()
    if isinstance(revision, Unavailable):
        response.status_code = 503
        return {"status": "unavailable", "reason": revision.message}
    windows = "shared" if probed.result() else "per process"
    workers = request.app.state.hub.worker_ids()
    return {"status": "ok", "revision": revision, "rate_windows": windows, "workers": workers}


async def _find_revision(database: Database) -> str | Unavailable:
    try:
        return await database.find_revision()
    except Unavailable as error:
        return error
