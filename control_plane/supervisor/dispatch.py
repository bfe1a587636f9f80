"""People who wait in a room for a persona that does not come, or has gone without a word.

LiveKit offers a job once: with no worker there at that instant it is dropped and never offered again, and nobody comes
in the place of a worker that dies. So a slot is dispatched again, when a worker has a place, as long as

* its person has come and nobody has exchanged its ticket;
* it is a call's of ours, which has its session from the start, and that has had no job while its phone is in the room;
* people are there whose persona was lost: the next one goes on in the same session, and so does a meeting's scribe.

A meeting has a slot only once its ticket was exchanged: people whose persona or scribe never came are given one here.

However often a slot is dispatched, one persona comes: the exchange refuses tickets of one that is there. What a lost
one left in the room is put out first: LiveKit (1.13) ends the job that it knows under the identity of a participant
that goes, and that of the next persona is the same.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import and_, exists, not_, or_, text
from sqlalchemy.orm import aliased
from sqlmodel import col, func, select, update

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from control_plane import metrics
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, NotFound, PlatformError, Unavailable
from control_plane.media.server import MediaServer
from control_plane.meetings.holding import find_unattended, take_place
from control_plane.personas.serving import find_serving
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.repository import PEOPLE
from control_plane.sessions.models import SessionJob, Slot
from control_plane.sessions.slots import StandingSigner, dispatch_of, persona_identity

PATIENCE: Final = timedelta(seconds=3)
"""How long a person waits, and how long after a dispatch, before it is made again."""
ALIVE: Final = timedelta(seconds=8)
"""A worker that was heard of this recently can take a job."""
AT_ONCE: Final = 20
"""Slots, and meetings without one, that are looked at together."""

_WORKER_PLACES: Final = text("select worker_places(:since)")

Renewed = tuple[str, list[DispatchMetadata], set[str]]
"""A room, who is dispatched again for it, and the identities of personas that were lost."""

log = structlog.get_logger()


async def redispatch(
    database: Database, media: MediaServer, clock: Clock, tickets: StandingSigner, *, slot_lifetime: timedelta
) -> int:
    """Dispatch again for everybody who waits; how many. Whoever cannot be helped keeps nobody else waiting."""
    async with database.platform() as db:
        most = min(await free_places(db, clock), AT_ONCE)
        if most <= 0:
            return 0
        slots = list((await db.exec(_waiting(clock).limit(most))).all())
        meetings = await find_unattended(db, clock.now() - PATIENCE, most - len(slots))
    for meeting in meetings:
        try:
            async with database.platform() as db:
                slot = await take_place(db, clock, *meeting)
                slot.expires_at = clock.now() + slot_lifetime  # no session takes it at once
            slots.append(slot.id)
        except (Conflict, NotFound):  # it is over by now, or its plan or budget is used up until further notice
            continue
        except Unavailable:
            raise
        except Exception:  # such as one bad row
            log.exception("a meeting is not attended", meeting=meeting[0])
    again = [await _renew_alone(database, each, clock, tickets, slot_lifetime=slot_lifetime) for each in slots]
    await asyncio.gather(*(_dispatch(media, *each) for each in again if each is not None))
    return len(slots)


async def _renew_alone(
    database: Database, slot_id: int, clock: Clock, tickets: StandingSigner, *, slot_lifetime: timedelta
) -> Renewed | None:
    """As `_renew`; a slot that cannot be renewed is put off like one that was, so that it is not the first each time.
    Raises `Unavailable`."""
    try:
        async with database.platform() as db:
            return await _renew(db, slot_id, clock, tickets, slot_lifetime=slot_lifetime)
    except Unavailable:
        raise
    except Exception:  # such as one bad row
        log.exception("nobody is dispatched again", slot=slot_id)
    async with database.platform() as db:
        await db.exec(update(Slot).where(col(Slot.id) == slot_id).values(dispatched_at=clock.now()))
    return None


async def _dispatch(media: MediaServer, room_name: str, dispatches: list[DispatchMetadata], lost: set[str]) -> None:
    """Ask for the personas of one room; where LiveKit does not take it, the next look finds its people again."""
    log.warning("dispatching again", **{"pii.room": room_name})
    for dispatch in dispatches:
        try:
            if dispatch.identity in lost:
                await see_out(media, room_name, dispatch.identity)
            await media.dispatch(room_name, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
        except PlatformError as error:  # such as a room whose node is dead
            metrics.DISPATCHES.labels("failed").inc()
            log.warning("not dispatched", reason=error.message, **{"pii.room": room_name})
            return
        metrics.DISPATCHES.labels("again").inc()


async def see_out(media: MediaServer, room_name: str, identity: str) -> None:
    """Put out what a lost persona left in its room. Raises `Unavailable` where LiveKit is away."""
    with suppress(NotFound):  # it has gone already
        await media.remove_participant(room_name, identity)


async def free_places(db: Db, clock: Clock) -> int:
    """Calls that the workers which live could take now: those who wait are whom places are promised to."""
    return int(await db.scalar(_WORKER_PLACES, {"since": clock.now() - ALIVE}) or 0)


def _waiting(clock: Clock) -> Any:
    """Slots whose people wait, by their ids."""
    now = clock.now()
    job, later = aliased(SessionJob), aliased(SessionJob)
    people = col(Participant.kind).in_(PEOPLE)
    patient = and_(col(Slot.dispatched_at) < now - PATIENCE, col(Participant.joined_at) < now - PATIENCE)
    free = and_(col(Slot.session_id).is_(None), col(Slot.expires_at) > now, people, patient)
    dialled = and_(
        col(Slot.session_id).is_not(None),
        not_(exists().where(col(job.session_id) == Slot.session_id)),
        col(Participant.identity) == Slot.caller_identity,
        patient,
    )
    lost = and_(
        col(Slot.session_id).is_not(None),
        people,
        exists().where(
            col(job.session_id) == Slot.session_id,
            col(job.persona_id) == func.any(Slot.persona_ids),
            col(Slot.dispatched_at) < now - PATIENCE,
            *_is_last_and_lost(job, later),
        ),
    )
    return (
        select(Slot.id)
        .join(Room, (col(Room.full_name) == Slot.room_name) & (col(Room.status) == RoomStatus.OPEN))
        .join(Participant, col(Participant.room_id) == Room.id)
        .where(or_(free, dialled, lost), col(Participant.left_at).is_(None))
        .distinct()
    )


def _is_last_and_lost(job: Any, later: Any) -> tuple[Any, ...]:
    """That a job was lost, and no other one of its persona came after it."""
    after = exists().where(
        col(later.session_id) == job.session_id,
        col(later.persona_id) == job.persona_id,
        col(later.epoch) > job.epoch,
    )
    return col(job.lost_at).is_not(None), not_(after)


async def _renew(
    db: Db, slot_id: int, clock: Clock, tickets: StandingSigner, *, slot_lifetime: timedelta
) -> Renewed | None:
    """What is dispatched again for a slot; None where somebody came meanwhile."""
    slot = (await db.exec(select(Slot).where(Slot.id == slot_id).with_for_update())).one_or_none()
    if slot is None:
        return None
    wanted, lost_ones = slot.persona_ids, set[int]()
    if slot.session_id is not None:
        job, later = aliased(SessionJob), aliased(SessionJob)
        had = (await db.exec(select(job.persona_id).where(col(job.session_id) == slot.session_id))).all()
        lost = select(job.persona_id).where(col(job.session_id) == slot.session_id, *_is_last_and_lost(job, later))
        lost_ones = set((await db.exec(lost)).all())
        missed = {*lost_ones, *(each for each in wanted if each not in had)}
        wanted = [each for each in wanted if each in missed]
    if not wanted:
        return None
    slot.dispatched_at = clock.now()
    slot.expires_at = slot.dispatched_at + slot_lifetime
    servings = [
        await find_serving(db, persona_id, project_id=slot.project_id, draft=slot.draft) for persona_id in wanted
    ]
    dispatches = [
        dispatch_of(tickets.sign(slot.id, serving.persona.id), serving.persona.name)
        for serving in servings
        if serving is not None
    ]
    return slot.room_name, dispatches, {persona_identity(persona_id) for persona_id in lost_ones}
