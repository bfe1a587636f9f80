"""Placing calls: at the pace of their trunk, each at most once, and watched until there is an answer or none."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import text
from sqlmodel import col, select

from agents.contract import AGENT_NAME, DispatchMetadata
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import PlatformError, Unavailable
from control_plane.events.wake import Listener
from control_plane.ids import fingerprint
from control_plane.media.server import MediaServer
from control_plane.personas.serving import find_serving
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session, Slot
from control_plane.sessions.slots import Ticket, dispatch_of, new_secret
from control_plane.telephony.dialling import PLACED
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.settling import BEFORE_ANSWER, CALLED_INTO, lock_call, ring, settle, tell_status
from sip.dialer import Dialer, OutgoingCall, SipAwayError, SipRefusedError
from sip.outcomes import Outcome, of_departure

RINGING: Final = 45.0
"""Seconds a phone may ring."""
LONGEST_HANDED_OVER: Final = 4 * 3600.0
"""Seconds two people may talk whom a persona has brought together."""
ROOM_EMPTY_TIMEOUT: Final = 60
AT_ONCE: Final = 500
"""Calls one process watches while they ring."""
LOOK_EVERY: Final = 0.25
"""Seconds between looks at whether it rings: LiveKit has no hook for it."""
LEFT_OVER, LEFT_OVER_AT_ONCE = timedelta(seconds=5), 20
"""How long after its conversation a phone is hung up, where its room is still there; and how many in a pass."""
WATCHED: Final = timedelta(seconds=RINGING + 15)
PAUSES: Final = (0.05, 0.5, 2.0)
"""Seconds after which rows are tried again."""
AWAY_TRIES, AWAY_PAUSE = 5, 2.0
"""Without a SIP service nothing is sent, and it is tried again this often, after this many seconds each."""

# The trunk's row is the pace: whoever holds its lock decides, and looks again once its second has passed.
_DUE = text("""
    select trunk.id from sip_trunk trunk
    where exists (select from call where call.trunk_id = trunk.id and call.status = 'queued')
        and (trunk.last_placed_at is null
            or trunk.last_placed_at + make_interval(secs => 1 / trunk.calls_per_second) <= :now)
    order by trunk.last_placed_at nulls first limit 50 for update skip locked
""")
_NEXT = text("""
    select min(coalesce(trunk.last_placed_at + make_interval(secs => 1 / trunk.calls_per_second), :now))
    from sip_trunk trunk where exists (select from call where call.trunk_id = trunk.id and call.status = 'queued')
