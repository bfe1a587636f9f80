"""Placing calls: at the pace of their trunk, each at most once, and watched until there is an answer or none."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import text
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME, APART
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import PlatformError, Unavailable
from control_plane.events.wake import Listener
from control_plane.ids import fingerprint
from control_plane.media.server import MediaServer
from control_plane.personas.serving import find_serving
from control_plane.sessions.models import Session, Slot
from control_plane.sessions.slots import Ticket, dispatch_of, new_secret
from control_plane.telephony.carriers import ClosedAddressError, TrunkRules, find_carrier
from control_plane.telephony.dialling import PLACED
from control_plane.telephony.gate import judge_again
from control_plane.telephony.models import Call, DialDecision, SipTrunk
from control_plane.telephony.numbers import find_number, host_of
from control_plane.telephony.queueing import ATTENDED, HELD_BACK, RINGING, SLOW, WATCHED, CallQueue
from control_plane.telephony.settling import (
    CALLED_INTO,
    GRACE,
    LONGEST_HANDED_OVER,
    NOBODY_WAITS,
    SPEAKING,
    lock_call,
    ring,
    settle,
    settle_answered,
    shorter,
)
from control_plane.telephony.trunks import trunks_of
from guard.outbound import Outbound
from sip.dialer import Dialer, OutgoingCall, SipAwayError, SipRefusedError
from sip.outcomes import Outcome

ROOM_EMPTY_TIMEOUT: Final = 60
AT_ONCE: Final = 500
"""Calls one process watches while they ring."""
LOOK_EVERY: Final = 0.25
"""Seconds between looks at whether it rings: LiveKit has no hook for it."""
BREATH: Final = 0.05
"""Seconds between passes of which the last found nothing that it could take."""
FOR_PLACES: Final = 0.25
"""The same of a pass that left calls waiting because no worker has a place for them."""
LOOK_SOON: Final = 0.03
"""Seconds between looks at whether the phone of such a call is in its room."""
LEADS: Final = 50
"""Calls of which the quickest says how soon an INVITE may go out."""
PAUSES: Final = (0.05, 0.5, 2.0)
"""Seconds after which rows are tried again."""
AWAY_TRIES, AWAY_PAUSE = 5, 2.0
"""Without a SIP service nothing is sent, and it is tried again this often, after this many seconds each."""

_SENT = text("update sip_trunk set last_placed_at = :sent where id = :trunk and last_placed_at = :held")

T = TypeVar("T")
Prepared = tuple[OutgoingCall, DispatchMetadata | None, SipTrunk, datetime]
"""What is to be sent, the persona's way in unless it is there, the trunk, and when it was decided."""

log = structlog.get_logger()


