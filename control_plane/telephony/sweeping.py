"""Calls that nobody sees to any more: each comes to an end, and is told."""

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import BigInteger, and_, case, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from control_plane.clock import Clock, Sight
from control_plane.db.database import Database, Db
from control_plane.events.log import EventLog
from control_plane.sessions.ending import end_session, lock_session
from control_plane.sessions.models import Session, SessionJob
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.queueing import ATTENDED, WATCHED
from control_plane.telephony.settling import (
    BEFORE_ANSWER,
    CALLED_INTO,
    GRACE,
    LONGEST_HANDED_OVER,
    find_stay,
    lock_call,
    settle,
)
from sip.dialer import Dialer, SipAwayError, SipRefusedError
from sip.outcomes import Outcome

SETTLED_AT_ONCE: Final = 100
"""Calls that a pass settles."""
LEFT_OVER, LEFT_OVER_AT_ONCE = timedelta(seconds=5), 20
"""How long after its conversation a phone is hung up, where its room is still there; and how many in a pass."""
PERSONA_WITHIN: Final = timedelta(seconds=20)
"""How long somebody who has answered our call may hear nobody."""
WORKER_WITHIN: Final = timedelta(seconds=15)
"""How long somebody who calls us hears it ring without a worker for them."""

log = structlog.get_logger()


async def sweep_calls(database: Database, clock: Clock) -> int:
    """Settle calls that nobody watches any more: their process died, no hook told of their end, or their trunk is gone.

    How many.
    """
    now = clock.now()
    trunk = select(SipTrunk.id).where(SipTrunk.id == Call.trunk_id, col(SipTrunk.deleted_at).is_(None))
    forgotten = and_(col(Call.status) == "queued", ~exists(trunk))
    async with database.platform() as db:
        query = select(Call.id).where(col(Call.ended_at).is_(None), or_(col(Call.watched_until) < now, forgotten))
        unwatched = (await db.exec(query.limit(SETTLED_AT_ONCE))).all()
    for call_id in unwatched:
        async with database.platform() as db:
            call = await lock_call(db, call_id)
            if call is not None and call.ended_at is None:
                await _settle_unwatched(db, clock, call)
    return len(unwatched)


async def _settle_unwatched(db: Db, clock: Clock, call: Call) -> None:
    if call.status == "queued":
        await settle(db, clock, call, Outcome("failed", None, "its trunk is gone", left=False))
        return
    phone = await find_stay(db, call)
    if phone is not None and phone.left_at is None:
        # It has been there for longer than a phone that we called may ring: somebody has answered.
        if call.status in BEFORE_ANSWER and call.direction == "outbound":
            await settle(db, clock, call, Outcome("answered"))
        call.watched_until = clock.now() + WATCHED
    elif call.answered_at is not None:
        await settle(db, clock, call, Outcome("ended", None, "hung up"))
    else:
        await settle(db, clock, call, Outcome("failed", None, "the line failed"))


async def hang_up_leftovers(database: Database, clock: Clock, dialer: Dialer) -> int:
    """Hang up phones whose conversation is over, where their room goes on without it. How many.

    Two who were brought together talk on without their persona, until one of them leaves.
    """
    now, other, caller = clock.now(), aliased(Call), aliased(Call)
    alone = ~exists().where(
        col(other.room_name) == Call.room_name, col(other.id) != Call.id, col(other.ended_at).is_(None)
    )
    over = and_(
        col(Call.answered_at).is_not(None),
        col(Session.ended_at) < now - LEFT_OVER,
        or_(col(Session.end_reason) != "transferred", alone),
    )
    called_into = col(Call.details)[CALLED_INTO].astext.cast(BigInteger)
    query = (
        select(Call.room_name, Call.identity)
        .join(
            Session, (col(Session.id) == Call.session_id) & (col(Session.project_id) == Call.project_id), isouter=True
        )
        .join(caller, (col(caller.id) == called_into) & (col(caller.project_id) == Call.project_id), isouter=True)
        .where(
            col(Call.ended_at).is_(None),
            Call.status != "queued",
            or_(over, col(caller.ended_at).is_not(None)),
        )
    )
    async with database.platform() as db:
        phones = (await db.exec(query.limit(LEFT_OVER_AT_ONCE))).all()
    for room_name, identity in phones:
        await _hang_up(dialer, room_name, identity)
    return len(phones)


