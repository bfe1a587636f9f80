"""`POST /livekit/webhook`: what LiveKit tells us. Verified, deduplicated, applied in one transaction."""

import structlog
from fastapi import APIRouter, Request, Response
from livekit import api
from starlette.background import BackgroundTask
from starlette.datastructures import State

from agents.audience import SUPERVISOR_PREFIX
from control_plane.bots.life import heard
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError, Unauthorized
from control_plane.livekit_hooks.service import take
from control_plane.recordings.hooks import RECORDED
from control_plane.recordings.models import Recording, RecordingOrigin
from control_plane.recordings.sessions import TOLD_OF
from control_plane.supervision.seating import Seating

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
        recording = await take(db, clock, event)
        if recording is not None and recording.heard_at is not None and recording.origin == RecordingOrigin.BOT:
            await heard(db, clock, request.app.state.secrets, recording)
    return Response(status_code=200, background=BackgroundTask(_follow_up, request.app.state, event, recording))


async def _follow_up(state: State, event: api.WebhookEvent, recording: Recording | None) -> None:
    """What need not wait for jobs and the watch: a supervisor whose token is old, the persona that waits for its
    recording, and the file that is there."""
    if event.event == "participant_joined" and event.participant.identity.startswith(SUPERVISOR_PREFIX):
        await _seat(state, event)
    if recording is None:
        return
    try:
        is_own, runs = recording.origin == RecordingOrigin.AGENT, recording.ended_at is None
        is_told = runs and recording.origin in TOLD_OF and recording.session_id is not None
        if recording.heard_at is not None and (is_own or is_told):
            await state.live.publish(RECORDED, {"session_id": recording.session_id, "on": runs})
        if recording.ended_at is not None:
            await state.finisher.finish(recording.id)
    except PlatformError as error:
        log.warning("a recording is finished later", recording=recording.id, reason=error.message)


async def _seat(state: State, event: api.WebhookEvent) -> None:
    person = event.participant
    try:
        who = {"room_name": event.room.name, "identity": person.identity, "sid": person.sid}
        await Seating(state.database, state.media).handle(who)
    except PlatformError as error:
        log.warning("a supervisor is seated later", reason=error.message)
