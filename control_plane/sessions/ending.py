"""How a conversation is announced and how it ends, whoever ends it."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import exists, text
from sqlmodel import col, delete, func, select, update

from agents.attendance import HOST_PREFIX
from agents.contract import EndReason
from control_plane import metrics
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue, hasten
from control_plane.media.server import MediaServer
from control_plane.personas.serving import SCRIBE
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus
from control_plane.rooms.repository import PEOPLE, RoomRepository
from control_plane.sessions.lines import write_begun
from control_plane.sessions.models import BOT, Session, SessionJob, SessionStatus, Slot
from control_plane.sessions.slots import persona_identity

CLOSE_ROOM = "room.close"
"""Job: delete a room in LiveKit. Payload: room_name, room_id; without an id whatever room has the name."""
GIVE_UP = "session.give_up"
"""Job: have people whom nothing helps any more told so, or handed on, and end it. Payload: project_id, session_id."""
ANALYSE = "session.analyse"
"""Job: find out what a conversation came to. Payload: session_id."""
LOST: Final = ("worker_lost", "not_started", "displaced")
PERSONA_LOST: Final = "parley_persona_lost"
"""PostgreSQL channel: somebody is without their persona."""
DUE: Final = timedelta(hours=1)
"""How long ago the dispatch of a lost persona is said to be, so that the next one is due, by anybody's clock."""
BACK_WITHIN: Final = timedelta(seconds=60)
"""In which a persona that was lost is in its conversation again, or that has failed: a worker starts in this time."""
NOTICED: Final = timedelta(seconds=2.5)
"""How long nobody misses a persona: what a caller who spoke to one waits for a filler at the most."""
MOST_LOST: Final = 3
"""Jobs of a persona that one conversation may lose before it has failed."""
MOST_SCRIBES: Final = 20
"""The same of a meeting's scribe: its people talk on without it."""
COMES_BACK_WITHIN = timedelta(hours=1)
"""How long after a conversation began somebody who comes back to its room is known to have been in it."""
LAST_WORDS = timedelta(seconds=1)
"""When after its end a conversation is analysed: its worker may still be telling what was said last."""
BOT_WORDS = timedelta(minutes=11)
"""The same for what a bot heard, unless its host has told all before: what was said waits there to be recognised."""


async def lock_session(db: Db, session_id: int, *, project_id: int) -> Session | None:
    """The session, locked until the commit."""
    query = select(Session).where(Session.id == session_id, Session.project_id == project_id).with_for_update()
    return (await db.exec(query)).one_or_none()


