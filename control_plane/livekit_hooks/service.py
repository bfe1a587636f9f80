"""What LiveKit's hooks come to: rows and facts, once each."""

from datetime import datetime

from livekit import api
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.media.recorder import egress_of
from control_plane.media.server import participant_of, room_of, track_of
from control_plane.meetings import life as meetings
from control_plane.meetings import waiting
from control_plane.meetings.hooks import person_came, track_published
from control_plane.recordings.hooks import egress_changed
from control_plane.recordings.models import Recording
from control_plane.rooms.projection import RoomProjection
from control_plane.rooms.retiring import is_retired, shut
from control_plane.sessions.watch import room_gone
from control_plane.telephony.answering import phone_rings
from control_plane.telephony.settling import phone_left


async def take(db: Db, clock: Clock, event: api.WebhookEvent) -> Recording | None:
    """Turn a hook into rows and facts, unless it was seen before; the recording it is about, if any."""
    if not await _remember(db, event.id, at=clock.now()):
        return None
    projection = RoomProjection(db, clock)
    room = room_of(event.room)
    match event.event:
        case "room_started":
            await projection.started(room)
        case "room_finished":
            await projection.finished(room.name, room.sid)
            await room_gone(db, clock, room.name, room.sid)
            await meetings.room_gone(db, clock, room.name)
        case "participant_joined":
            person = participant_of(event.participant)
            await projection.joined(room, person)
            if await is_retired(db, room.name):  # by a token that is older
                await shut(db, room.name, event.id, at=clock.now())
            if person.kind == "sip":
                await phone_rings(db, clock, room.name, person.attributes.get("sip.trunkID", ""))
            elif person.kind == "standard":
                await person_came(db, clock, room.name, person.identity, event.id)
        case "participant_left" | "participant_connection_aborted":
            reason = api.DisconnectReason.Name(event.participant.disconnect_reason).lower()
            await projection.left(room.name, event.participant.sid, reason=reason)
            await phone_left(db, clock, room.name, event.participant.identity)
            await waiting.left(db, clock, room.name)
        case "track_published" | "track_unpublished":
            published = event.event == "track_published"
            track = track_of(event.track)
            await projection.track(room.name, event.participant.sid, track, published=published)
            if published:
                await track_published(db, clock, room.name, event.participant.identity, track)
        case "egress_started" | "egress_updated" | "egress_ended" as hook:
            return await egress_changed(db, clock, hook, egress_of(event.egress_info))
    return None


async def _remember(db: Db, hook_id: str, *, at: datetime) -> bool:
    """Whether this hook is seen for the first time."""
    statement = insert(LivekitHook).values(id=hook_id, received_at=at).on_conflict_do_nothing()
    return await db.scalar(statement.returning(col(LivekitHook.id))) is not None