async def cut_longest(database: Database, clock: Clock, dialer: Dialer) -> int:
    """End calls that have lasted too long, whatever their worker says. How many.

    Somebody who called us, and whom a persona has brought together with another, has a time of their own from when it
    left them. A call of ours has the time that was counted for it.
    """
    now = clock.now()
    of_session = and_(col(Session.id) == Call.session_id, col(Session.project_id) == Call.project_id)
    brought_together = and_(
        col(Call.direction) == "inbound",
        col(Session.end_reason) == "transferred",
        col(Session.ended_at).is_not(None),
    )
    over_at = case(
        (brought_together, col(Session.ended_at) + timedelta(seconds=LONGEST_HANDED_OVER)),
        else_=col(Call.answered_at) + func.make_interval(0, 0, 0, 0, 0, 0, Call.longest_seconds),
    )
    query = (
        select(Call.id)
        .join(Session, of_session, isouter=True)
        .where(
            col(Call.ended_at).is_(None),
            col(Call.answered_at).is_not(None),
            col(Call.longest_seconds).is_not(None),
            over_at < now - timedelta(seconds=GRACE),
        )
    )
    async with database.platform() as db:
        late = (await db.exec(query.limit(LEFT_OVER_AT_ONCE))).all()
    for call_id in late:
        async with database.platform() as db:
            call = await lock_call(db, call_id)
            if call is None or call.ended_at is not None:
                continue
            call.reason = call.reason or "max_duration"
            session = call.session_id and await lock_session(db, call.session_id, project_id=call.project_id)
            if session and ATTENDED not in call.details:  # a bot whose line is gone leaves by itself
                await end_session(db, EventLog(db, clock), session, outcome="ok", reason="max_duration", at=now)
            room_name, identity = call.room_name, call.identity
        log.warning("a call is cut off: it has lasted too long", call=call_id)
        await _hang_up(dialer, room_name, identity)
    return len(late)


async def give_up_unattended(database: Database, clock: Clock, dialer: Dialer, sight: Sight) -> int:
    """Hang up phones for which no persona comes: who has answered us hears nobody, who calls us hears it ring.

    How many. Where nobody was there to hear of workers, theirs come first when somebody is.
    """
    now = clock.now()
    job = select(SessionJob.id).where(SessionJob.session_id == Call.session_id)
    silent = and_(col(Call.session_id).is_not(None), col(Call.answered_at) < now - PERSONA_WITHIN, ~exists(job))
    rings = and_(
        col(Call.direction) == "inbound",
        col(Call.status) == "ringing",
        col(Call.session_id).is_(None),
        col(Call.started_at) < now - WORKER_WITHIN,
    )
    async with database.platform() as db:
        query = select(Call.id).where(col(Call.ended_at).is_(None), or_(silent, rings))
        unattended = (await db.exec(query.limit(LEFT_OVER_AT_ONCE))).all()
    if sight.look() < PERSONA_WITHIN.total_seconds():
        return 0
    for call_id in unattended:
        async with database.platform() as db:
            call = await lock_call(db, call_id)
            if call is None or not await _give_up(db, clock, call):
                continue
            room_name, identity = call.room_name, call.identity
        log.warning("a phone is hung up: no persona came", call=call_id)
        await _hang_up(dialer, room_name, identity)
    return len(unattended)


async def _give_up(db: Db, clock: Clock, call: Call) -> bool:
    """Write down that nobody comes; False where somebody came, or it ended, since it was looked at."""
    if call.ended_at is not None:
        return False
    if call.session_id is None:
        await settle(db, clock, call, Outcome("busy", 486, "nobody could answer"))
        return True
    session = await lock_session(db, call.session_id, project_id=call.project_id)
    job = select(SessionJob.id).where(SessionJob.session_id == call.session_id)
    if session is None or (await db.exec(job)).first() is not None:
        return False
    call.reason = "no agent came"
    at, told = clock.now(), EventLog(db, clock)
    await end_session(db, told, session, outcome="failed", reason="not_started", at=at)
    return True


async def _hang_up(dialer: Dialer, room_name: str, identity: str) -> None:
    try:
        await dialer.hang_up(room_name, identity)
    except (SipAwayError, SipRefusedError) as error:
        log.warning("a phone was not hung up", reason=str(error), **{"pii.room": room_name})