def announce(log: EventLog, session: Session, *, at: datetime) -> None:
    """Tell once that a conversation has begun, unless it is over."""
    if session.announced_at is None and session.status == SessionStatus.ACTIVE:
        session.announced_at = at
        log.append(
            Fact.SESSION_STARTED,
            project_id=session.project_id,
            room_name=session.room_name,
            session_id=session.id,
            agent_config_id=session.persona_id,
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A job that has not ended, in its locked session; `alone` where it is the session's last."""

    session: Session
    job: SessionJob
    alone: bool


async def lock_running(db: Db, job_id: int, session_id: int, *, project_id: int) -> Running | None:
    """A job and its session, locked until the commit; None where the job has ended since it was looked at."""
    session = await lock_session(db, session_id, project_id=project_id)
    return await find_running(db, job_id, session) if session else None


async def find_running(db: Db, job_id: int, session: Session) -> Running | None:
    """A job of a locked session; None where it has ended."""
    query = select(SessionJob).where(
        SessionJob.project_id == session.project_id,
        SessionJob.session_id == session.id,
        col(SessionJob.ended_at).is_(None),
    )
    running = (await db.exec(query)).all()
    job = next((job for job in running if job.id == job_id), None)
    return Running(session, job, alone=len(running) == 1) if job else None


async def has_running(db: Db, session_id: int) -> bool:
    """Whether a job of a session has not ended."""
    job = select(SessionJob.id).where(SessionJob.session_id == session_id, col(SessionJob.ended_at).is_(None))
    return (await db.exec(job.limit(1))).first() is not None


async def end_job(db: Db, log: EventLog, running: Running, *, outcome: str, reason: EndReason, at: datetime) -> None:
    """End a job; with the last one its session, unless another job of its persona is to come, or to apologise."""
    job, session = running.job, running.session
    job.ended_at = at
    if reason in LOST:
        await write_begun(db, log, session, job)
    job.begun = None
    if session.giving_up is not None:
        if running.alone:
            await end_failed(db, log, session, at=at)
    elif reason in LOST and await is_attended(db, session) and not job.identity.startswith(HOST_PREFIX):
        is_scribe = job.identity == persona_identity(SCRIBE)
        if await _count_lost(db, job) < (MOST_SCRIBES if is_scribe else MOST_LOST):
            job.lost_at = at
            mine = (col(Slot.session_id) == session.id, col(Slot.persona_ids).contains([job.persona_id]))
            await db.exec(update(Slot).where(*mine).values(dispatched_at=at - DUE, promised_until=at + BACK_WITHIN))
            await db.execute(text(f"select pg_notify('{PERSONA_LOST}', '')"))
        elif running.alone and is_scribe:
            await end_session(db, log, session, outcome=outcome, reason=reason, at=at)
        elif running.alone:
            await give_up_on(db, session, reason, at=at)
    elif running.alone:
        if reason == "worker_lost":
            outcome, reason = await end_without(db, session, at)
        await end_session(db, log, session, outcome=outcome, reason=reason, at=at)


async def give_up_on(db: Db, session: Session, reason: EndReason, *, at: datetime) -> None:
    """Nobody will speak in a locked session any more but to say so: its people are handed on, or hear an apology, and
    then it has failed (`supervisor.parting`)."""
    if session.giving_up is None:
        session.giving_up = reason
        told = {"project_id": session.project_id, "session_id": session.id}
        await enqueue(db, GIVE_UP, f"{session.id}", run_at=at, **told)


async def end_failed(db: Db, log: EventLog, session: Session, *, at: datetime) -> None:
    """End a locked session that was given up, for the reason that it was given up for."""
    reason: EndReason = session.giving_up or "worker_lost"  # type: ignore[assignment]
    await end_session(db, log, session, outcome="failed", reason=reason, at=at)


async def is_attended(db: Db, session: Session) -> bool:
    """Whether somebody is there who would miss a persona."""
    people = col(Participant.kind).in_(PEOPLE)
    return await RoomRepository(db, session.project_id).has_present(session.room_name, people)


async def people_left(db: Db, session: Session) -> list[datetime | None]:
    """When each of a session's people left, None for who is there."""
    stays = (
        select(Participant.left_at)
        .join(Room, col(Room.id) == Participant.room_id)
        .where(
            Room.project_id == session.project_id,
            Room.full_name == session.room_name,
            col(Participant.kind).in_(PEOPLE),
            Participant.joined_at >= session.started_at - BACK_WITHIN,
        )
    )
    return list((await db.exec(stays)).all())


async def end_without(db: Db, session: Session, lost_at: datetime) -> tuple[str, EndReason]:
    """How a conversation has ended whose people left while it was without its persona: one who hangs up as it is handed
    on has missed nothing."""
    left = await people_left(db, session)
    if left and all(at is not None and at - lost_at < NOTICED for at in left):
        return "ok", "caller_left"
    return "failed", "worker_lost"


async def _count_lost(db: Db, job: SessionJob) -> int:
    mine = (SessionJob.session_id == job.session_id, SessionJob.identity == job.identity)
    return (await db.exec(select(func.count()).where(*mine, col(SessionJob.lost_at).is_not(None)))).one()


async def end_session(
    db: Db,
    log: EventLog,
    session: Session,
    *,
    outcome: str,
    reason: EndReason,
    at: datetime,
    duration: int | None = None,
) -> None:
    """Complete a session: its jobs end, its slots are free, the fact is told once, and a room of its own goes with it.

    Harmless when it has ended already. The session must be locked.
    """
    if session.status != SessionStatus.ACTIVE:
        return
    session.status, session.outcome, session.end_reason, session.ended_at = SessionStatus.COMPLETED, outcome, reason, at
    metrics.SESSIONS_ENDED.labels(outcome, reason).inc()
    session.duration = duration if duration is not None else max(0, round((at - session.started_at).total_seconds()))
    await db.exec(
        update(SessionJob)
        .where(col(SessionJob.session_id) == session.id, col(SessionJob.ended_at).is_(None))
        .values(ended_at=at)
    )
    await db.exec(delete(Slot).where(col(Slot.session_id) == session.id))
    told = {
        "session_id": session.id,
        "agent_config_id": session.persona_id,
        "outcome": outcome,
        "end_reason": reason,
        "duration": session.duration,
    }
    log.append(Fact.SESSION_ENDED, project_id=session.project_id, room_name=session.room_name, **told)
    patience = BOT_WORDS if await is_writing(db, session.id, at=at) else LAST_WORDS
    await wish_analysis(db, session.id, run_at=at + patience)
    if outcome == "failed":
        log.append(Fact.SESSION_FAILED, project_id=session.project_id, room_name=session.room_name, **told)
    if not may_go_on(session, reason):
        await close_own_room(db, session.project_id, session.room_name, at=at)


async def is_writing(db: Db, session_id: int, *, at: datetime) -> bool:
    """Whether a bot's host lives that has not told all that was said."""
    query = select(SessionJob.id).where(
        SessionJob.session_id == session_id,
        col(SessionJob.identity).startswith(HOST_PREFIX),
        col(SessionJob.told_at).is_(None),
        col(SessionJob.lease_until) > at,
    )
    return (await db.exec(query.limit(1))).first() is not None


async def wish_analysis(db: Db, session_id: int, *, run_at: datetime, key: str = "") -> None:
    """Have a session analysed. `key` keeps a wish apart from one that may be under way."""
    wish = secrets.token_hex(8)
    await enqueue(db, ANALYSE, f"{session_id}{key}", run_at=run_at, session_id=session_id, wish=wish)


async def told_all(db: Db, job: SessionJob, *, at: datetime) -> None:
    """Nothing more is to come of a job: its worker said so, or is gone."""
    job.told_at = at
    await hasten(db, ANALYSE, f"{job.session_id}", run_at=at)


def may_go_on(session: Session, reason: str | None) -> bool:
    """Whether people may be talking on without us: behind a transfer, or among themselves without their notetaker."""
    is_written_only = session.persona_id is None and session.agent_name is not None
    return reason == "transferred" or (is_written_only and reason not in ("api", "caller_left"))


async def close_own_room(db: Db, project_id: int, full_name: str, *, at: datetime) -> None:
    """Close a room, unless the customer made it."""
    room = await RoomRepository(db, project_id).find_open(full_name)
    if room is not None and room.origin != RoomOrigin.API:
        await enqueue(db, CLOSE_ROOM, f"{room.id}", run_at=at, room_name=room.full_name, room_id=room.id)


async def close_again(db: Db, full_name: str, *, at: datetime) -> None:
    """Somebody has come back to a room whose conversation is over, and what their token brings opens nothing any more.
    They would sit there alone: the room is closed once more. Not one in which people may be talking on without us."""
    project = select(Project.id).where(Project.slug == full_name.partition("_")[0]).scalar_subquery()
    mine = (Session.project_id == project, Session.room_name == full_name, Session.started_at > at - COMES_BACK_WITHIN)
    last = (await db.exec(select(Session).where(*mine).order_by(col(Session.started_at).desc()).limit(1))).first()
    if last is None or last.status == SessionStatus.ACTIVE or may_go_on(last, last.end_reason):
        return
    if last.session_type == BOT:
        return  # it was a guest
    await enqueue(db, CLOSE_ROOM, full_name, run_at=at, room_name=full_name, room_id=None)


async def close_room(database: Database, clock: Clock, media: MediaServer, payload: dict[str, Any]) -> None:
    """Work off `CLOSE_ROOM`. Raises `Unavailable` where LiveKit is away."""
    async with database.platform() as db:
        wanted = await _still_to_close(db, payload["room_id"], payload["room_name"], now=clock.now())
    if wanted:
        await media.close_room(payload["room_name"])


async def _still_to_close(db: Db, room_id: int | None, full_name: str, *, now: datetime) -> bool:
    """Whether a room that was to be closed is still the one: nobody has come back to its name since. A room in which
    nobody has been is the same: whoever was about to close it has taken it over from a dead server, and died as well.
    """
    somebody = exists().where(col(Participant.room_id) == Room.id)
    there = select(Room.id, Room.origin, somebody).where(Room.full_name == full_name, Room.status == RoomStatus.OPEN)
    active = select(Session.id).where(Session.room_name == full_name, Session.status == SessionStatus.ACTIVE)
    awaited = select(Slot.id).where(Slot.room_name == full_name, col(Slot.expires_at) > now)
    if (found := (await db.exec(there)).first()) is None:
        is_it = room_id is None  # LiveKit may not have told of it yet
    else:
        open_id, origin, has_people = found
        is_it = open_id == room_id or (origin != RoomOrigin.API and (room_id is None or not has_people))
    return is_it and (await db.exec(active)).first() is None and (await db.exec(awaited)).first() is None