class CallPlacer:
    """Takes queued calls, oldest first, no faster than their trunk allows, and sees each to its outcome."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        media: MediaServer,
        dialer: Dialer,
        outbound: Outbound,
        rules: TrunkRules | None = None,
    ) -> None:
        self.database, self.clock, self.media, self.dialer, self.outbound = database, clock, media, dialer, outbound
        self.rules = rules or TrunkRules()
        self._watched: set[asyncio.Task[None]] = set()
        self._leads: deque[float] = deque(maxlen=LEADS)
        self.queue = CallQueue(database, clock)

    async def run(self, url: str) -> None:
        """Work until cancelled; calls that ring are then finished by whoever comes after."""
        try:
            async with Listener(url, PLACED).listening() as listener:
                while True:
                    pause = 1.0
                    try:
                        claimed = await self.claim()
                        for call_id in claimed:
                            self._begin(call_id)
                        pause = FOR_PLACES if self.queue.wants_place else 0.0 if claimed else BREATH
                        pause = max(pause, await self.queue.until_next())
                        if len(self._watched) >= AT_ONCE:
                            await asyncio.wait(self._watched, return_when=asyncio.FIRST_COMPLETED)
                    except PlatformError as error:
                        log.warning("calls are not placed", reason=error.message)
                    await listener.wait(pause)
        finally:
            for task in self._watched:
                task.cancel()
            await asyncio.gather(*self._watched, return_exceptions=True)

    async def claim(self) -> list[int]:
        """Calls whose time has come, marked as placed: from now on nobody sends them again."""
        return await self.queue.take() if len(self._watched) < AT_ONCE else []

    async def place(self, call_id: int) -> None:
        """Bring the persona and the phone into the room, and write down what became of it."""
        prepared = await self._persist(partial(self._prepare, call_id))
        if prepared is None:
            return
        call, dispatch, trunk, placed_at = prepared
        looking = asyncio.create_task(self._look(call_id, call))
        pacing = asyncio.create_task(self._pace(call, trunk, placed_at))
        try:
            await self._judge_carrier(call, trunk)
            outcome = await self._dial(call_id, call, dispatch)
        except ClosedAddressError as error:
            outcome = Outcome("failed", None, str(error), left=False)
        finally:
            looking.cancel()
            pacing.cancel()
            await asyncio.gather(looking, pacing, return_exceptions=True)
        wanted = await self._persist(partial(self._settle, call_id, outcome))
        if outcome.status == "answered" and not wanted:
            await self._take_back(call)

    async def _judge_carrier(self, call: OutgoingCall, trunk: SipTrunk) -> None:
        """What was judged when it was given is judged where it is used: its name may lead elsewhere by now. Raises
        `ClosedAddressError`."""
        await find_carrier(self.outbound, call.host or trunk.address)
        if not self.rules.trusting:
            return
        slug, own = await self._persist(partial(self._carriers_of, trunk.project_id))
        if call.host:
            is_others = await self.rules.leads_to_trusting(self.outbound, call.host, own)
        else:
            is_others = await self.rules.leads_to_foreign(self.outbound, trunk.address, slug)
        if is_others:
            raise ClosedAddressError("It leads to a carrier that other projects call by")

    async def _carriers_of(self, project_id: int) -> tuple[str, set[str]]:
        """The slug of a project, and the hosts of its trunks."""
        async with self.database.platform() as db:
            slug = (await db.exec(select(Project.slug).where(Project.id == project_id))).one()
            trunks = (await db.exec(trunks_of(project_id))).all()
        return slug, {host_of(each.address) for each in trunks}

    async def _pace(self, call: OutgoingCall, trunk: SipTrunk, placed_at: datetime) -> None:
        """Count the trunk's next call from when this one was sent, not from when that was decided."""
        if trunk.calls_per_second > SLOW:
            return
        try:
            # LiveKit knows, and has no hook that is quick enough.
            while self.clock.now() < placed_at + HELD_BACK and not await self._is_there(call):
                await self.clock.sleep(LOOK_SOON)
        finally:
            await self._count_from(trunk.id, placed_at)

    async def _is_there(self, call: OutgoingCall) -> bool:
        try:
            await self.media.find_participant(call.room, call.identity)
        except PlatformError:
            return False
        return True

    async def _count_from(self, trunk_id: int, placed_at: datetime) -> None:
        now = self.clock.now()
        earliest = min(self._leads, default=0.0)
        self._leads.append((now - placed_at).total_seconds())
        lead = max(0.0, min(earliest, self._leads[-1]) - 2 * LOOK_SOON)
        values = {"trunk": trunk_id, "held": placed_at + HELD_BACK, "sent": now - timedelta(seconds=lead)}
        async with self.database.platform() as db:
            await db.execute(_SENT, values)
            await db.execute(text(f"select pg_notify('{PLACED}', '')"))  # the next may be due already

    async def _settle(self, call_id: int, outcome: Outcome) -> bool:
        """Write the outcome down; False where the call had been hung up before."""
        async with self.database.platform() as db:
            row = await lock_call(db, call_id)
            wanted = row is not None and row.ended_at is None
            if row is not None and wanted and outcome.status == "answered":
                await settle_answered(db, self.clock, row)
            elif row is not None:
                await settle(db, self.clock, row, outcome)
        return wanted

    async def _take_back(self, call: OutgoingCall) -> bool:
        """Hang up a phone that nobody wants any more; False where it could not be done."""
        try:
            await self.dialer.hang_up(call.room, call.identity)
        except (SipAwayError, SipRefusedError) as error:
            log.warning("a phone was not hung up", reason=str(error), **{"pii.room": call.room})
            return False
        return True

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Work on rows, tried again where the database cannot do it now: nobody else knows what became of the call."""
        for pause in PAUSES:
            try:
                return await work()
            except Unavailable:
                await self.clock.sleep(pause)
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

    async def _prepare(self, call_id: int) -> Prepared | None:
        """None where the call has ended meanwhile."""
        async with self.database.platform() as db:
            call = await lock_call(db, call_id)
            if call is None or call.ended_at is not None or call.trunk_id is None:
                return None
            trunk = await db.get(SipTrunk, call.trunk_id)
            # It may have waited: a quiet hour has begun, or somebody is not to be called any more.
            refused = await _judge_again(db, call, now=self.clock.now())
            if refused is not None:
                await settle(db, self.clock, call, Outcome("failed", None, refused.steps[-1]["said"], left=False))
                return None
            if CALLED_INTO in call.details:
                return await self._prepare_second(db, call, trunk)
            if ATTENDED in call.details:
                return await self._prepare_line(db, call, trunk)
            slot_query = select(Slot).where(Slot.session_id == call.session_id).with_for_update()
            slot = (await db.exec(slot_query)).first()
            persona_id = call.details.get("persona_id", 0)
            serving = await find_serving(db, persona_id, project_id=call.project_id)
            if trunk is None or trunk.outbound_trunk_id is None or slot is None or serving is None:
                gone = Outcome("failed", None, "its trunk or its agent is gone", left=False)
                await settle(db, self.clock, call, gone)
                return None
            secret = new_secret()
            slot.ticket_hash, slot.dispatched_at = fingerprint(secret), self.clock.now()
            dispatch = dispatch_of(Ticket(secret, persona_id), serving.persona.name)
            call.longest_seconds = shorter(call.longest_seconds, serving.persona.max_call_duration)
            outgoing = _outgoing(call, trunk.outbound_trunk_id, longest=call.longest_seconds + GRACE)
        return outgoing, dispatch, trunk, call.placed_at or self.clock.now()

    async def _prepare_line(self, db: Db, call: Call, trunk: SipTrunk | None) -> Prepared | None:
        """The same for a meeting that is called into the room of a bot: nobody else is brought there."""
        if trunk is None or trunk.outbound_trunk_id is None:
            await settle(db, self.clock, call, Outcome("failed", None, "its trunk is gone", left=False))
            return None
        outgoing = _outgoing(call, trunk.outbound_trunk_id, longest=_longest_of(call))
        user, at, host = call.phone_number.partition(":")[2].partition("@")
        if at:
            outgoing = replace(outgoing, number=user, host=host)
        outgoing = replace(outgoing, name="Meeting", keys=call.details.get("press", ""))
        return outgoing, None, trunk, call.placed_at or self.clock.now()

    async def _prepare_second(self, db: Db, call: Call, trunk: SipTrunk | None) -> Prepared | None:
        """The same for a phone that is called into the room of another, where somebody still waits for it."""
        waiting = (
            select(Call.id)
            .join(Session, (col(Session.id) == Call.session_id) & (col(Session.project_id) == Call.project_id))
            .where(Call.id == call.details[CALLED_INTO], col(Call.ended_at).is_(None), col(Session.ended_at).is_(None))
        )
        if trunk is None or trunk.outbound_trunk_id is None:
            await settle(db, self.clock, call, Outcome("failed", None, "its trunk is gone", left=False))
        elif (await db.exec(waiting)).first() is None:
            await settle(db, self.clock, call, NOBODY_WAITS)
        else:
            outgoing = _outgoing(call, trunk.outbound_trunk_id, longest=_longest_of(call))
            outgoing = replace(outgoing, attributes={APART: "yes"})  # until it has taken the call
            return outgoing, None, trunk, call.placed_at or self.clock.now()
        return None

    async def _dial(self, call_id: int, call: OutgoingCall, dispatch: DispatchMetadata | None) -> Outcome:
        if dispatch is None:
            return await self._call(call_id, call)
        try:
            await self.media.create_room(call.room, empty_timeout=ROOM_EMPTY_TIMEOUT, max_participants=0, metadata="")
            bringing = self.media.dispatch(call.room, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
            outcome, brought = await asyncio.gather(self._call(call_id, call), bringing, return_exceptions=True)
        except PlatformError as error:
            return Outcome("failed", None, error.message, left=False)
        if isinstance(brought, BaseException):
            log.warning("the persona of a call was not dispatched; the supervisor tries again", call=call_id)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _call(self, call_id: int, call: OutgoingCall) -> Outcome:
        for _ in range(AWAY_TRIES):
            if not await self._persist(partial(self._watch_on, call_id)):
                return NOBODY_WAITS
            try:
                return await self.dialer.call(call)
            except SipRefusedError as error:
                return Outcome("failed", None, str(error), left=False)
            except SipAwayError as error:
                log.warning("a call waits for a SIP service", reason=str(error))
                await self.clock.sleep(AWAY_PAUSE)
        return Outcome("failed", None, "no SIP service is connected", left=False)

    async def _watch_on(self, call_id: int) -> bool:
        """Answer for a call for as long as a try takes; False where it has ended, or its bot has left."""
        async with self.database.platform() as db:
            row = await lock_call(db, call_id)
            if row is None or row.ended_at is not None:
                return False
            if ATTENDED in row.details:
                session = await db.get(Session, row.session_id)
                if session is None or session.ended_at is not None:
                    return False
            row.watched_until = self.clock.now() + WATCHED
        return True

    async def _look(self, call_id: int, call: OutgoingCall) -> None:
        """Until it rings; then there is nothing to look for. One that was hung up on its way into the room is ended."""
        while True:
            await self.clock.sleep(LOOK_EVERY)
            try:
                person = await self.media.find_participant(call.room, call.identity)
                status = person.attributes.get("sip.callStatus")
                if status not in ("ringing", *SPEAKING):
                    continue
                async with self.database.platform() as db:
                    row = await lock_call(db, call_id)
                    wanted = row is not None and row.ended_at is None
                    if row is not None and status == "ringing":
                        ring(db, self.clock, row)
            except PlatformError:
                continue
            if wanted or await self._take_back(call):
                return


def _longest_of(call: Call) -> float:
    return (call.longest_seconds or LONGEST_HANDED_OVER) + GRACE


async def _judge_again(db: Db, call: Call, *, now: datetime) -> DialDecision | None:
    try:
        number = find_number(call.phone_number)
    except ValueError:  # a room of a SIP server, which is no telephone
        number = None
    if number is None:
        return None
    return await judge_again(db, call, number, now=now)


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
