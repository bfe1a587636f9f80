"""What LiveKit's hooks come to: rows and facts, once each, in whatever order they come."""

from datetime import datetime

from livekit import api
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.livekit_hooks.chronicle import Chronicle, when
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.media.recorder import egress_of
from control_plane.media.server import participant_of, room_of, track_of
from control_plane.recordings.hooks import egress_changed
from control_plane.recordings.models import Recording


async def take(db: Db, clock: Clock, event: api.WebhookEvent) -> Recording | None:
    """Turn a hook into rows and facts, unless it was seen before; the recording it is about, if any."""
    now = clock.now()
    chronicle = Chronicle(db, clock)
    await chronicle.take_turn(event.room.name or event.egress_info.room_name)
    if not await _remember(db, event.id, at=now):
        return None
    room, at = room_of(event.room), when(event.created_at, now=now)
    match event.event:
        case "room_started":
            await chronicle.room_told(room)
        case "room_finished":
            await chronicle.room_ended(room, at=at)
        case "participant_joined":
            await chronicle.came(room, participant_of(event.participant))
        case "participant_left" | "participant_connection_aborted":
            cause = api.DisconnectReason.Name(event.participant.disconnect_reason).lower()
            if event.event == "participant_left":
                await chronicle.left(room, participant_of(event.participant), cause=cause, at=at)
            else:
                await chronicle.gave_up(room, event.participant.sid, cause=cause, at=at)
        case "track_published" | "track_unpublished":
            published, track = event.event == "track_published", track_of(event.track)
            person = participant_of(event.participant)
            await chronicle.track_told(event.id, room, person, track, published=published)
        case "egress_started" | "egress_updated" | "egress_ended":
            return await egress_changed(db, clock, egress_of(event.egress_info))
    return None


async def _remember(db: Db, hook_id: str, *, at: datetime) -> bool:
    """Whether this hook is seen for the first time."""
    statement = insert(LivekitHook).values(id=hook_id, received_at=at).on_conflict_do_nothing()
    return await db.scalar(statement.returning(col(LivekitHook.id))) is not None
