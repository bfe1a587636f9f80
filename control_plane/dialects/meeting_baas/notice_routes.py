"""`/hooks/calendars`: what Google and Microsoft tell of calendars. Known by the secret of the calendar's channel."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from control_plane.calendars.push import NOTICES, Channels
from control_plane.calendars.remote import clean
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import InvalidRequest, Unauthorized

LONGEST = 4096
MOST = 100
"""Notices of one request."""

router = APIRouter(prefix=NOTICES, include_in_schema=False)


@router.post("/google")
async def hear_google(request: Request) -> Response:
    """Something changed in a calendar."""
    headers = request.headers
    await _hear(request, [(headers.get("x-goog-channel-id", ""), headers.get("x-goog-channel-token", ""))])
    return Response()


@router.post("/microsoft")
async def hear_microsoft(request: Request) -> Response:
    """Something changed in calendars; or the question whether there is anybody here, which is answered by itself."""
    asked = request.query_params.get("validationToken")
    if asked is not None:
        return Response(asked[:LONGEST], media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})
    try:
        said: Any = json.loads(await request.body())
        notices = [(str(each["subscriptionId"]), str(each["clientState"])) for each in said["value"][:MOST]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequest("This is no notice of Graph") from error
    await _hear(request, notices)
    return Response(status_code=202)


async def _hear(request: Request, notices: list[tuple[str, str]]) -> None:
    state = request.app.state
    channels: Channels = state.channels
    database: Database = state.database
    clock: Clock = state.clock
    async with database.platform() as db:
        heard = [await channels.hear(db, clean(channel), secret, now=clock.now()) for channel, secret in notices]
    if not any(heard):
        raise Unauthorized("This channel is not known, or its secret is another")
