"""`/health/live`, `/health/ready` and `/metrics`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from control_plane.db.database import Database
from control_plane.errors import Unauthorized, Unavailable
from control_plane.gate.operator import OperatorKey
from control_plane.gate.window import RateLimiter
from control_plane.stopping import Stopping
from guard import exposition

router = APIRouter(prefix="/health", tags=["Health"])
figures = APIRouter()


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


@figures.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """The figures of this process for Prometheus, to the operator's key: `Authorization: Bearer ak_…` or `X-API-Key`.

    `metrics_port` has them without a key.
    """
    operator: OperatorKey = request.app.state.operator
    headers = request.headers
    shown = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not operator.opens(shown.encode("latin-1")):
        raise Unauthorized("This needs the operator's key (ak_…)")
    return Response(exposition.text(), media_type=exposition.CONTENT_TYPE)
