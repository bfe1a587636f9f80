"""People who wait in a room for a persona that does not come.

LiveKit offers a job once: with no worker there at that instant it is dropped and never offered again. A slot whose
person has come and whose ticket nobody exchanged is dispatched again, with a new ticket, when a worker is connected. A
call of ours has its session from the start: its slot waits as long as that has no job and its phone is in the room. So
does the slot of people whose scribe has died, in the session that the next one goes on with.
"""

from datetime import timedelta

import structlog
from sqlalchemy import and_, exists, or_
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.ids import fingerprint
from control_plane.media.server import MediaServer
from control_plane.personas.serving import SCRIBE, find_serving
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.sessions.models import SessionJob, Slot, Worker
from control_plane.sessions.slots import Ticket, TicketSigner, dispatch_of, new_nonce

PATIENCE = timedelta(seconds=3)
"""How long a person waits, and how long after a dispatch, before it is made again."""
ALIVE = timedelta(seconds=8)
"""A worker that was heard of this recently can take a job."""

log = structlog.get_logger()


async def redispatch(
    database: Database, media: MediaServer, clock: Clock, tickets: TicketSigner, *, slot_lifetime: timedelta
) -> int:
    """Dispatch again for everybody who waits; how many. Raises `Unavailable` where LiveKit is away."""
    now = clock.now()
    async with database.platform() as db:
        alive = select(Worker.id).where(col(Worker.connected).is_(True), col(Worker.seen_at) > now - ALIVE)
        if (await db.exec(alive)).first() is None:
            return 0
        people = col(Participant.kind).in_(("standard", "sip"))
        job = select(SessionJob.id).where(SessionJob.session_id == Slot.session_id)
        running = job.where(col(SessionJob.ended_at).is_(None))
        free = and_(
            col(Slot.session_id).is_(None),
            col(Slot.expires_at) > now,
            people,
        )
        dialled = and_(
            col(Slot.session_id).is_not(None), ~exists(job), col(Participant.identity) == Slot.caller_identity
        )
        unwritten = and_(
            col(Slot.session_id).is_not(None),
            col(Slot.persona_ids).contains([SCRIBE]),
            ~exists(running),
            people,
        )
        waiting = (
            select(Slot.id)
            .join(Room, (col(Room.full_name) == Slot.room_name) & (col(Room.status) == RoomStatus.OPEN))
            .join(Participant, col(Participant.room_id) == Room.id)
            .where(
                or_(free, dialled, unwritten),
                col(Slot.dispatched_at) < now - PATIENCE,
                col(Participant.left_at).is_(None),
                col(Participant.joined_at) < now - PATIENCE,
            )
            .distinct()
            .limit(20)
        )
        slots = (await db.exec(waiting)).all()
    for slot_id in slots:
        async with database.platform() as db:
            renewed = await _renew(db, slot_id, clock, tickets, slot_lifetime)
        if renewed is None:
            continue
        room_name, dispatches = renewed
        log.warning("dispatching again", **{"pii.room": room_name})
        for dispatch in dispatches:
            await media.dispatch(room_name, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
    return len(slots)


async def _renew(
    db: Db, slot_id: int, clock: Clock, tickets: TicketSigner, slot_lifetime: timedelta
) -> tuple[str, list[DispatchMetadata]] | None:
    """Give a slot a new ticket; the old one opens nothing any more. None where somebody came meanwhile."""
    slot = (await db.exec(select(Slot).where(Slot.id == slot_id).with_for_update())).one_or_none()
    if slot is None:
        return None
    job = select(SessionJob.id).where(SessionJob.session_id == slot.session_id, col(SessionJob.ended_at).is_(None))
    if (await db.exec(job)).first() is not None:
        return None
    now, nonce = clock.now(), new_nonce()
    secret = tickets.secret(nonce)
    slot.nonce, slot.ticket_hash = nonce, fingerprint(secret)
    slot.dispatched_at, slot.expires_at = now, now + slot_lifetime
    servings = [await find_serving(db, persona_id, project_id=slot.project_id) for persona_id in slot.persona_ids]
    return slot.room_name, [
        dispatch_of(Ticket(secret, serving.persona.id), serving.persona.name)
        for serving in servings
        if serving is not None
    ]
