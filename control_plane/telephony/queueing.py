"""Calls that wait to be placed: at the pace of their trunk, in turn between projects, where a worker has a place."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, text
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.sessions.models import Slot
from control_plane.sessions.places import lock_places
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.settling import CALLED_INTO, tell_status

RINGING: Final = 45.0
"""Seconds a phone may ring."""
ATTENDED: Final = "attended_by"
"""In the details of a call into a meeting: the bot that sits in its room. `press` beside it: keys for the meeting."""
WATCHED: Final = timedelta(seconds=RINGING + 15)
"""How long the process that places a call answers for it, from each try on."""
SLOW, HELD_BACK = 2.0, timedelta(seconds=2)
"""A trunk that takes so many calls a second or fewer has its next call counted from when the carrier heard of the last:
an INVITE goes out as soon as its phone is in the room, which takes now 0.1 s, now 0.5 s. So long the next call waits
for that to be seen, at looks so many seconds apart."""

_IS_DUE = """
    trunk.deleted_at is null
        and exists (select from call where call.trunk_id = trunk.id and call.status = 'queued')
        and (trunk.last_placed_at is null
            or trunk.last_placed_at + make_interval(secs => 1 / trunk.calls_per_second) <= :now)
"""
_ANY_DUE = text(f"select exists (select from sip_trunk trunk where {_IS_DUE})")  # noqa: S608 - our own text
# The trunk's row is the pace: whoever holds its lock decides, and looks again once its second has passed. Whose last
# call was taken the longest ago is next, and has one before anybody has two; a project's trunks have one turn together.
_DUE = text(f"""
    with due as (
        select trunk.id,
            row_number() over (partition by trunk.project_id order by trunk.last_placed_at nulls first) as place,
            (select max(any_of.turn) from sip_trunk any_of where any_of.project_id = trunk.project_id) as turn
        from sip_trunk trunk where {_IS_DUE}
    )
    select trunk.id, (select max(turn) from sip_trunk) as last_turn
    from sip_trunk trunk join due on due.id = trunk.id where {_IS_DUE}
    order by due.place, due.turn, trunk.id limit 50 for update of trunk skip locked
""")  # noqa: S608
_NEXT = text("""
    select min(coalesce(trunk.last_placed_at + make_interval(secs => 1 / trunk.calls_per_second), :now))
    from sip_trunk trunk where trunk.deleted_at is null
        and exists (select from call where call.trunk_id = trunk.id and call.status = 'queued')
""")


class CallQueue:
    """Takes queued calls, oldest first, no faster than their trunk allows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.wants_place = False
        """Whether the last look left a call waiting because no worker has a place for it."""

    async def take(self) -> list[int]:
        """One call of every trunk whose time has come, marked as placed: from now on nobody sends it again.

        Projects take turns. A call that needs a persona is taken where a worker has a place, which is kept for it.
        """
        self.wants_place = False
        now = self.clock.now()
        claimed: list[int] = []
        async with self.database.platform() as db:
            if not await db.scalar(_ANY_DUE, {"now": now}):
                return []
            # First of all locks, and the last that is waited for: so turns are in order whoever takes them.
            free = await lock_places(db, self.clock)
            for trunk_id, last_turn in (await db.execute(_DUE, {"now": now})).all():
                trunk = await db.get(SipTrunk, trunk_id)
                call, held = await self._next_of(db, trunk_id, with_place=free > 0)
                if call is None or trunk is None:
                    continue
                if held is not None:
                    held.promised_until = now + WATCHED
                    free -= 1
                call.placed_at = now
                trunk.turn = last_turn + len(claimed) + 1
                trunk.last_placed_at = now + (HELD_BACK if trunk.calls_per_second <= SLOW else timedelta())
                call.status, call.watched_until = "dialing", now + WATCHED
                tell_status(db, self.clock, call)
                claimed.append(call.id)
        return claimed

    async def _next_of(self, db: Db, trunk_id: int, *, with_place: bool) -> tuple[Call | None, Slot | None]:
        """The next queued call of a trunk and the slot of its persona; without a place, the next that needs none.
        Never waits for a lock."""
        second, line = col(Call.details)[CALLED_INTO].astext, col(Call.details)[ATTENDED].astext
        query = select(Call).where(Call.trunk_id == trunk_id, Call.status == "queued")
        query = query.order_by(second.is_(None), col(Call.id)).limit(1)  # a caller waits for whom they are handed to
        if not with_place:
            alone = query.where(or_(second.is_not(None), line.is_not(None)))
            call = (await db.exec(alone.with_for_update(skip_locked=True))).first()
            self.wants_place = self.wants_place or call is None
            return call, None
        call = (await db.exec(query.with_for_update(skip_locked=True))).first()
        if call is None or CALLED_INTO in call.details or ATTENDED in call.details:
            return call, None
        slot = select(Slot).where(Slot.session_id == call.session_id)
        held = (await db.exec(slot.with_for_update(skip_locked=True))).first()
        gone = held is None and (await db.exec(slot)).first() is None  # it is told so as it is placed
        return (call if held is not None or gone else None), held

    async def until_next(self) -> float:
        """Seconds until the next trunk may place a call, at most one."""
        now = self.clock.now()
        async with self.database.platform() as db:
            due: datetime | None = await db.scalar(_NEXT, {"now": now})
        return 1.0 if due is None else min(1.0, max(0.0, (due - now).total_seconds()))
