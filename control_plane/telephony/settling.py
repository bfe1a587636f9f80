"""What became of a call, written once: its status, its event, and the end of its session."""

import math

import structlog
from sqlmodel import col, select

from agents.contract import EndReason
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.ending import end_session, lock_session
from control_plane.sessions.models import Session
from control_plane.telephony.models import Call, SipTrunk
from sip.outcomes import ANSWERED, Outcome

CALLED_INTO = "called_into"
"""In the details of a call that brings somebody into the room of another: that one's id."""
ASKED_AT = "asked_at"
"""In the details of a call whose persona was asked to hand it over, and has not had anybody called yet: when."""
ASKED_TO = "asked_to"
"""Beside it: the number."""
LONGEST_HANDED_OVER = 4 * 3600.0
"""Seconds two people may talk whom a persona has brought together."""
GRACE = 50
"""Seconds beyond its longest duration, for a goodbye, after which a call is cut off: before the minute is over with
which it is counted for that (`policy.AFTERWARDS`)."""
HUNG_UP = "hung_up"
"""In the details of a call that was ended by the API."""
BEFORE_ANSWER = ("queued", "dialing", "ringing")
SPEAKING = ("active", "automation")
"""What `sip.callStatus` of a phone is from its answer on."""
NOBODY_WAITS = Outcome("no_answer", None, "nobody waits any more", left=False)

log = structlog.get_logger()


def shorter(known: int | None, longest: float) -> int:
    """The longest duration of a call that may have one: another is never longer."""
    return round(longest) if known is None else min(known, round(longest))


async def lock_call(db: Db, call_id: int) -> Call | None:
    """A call, locked until the commit after its session: everybody takes session, slot and call in this order."""
    of_call = select(Call.session_id).where(Call.id == call_id).scalar_subquery()
    await db.exec(select(Session.id).where(col(Session.id) == of_call).with_for_update())
    query = select(Call).where(Call.id == call_id).with_for_update().execution_options(populate_existing=True)
    return (await db.exec(query)).one_or_none()


def tell_begin(db: Db, clock: Clock, call: Call) -> None:
    """Record that a call of ours has begun."""
    EventLog(db, clock).append(
        Fact.CALL_INITIATED,
        project_id=call.project_id,
        room_name=call.room_name,
        call_id=call.id,
        session_id=call.session_id,
        phone_number=call.phone_number,
        caller_id=call.caller_id,
        agent_config_id=call.details.get("persona_id"),
    )


def tell_status(db: Db, clock: Clock, call: Call) -> None:
    """Record the call's status as an event."""
    EventLog(db, clock).append(
        Fact.CALL_STATUS,
        project_id=call.project_id,
        room_name=call.room_name,
        call_id=call.id,
        session_id=call.session_id,
        phone_number=call.phone_number,
        direction=call.direction,
        status=call.status,
        sip_status=call.sip_status,
        reason=call.reason,
    )


def ring(db: Db, clock: Clock, call: Call) -> None:
    """It rings. The call must be locked."""
    if call.status == "dialing":
        call.status = "ringing"
        tell_status(db, clock, call)


async def settle(db: Db, clock: Clock, call: Call, outcome: Outcome) -> None:
    """Write an outcome down. One that is known already stays; the call must be locked."""
    now = clock.now()
    if outcome.status == "answered":
        if call.status in BEFORE_ANSWER:
            call.status, call.sip_status, call.answered_at = "answered", outcome.sip_status, now
            tell_status(db, clock, call)
        return
    if call.ended_at is not None:
        return
    answered = call.answered_at is not None
    call.counts = outcome.left or answered or call.status == "ringing"
    reason = "voicemail" if call.status == "voicemail" else call.reason or outcome.reason
    call.status = "ended" if answered else outcome.status
    call.sip_status = call.sip_status if answered else outcome.sip_status
    call.reason, call.ended_at = reason, now
    tell_status(db, clock, call)
    log.info("call settled", call=call.id, status=call.status, sip_status=call.sip_status)
    if call.answered_at is not None:
        await _count(db, clock, call, seconds=(now - call.answered_at).total_seconds())
    session = await lock_session(db, call.session_id, project_id=call.project_id) if call.session_id else None
    if session is None or (answered and session.announced_at is not None):
        return  # its persona ends a conversation, after the goodbye
    why: EndReason
    ended, why = ("ok", "caller_left") if answered else (call.status, "not_answered")
    why = "api" if HUNG_UP in call.details else why
    await end_session(db, EventLog(db, clock), session, outcome=ended, reason=why, at=now)


async def find_stay(db: Db, call: Call) -> Participant | None:
    """The phone of a call in its room, there or gone; it has its identity of those who came last."""
    query = (
        select(Participant)
        .join(Room, col(Room.id) == Participant.room_id)
        .where(Room.full_name == call.room_name, Participant.identity == call.identity)
    )
    return (await db.exec(query.order_by(col(Participant.id).desc()).limit(1))).first()


async def settle_answered(db: Db, clock: Clock, call: Call) -> None:
    """Somebody has answered; where they hung up at once, before we heard of it, it has ended too."""
    await settle(db, clock, call, ANSWERED)
    stay = await find_stay(db, call)
    if stay is None or stay.left_at is None or call.placed_at is None or stay.left_at < call.placed_at:
        return
    await settle(db, clock, call, Outcome("ended", None, "hung up"))


async def _count(db: Db, clock: Clock, call: Call, *, seconds: float) -> None:
    """Count a call that was answered: by minutes begun, as carriers do, at the carrier of its line."""
    line = select(SipTrunk.address).where(
        SipTrunk.project_id == call.project_id, SipTrunk.phone_number == (call.caller_id or "")
    )
    entry = UsageEntry(
        project_id=call.project_id,
        source=f"call:{call.id}",
        session_id=call.session_id,
        persona_id=call.details.get("persona_id"),
        service="telephony",
        provider=(await db.exec(line.order_by(col(SipTrunk.id).desc()).limit(1))).first() or "",
        model=call.direction,
        audio_seconds=60 * max(1, math.ceil(seconds / 60)),
        requests=1,
        at=clock.now(),
    )
    await record(db, entry, clock=clock)


async def phone_left(db: Db, clock: Clock, room_name: str, identity: str) -> None:
    """A phone has left its room: its call has ended, but for one of ours without an answer, whose placer knows more."""
    query = select(Call.id).where(
        Call.room_name == room_name,
        Call.identity == identity,
        col(Call.ended_at).is_(None),
        col(Call.answered_at).is_not(None) | (col(Call.direction) == "inbound"),
    )
    for call_id in (await db.exec(query)).all():
        call = await lock_call(db, call_id)
        if call is not None:
            await settle(db, clock, call, Outcome("no_answer", None, "hung up"))