""")

T = TypeVar("T")

log = structlog.get_logger()


class CallPlacer:
    """Takes queued calls, oldest first, no faster than their trunk allows, and sees each to its outcome."""

    def __init__(self, database: Database, clock: Clock, media: MediaServer, dialer: Dialer) -> None:
        self.database, self.clock, self.media, self.dialer = database, clock, media, dialer
        self._watched: set[asyncio.Task[None]] = set()

    async def run(self, url: str) -> None:
        """Work until cancelled; calls that ring are then finished by whoever comes after."""
        try:
            async with Listener(url, PLACED).listening() as listener:
                while True:
                    pause = 1.0
                    try:
                        for call_id in await self.claim():
                            self._begin(call_id)
                        pause = await self._until_next()
                    except PlatformError as error:
                        log.warning("calls are not placed", reason=error.message)
                    await listener.wait(pause)
        finally:
            for task in self._watched:
                task.cancel()
            await asyncio.gather(*self._watched, return_exceptions=True)

    async def claim(self) -> list[int]:
        """One call of every trunk whose time has come, marked as placed: from now on nobody sends it again."""
        if len(self._watched) >= AT_ONCE:
            return []
        now = self.clock.now()
        claimed = []
        async with self.database.platform() as db:
            due = (await db.execute(_DUE, {"now": now})).scalars().all()
            for trunk_id in due:
                query = select(Call).where(Call.trunk_id == trunk_id, Call.status == "queued").order_by(col(Call.id))
                call = (await db.exec(query.limit(1).with_for_update(skip_locked=True))).first()
                trunk = await db.get(SipTrunk, trunk_id)
                if call is None or trunk is None:
                    continue
                trunk.last_placed_at = call.placed_at = now
                call.status, call.watched_until = "dialing", now + WATCHED
                tell_status(db, self.clock, call)
                claimed.append(call.id)
        return claimed

    async def place(self, call_id: int) -> None:
        """Bring the persona and the phone into the room, and write down what became of it."""
        prepared = await self._persist(partial(self._prepare, call_id))
        if prepared is None:
            return
        call, dispatch = prepared
        looking = asyncio.create_task(self._look(call_id, call.room, call.identity))
        try:
            outcome = await self._dial(call, dispatch)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await self._persist(partial(self._settle, call_id, outcome))

    async def _settle(self, call_id: int, outcome: Outcome) -> None:
        async with self.database.platform() as db:
            row = await lock_call(db, call_id)
            if row is not None:
                await settle(db, self.clock, row, outcome)

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Work on rows, tried again where the database cannot do it now: nobody else knows what became of the call."""
        for pause in PAUSES:
            try:
                return await work()
            except Unavailable:
                await asyncio.sleep(pause)
        return await work()

    def _begin(self, call_id: int) -> None:
        task = asyncio.create_task(self._guarded(call_id))
        self._watched.add(task)
        task.add_done_callback(self._watched.discard)

    async def _guarded(self, call_id: int) -> None:
        try:
            await self.place(call_id)
        except Exception:  # its watch runs out, and the sweep settles it
            log.exception("a call was not seen to its outcome", call=call_id)

    async def _until_next(self) -> float:
        now = self.clock.now()
        async with self.database.platform() as db:
            due: datetime | None = await db.scalar(_NEXT, {"now": now})
        return 1.0 if due is None else min(1.0, max(0.0, (due - now).total_seconds()))

    async def _prepare(self, call_id: int) -> tuple[OutgoingCall, DispatchMetadata | None] | None:
        """What is to be sent, and the persona's way in, unless it is there; None where the call has ended meanwhile."""
        async with self.database.platform() as db:
            call = await lock_call(db, call_id)
            if call is None or call.ended_at is not None or call.trunk_id is None:
                return None
            trunk = await db.get(SipTrunk, call.trunk_id)
            if CALLED_INTO in call.details and trunk is not None and trunk.outbound_trunk_id is not None:
                return _outgoing(call, trunk.outbound_trunk_id, longest=LONGEST_HANDED_OVER), None
            slot_query = select(Slot).where(Slot.session_id == call.session_id).with_for_update()
            slot = (await db.exec(slot_query)).first()
            persona_id = call.details.get("persona_id", 0)
            serving = await find_serving(db, persona_id, project_id=call.project_id)
            if trunk is None or trunk.outbound_trunk_id is None or slot is None or serving is None:
                await settle(db, self.clock, call, Outcome("failed", None, "its trunk or its agent is gone"))
                return None
            secret = new_secret()
            slot.ticket_hash, slot.dispatched_at = fingerprint(secret), self.clock.now()
            dispatch = dispatch_of(Ticket(secret, persona_id), serving.persona.name)
            outgoing = _outgoing(call, trunk.outbound_trunk_id, longest=serving.persona.max_call_duration + 60)
        return outgoing, dispatch

    async def _dial(self, call: OutgoingCall, dispatch: DispatchMetadata | None) -> Outcome:
        if dispatch is None:
            return await self._call(call)
        try:
            await self.media.create_room(call.room, empty_timeout=ROOM_EMPTY_TIMEOUT, max_participants=0, metadata="")
            bringing = self.media.dispatch(call.room, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
            outcome, brought = await asyncio.gather(self._call(call), bringing, return_exceptions=True)
        except PlatformError as error:
            return Outcome("failed", None, error.message)
        if isinstance(brought, BaseException):
            log.warning("the persona of a call was not dispatched; the supervisor tries again", room=call.room)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _call(self, call: OutgoingCall) -> Outcome:
        for _ in range(AWAY_TRIES):
            try:
                return await self.dialer.call(call)
            except SipRefusedError as error:
                return Outcome("failed", None, str(error))
            except SipAwayError as error:
                log.warning("a call waits for a SIP service", reason=str(error))
                await asyncio.sleep(AWAY_PAUSE)
        return Outcome("failed", None, "no SIP service is connected")

    async def _look(self, call_id: int, room: str, identity: str) -> None:
        """Until it rings; then there is nothing to look for."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                person = await self.media.find_participant(room, identity)
            except PlatformError:
                continue
            status = person.attributes.get("sip.callStatus")
            if status == "ringing":
                async with self.database.platform() as db:
                    call = await lock_call(db, call_id)
                    if call is not None:
                        ring(db, self.clock, call)
            if status in ("ringing", "active", "automation"):
                return


def _outgoing(call: Call, trunk_id: str, *, longest: float) -> OutgoingCall:
    return OutgoingCall(
        trunk_id=trunk_id,
        number=call.phone_number,
        caller_id=call.caller_id or "",
        room=call.room_name,
        identity=call.identity,
        ringing=RINGING,
        longest=longest,
        name=call.phone_number,
    )


async def sweep_calls(database: Database, clock: Clock) -> int:
    """Settle calls that nobody watches any more: their process died, or no hook told of their end. How many."""
    now = clock.now()
    async with database.platform() as db:
        query = select(Call.id).where(col(Call.ended_at).is_(None), col(Call.watched_until) < now)
        unwatched = (await db.exec(query.limit(100))).all()
    for call_id in unwatched:
        async with database.platform() as db:
            call = await lock_call(db, call_id)
            if call is not None and call.ended_at is None:
                await _settle_unwatched(db, clock, call)
    return len(unwatched)


async def hang_up_leftovers(database: Database, clock: Clock, dialer: Dialer) -> int:
    """Hang up phones whose conversation is over, where their room goes on without it. How many."""
    over = clock.now() - LEFT_OVER
    async with database.platform() as db:
        query = (
            select(Call.room_name, Call.identity)
            .join(Session, (col(Session.id) == Call.session_id) & (col(Session.project_id) == Call.project_id))
            .where(
                col(Call.ended_at).is_(None),
                col(Call.answered_at).is_not(None),
                col(Session.ended_at) < over,
                Session.end_reason != "transferred",
            )
            .limit(LEFT_OVER_AT_ONCE)
        )
        phones = (await db.exec(query)).all()
    for room_name, identity in phones:
        try:
            await dialer.hang_up(room_name, identity)
        except (SipAwayError, SipRefusedError) as error:
            log.warning("a phone was not hung up", room=room_name, reason=str(error))
    return len(phones)


async def _settle_unwatched(db: Db, clock: Clock, call: Call) -> None:
    stay = (
        select(Participant)
        .join(Room, col(Room.id) == Participant.room_id)
        .where(Room.full_name == call.room_name, Participant.identity == call.identity)
        .order_by(col(Participant.id).desc())
    )
    phone = (await db.exec(stay.limit(1))).first()
    if phone is not None and phone.left_at is None:
        # It has been there for longer than a phone that we called may ring: somebody has answered.
        if call.status in BEFORE_ANSWER and call.direction == "outbound":
            await settle(db, clock, call, Outcome("answered"))
        call.watched_until = clock.now() + WATCHED
    elif call.answered_at is not None:
        await settle(db, clock, call, Outcome("ended", None, "hung up"))
    else:
        await settle(db, clock, call, of_departure("unknown", rang=call.status == "ringing"))
