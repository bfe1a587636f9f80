"""`POST /livekit/webhook`: what LiveKit tells us. Verified, deduplicated, applied in one transaction."""

from datetime import datetime

import structlog
from fastapi import APIRouter, Request, Response
from livekit import api
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unauthorized
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.media.server import participant_of, room_of, track_of
from control_plane.rooms.projection import RoomProjection
from control_plane.sessions.watch import room_gone
from control_plane.telephony.settling import phone_left

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
        if await remember(db, event.id, at=clock.now()):
            await apply(db, clock, event)
    return Response(status_code=200)


async def remember(db: Db, hook_id: str, *, at: datetime) -> bool:
    """Whether this hook is seen for the first time."""
    statement = insert(LivekitHook).values(id=hook_id, received_at=at).on_conflict_do_nothing()
    return await db.scalar(statement.returning(col(LivekitHook.id))) is not None


async def apply(db: Db, clock: Clock, event: api.WebhookEvent) -> None:
    """Turn a hook into rows and facts."""
    projection = RoomProjection(db, clock)
    room = room_of(event.room)
    match event.event:
        case "room_started":
            await projection.started(room)
        case "room_finished":
            await projection.finished(room.name, room.sid)
            await room_gone(db, clock, room.name, room.sid)
        case "participant_joined":
            await projection.joined(room, participant_of(event.participant))
        case "participant_left" | "participant_connection_aborted":
            reason = api.DisconnectReason.Name(event.participant.disconnect_reason).lower()
            await projection.left(room.name, event.participant.sid, reason=reason)
            await phone_left(db, clock, room.name, event.participant.identity)
        case "track_published" | "track_unpublished":
            published = event.event == "track_published"
            await projection.track(room.name, event.participant.sid, track_of(event.track), published=published)
