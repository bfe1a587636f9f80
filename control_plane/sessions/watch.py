"""Conversations that nobody ends any more: their room is gone, their worker is lost, their job never began."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import and_, exists, not_, or_
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import col, delete, select

from agents.attendance import HOST_PREFIX
from agents.contract import EndReason
from control_plane import metrics
from control_plane.clock import SKEW, Clock, Sight, Stillness
from control_plane.db.database import Database, Db
from control_plane.db.leadership import IS_SHARED, Lock
from control_plane.events.log import EventLog
from control_plane.personas.serving import SCRIBE
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.repository import RoomRepository
from control_plane.sessions.ending import (
    BACK_WITHIN,
    end_failed,
    end_job,
    end_session,
    end_without,
    give_up_on,
    is_attended,
    lock_running,
    lock_session,
    people_left,
)
from control_plane.sessions.models import Session, SessionJob, SessionStatus, Slot, Worker
from control_plane.sessions.slots import persona_identity

START_WITHIN = timedelta(seconds=120)
"""A job that has not said "started" this long after its ticket was exchanged has failed. Workers say so sooner, after
as long as they give a process to be started and to start, and of one that is gone the lease runs out: one that its
worker still holds has begun, and its report waits for a control plane or a database that is busy."""

TOLD_WITHIN = timedelta(minutes=5)
"""In which people are told, or handed on, whose conversation was given up; it has failed then in any case."""
LOST_WITHIN = timedelta(seconds=1)
"""How long the calls of a worker live after it was seen to close its uplink, which one that lives opens again within a
tenth of that."""
AT_ONCE = 100
"""Jobs that a pass fails, and conversations that it gives up."""

log = structlog.get_logger()


async def room_gone(db: Db, clock: Clock, full_name: str, sid: str) -> None:
    """A room has ended: so has its session, unless the name is in use again."""
    open_room = await db.exec(select(Room.sid).where(Room.full_name == full_name, Room.status == RoomStatus.OPEN))
    if open_room.one_or_none() not in (None, sid):
        return
    active = select(Session.id, Session.project_id).where(
        Session.room_name == full_name, Session.status == SessionStatus.ACTIVE
    )
    row = (await db.exec(active)).one_or_none()
    session = row and await lock_session(db, row[0], project_id=row[1])
    if session:
        outcome: str = "ok"
        reason: EndReason = "room_closed"
        if session.giving_up is not None:
            await end_failed(db, EventLog(db, clock), session, at=clock.now())
            return
        if (lost_at := await _waits_since(db, session)) is not None:
            outcome, reason = await end_without(db, session, lost_at)
        elif session.announced_at is None:
            if await _is_held(db, session, at=clock.now()):
                return
            outcome, reason = "abandoned", "not_started"
        await end_session(db, EventLog(db, clock), session, outcome=outcome, reason=reason, at=clock.now())


async def _is_held(db: Db, session: Session, *, at: datetime) -> bool:
    """Whether a worker that lives answers for a session: how it began, and that it is over, is being told, or its lease
    runs out."""
    query = (
        select(SessionJob.id)
        .join(Worker, col(Worker.id) == SessionJob.worker_id)
        .where(
            SessionJob.session_id == session.id,
            col(SessionJob.ended_at).is_(None),
            SessionJob.lease_until > at,
            ~col(SessionJob.identity).startswith(HOST_PREFIX),
            col(Worker.connected),
        )
    )
    return (await db.exec(query.limit(1))).first() is not None


async def _waits_since(db: Db, session: Session) -> datetime | None:
    """When the persona of a session was lost, where that is the last that is known of it."""
    query = select(SessionJob).where(SessionJob.session_id == session.id).order_by(col(SessionJob.epoch).desc())
    last = (await db.exec(query.limit(1))).first()
    return last.lost_at if last is not None else None


async def give_up(database: Database, clock: Clock) -> None:
    """Give up the conversations whose persona was lost and has not come back in time, and fail those that were given
    up and go on all the same. People whose scribe was lost talk on without it."""
    now = clock.now()
    scribe = persona_identity(SCRIBE)
    job = aliased(SessionJob)
    running = exists().where(col(job.session_id) == Session.id, col(job.ended_at).is_(None))
    late = exists().where(
        col(job.session_id) == Session.id, col(job.lost_at) < now - BACK_WITHIN, col(job.identity) != scribe
    )
    of_late = exists().where(col(job.session_id) == Session.id, col(job.ended_at) > now - BACK_WITHIN - TOLD_WITHIN)
    given_up = and_(col(Session.giving_up).is_not(None), not_(of_late))
    query: Any = select(Session.id, Session.project_id).where(
        Session.status == SessionStatus.ACTIVE,
        or_(and_(late, col(Session.giving_up).is_(None)), given_up),
        not_(running),
    )
    async with database.platform() as db:
        sessions = (await db.exec(query.limit(AT_ONCE))).all()
    for session_id, project_id in sessions:
        async with database.platform() as db:
            session = await lock_session(db, session_id, project_id=project_id)
            if session is None or session.status != SessionStatus.ACTIVE:
                continue
            if session.giving_up is not None:
                await end_failed(db, EventLog(db, clock), session, at=now)
            elif (lost_at := await _waits_since(db, session)) is not None:
                log.warning("nobody came back", session=session_id)
                if await is_attended(db, session):
                    await give_up_on(db, session, "worker_lost", at=now)
                else:
                    outcome, reason = await end_without(db, session, lost_at)
                    await end_session(db, EventLog(db, clock), session, outcome=outcome, reason=reason, at=now)


class Seen(NamedTuple):
    """A job as a look found it: no more of it, as all that run are looked at twice a second."""

    id: int
    session_id: int
    project_id: int
    lease_until: datetime
    started_at: datetime | None
    has_uplink: bool | None
    """Of its worker, None of one that nobody knows."""


class LeaseWatch:
    """Misses jobs whose lease nobody renews.

    A lease has run out once this process, by its own monotonic clock, has seen it stay as it is for as long as it was
    given. So neither a wall clock that is set nor one of another host that differs ends a call. Only one of the
    processes watches at a time; who takes over begins to count anew, and so does who could not look for a while: the
    database was away for those who renew as well. Nor is any time counted in which no control plane was there to hear
    of workers: what they have to say they say when one is back.
    """

    def __init__(self, database: Database, clock: Clock, *, lease: timedelta) -> None:
        self.database, self.clock, self.lease = database, clock, lease
        self._renewed, self._accepted = Stillness[int](clock), Stillness[int](clock)
        self._sight = Sight(clock)

    async def sweep(self) -> int:
        """Fail jobs whose lease has run out or that never began, and forget expired slots; how many jobs that were."""
        dead = (await self._look())[:AT_ONCE]
        failed = 0
        for job, overdue, waits in dead:
            async with self.database.platform() as db:
                failed += await fail_job(db, self.clock, job, overdue=overdue, waits_for_report=waits)
        return failed

    async def _look(self) -> list[tuple[Seen, bool, bool]]:
        """Jobs that nobody answers for; and of each whether it should long have begun, and whether what its worker has
        to say may still come."""
        now = self.clock.now()
        async with self.database.platform() as db:
            # Whoever takes a slot looks at its time; here they only make room, and none goes that a clock misjudges.
            await db.exec(delete(Slot).where(col(Slot.session_id).is_(None), col(Slot.expires_at) < now - SKEW))
            query = (
                select_columns(*(col(getattr(SessionJob, name)) for name in Seen._fields[:-1]), col(Worker.connected))
                .outerjoin(Worker, col(Worker.id) == SessionJob.worker_id)
                .where(
                    ~col(SessionJob.identity).startswith(HOST_PREFIX),  # bots are sent again: `bots.watching`
                    col(SessionJob.ended_at).is_(None),
                )
            )
            running = (await db.execute(query)).all()
            is_heard = await db.scalar(IS_SHARED, {"lock": Lock.HEARING})
        if not self._sight.look() or not is_heard:
            self._renewed, self._accepted = Stillness[int](self.clock), Stillness[int](self.clock)
        self._renewed.look()
        self._accepted.look()
        dead = []
        for job in map(Seen._make, running):
            unrenewed = self._renewed.of(job.id, job.lease_until)
            unstarted = self._accepted.of(job.id) if job.started_at is None else 0.0
            given = self.lease if job.has_uplink else min(LOST_WITHIN, self.lease)
            overdue = unstarted >= START_WITHIN.total_seconds()
            if overdue or unrenewed >= given.total_seconds():
                dead.append((job, overdue, bool(job.has_uplink) and unrenewed < BACK_WITHIN.total_seconds()))
        return dead


async def fail_job(db: Db, clock: Clock, seen: Seen, *, overdue: bool, waits_for_report: bool) -> bool:
    """End a job that nobody answers for, as it was `seen`, unless it has begun or its lease was renewed since, which
    helps none that is `overdue`; with the last one its session has failed. Whether it was ended."""
    running = await lock_running(db, seen.id, seen.session_id, project_id=seen.project_id)
    if running is None:
        return False
    session, job, now = running.session, running.job, clock.now()
    if job.started_at != seen.started_at or (job.lease_until != seen.lease_until and not overdue):
        return False  # it was heard of since it was looked at
    if not overdue and await _speaks_on(db, session, job):
        return False
    if job.started_at is not None and waits_for_report and await _all_have_left(db, session):
        return False
    reason: EndReason = "worker_lost" if job.started_at is not None else "not_started"
    metrics.LEASES_EXPIRED.inc()
    log.warning("call failed", session=session.id, reason=reason, worker=job.worker_id)
    await end_job(db, EventLog(db, clock), running, outcome="failed", reason=reason, at=now)
    return True


async def _all_have_left(db: Db, session: Session) -> bool:
    """Whether a call is over as LiveKit tells it: people were there, and nobody is.

    So it is where its caller hung up while no control plane was there to hear so from its worker, which keeps that
    report, and has no reason to renew the lease of what is over. Nobody waits for anything meanwhile.
    """
    left = await people_left(db, session)
    return bool(left) and all(at is not None for at in left)


async def _speaks_on(db: Db, session: Session, job: SessionJob) -> bool:
    """Whether a call whose lease ran out goes on all the same: its worker was not seen to go, and
    LiveKit shows the persona.

    So it is while no control plane is there to hear of its worker, also that it has begun: a running call needs none.
    """
    connected = select(Worker.connected).where(Worker.id == job.worker_id)
    if not (await db.exec(connected)).one_or_none():
        return False
    is_it = col(Participant.identity) == job.identity
    return await RoomRepository(db, session.project_id).has_present(session.room_name, is_it)
