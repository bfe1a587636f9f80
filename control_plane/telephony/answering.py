"""Calls that come in: LiveKit has made a room for one, and its persona's worker asks for the job."""

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select

from agents.contract import PersonaJob
from control_plane.accounts.models import Account, Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.ids import fingerprint
from control_plane.plans.quota import used_where_full
from control_plane.sessions.models import Slot
from control_plane.telephony.models import Call, SipConfig
from control_plane.telephony.settling import lock_call, settle, tell_status
from sip.outcomes import ANSWERED, Outcome

WATCHED = timedelta(minutes=1)
"""How long a call rests on LiveKit's hooks alone."""
ROOM_PREFIX = "call"
"""Rooms of calls that come in are `<slug>_call_<caller>_<random>`."""


async def take_call(db: Db, clock: Clock, config_id: int, persona_id: int, room_name: str, room_sid: str) -> Slot:
    """A place for the persona of a number that is being called, the same one for the same room.

    Raises `NotFound` where the number is answered no longer, `Conflict` for a wrong room or where all lines are busy.
    """
    query = (
        select(SipConfig, Project, Account)
        .join(Project, col(Project.id) == SipConfig.project_id)
        .join(Account, col(Account.id) == Project.account_id)
        .where(SipConfig.id == config_id, SipConfig.agent_config_id == persona_id)
    )
    row = (await db.exec(query)).one_or_none()
    if row is None:
        raise NotFound("this number is answered no longer")
    config, project, account = row
    caller = _caller_of(room_name, project)
    ticket_hash = fingerprint(f"{config_id}:{room_name}:{room_sid}")
    known = select(Slot).where(Slot.ticket_hash == ticket_hash)
    slot = (await db.exec(known)).one_or_none()
    if slot is not None:
        return slot
    now = clock.now()
    if await used_where_full(db, account.id, account.plan, "sessions", now) is not None:
        raise Conflict("all lines are busy")
    await _demand_line(db, config)
    identity = f"sip_{caller}"
    await db.exec(
        insert(Slot)
        .values(
            project_id=project.id,
            account_id=account.id,
            room_name=room_name,
            persona_ids=[persona_id],
            ticket_hash=ticket_hash,
            variables={"phone_number": caller, "called_number": config.phone_number},
            caller_identity=identity,
            dispatched_at=now,
            expires_at=now,
        )
        .on_conflict_do_nothing()
    )
    await _write_call(db, clock, config, project, room_name)
    return (await db.exec(known)).one()


async def miss_call(db: Db, clock: Clock, config_id: int, room_name: str, reason: str) -> str | None:
    """Keep a call that nobody will answer, once; the identity of its phone. None where it is no call to the number."""
    query = select(SipConfig, Project).join(Project, col(Project.id) == SipConfig.project_id)
    row = (await db.exec(query.where(SipConfig.id == config_id))).one_or_none()
    if row is None:
        return None
    config, project = row
    try:
        _caller_of(room_name, project)
    except Conflict:
        return None
    known = select(Call.id).where(Call.project_id == project.id, Call.room_name == room_name)
    call_id = (await db.exec(known)).first()
    call = await lock_call(db, call_id) if call_id else None
    call = call or await _write_call(db, clock, config, project, room_name)
    await settle(db, clock, call, Outcome("busy", 486, reason))
    return call.identity


def _caller_of(room_name: str, project: Project) -> str:
    prefix = f"{project.slug}_{ROOM_PREFIX}_"
    if not room_name.startswith(prefix):
        raise Conflict("this ticket is for another room")
    return room_name.removeprefix(prefix).rpartition("_")[0]


async def _write_call(db: Db, clock: Clock, config: SipConfig, project: Project, room_name: str) -> Call:
    caller = _caller_of(room_name, project)
    call = Call(
        project_id=project.id,
        room_name=room_name,
        phone_number=caller,
        caller_id=config.phone_number,
        direction="inbound",
        status="ringing",
        identity=f"sip_{caller}",
        started_at=clock.now(),
        watched_until=clock.now() + WATCHED,
        details={"persona_id": config.agent_config_id, "config_id": config.id},
    )
    db.add(call)
    await db.flush()
    EventLog(db, clock).append(
        Fact.CALL_RECEIVED,
        project_id=project.id,
        room_name=room_name,
        call_id=call.id,
        phone_number=caller,
        called_number=config.phone_number,
        agent_config_id=config.agent_config_id,
    )
    tell_status(db, clock, call)
    return call


async def _demand_line(db: Db, config: SipConfig) -> None:
    """Refuse a call that is one too many for its number, which stays locked until the commit."""
    if config.max_concurrent is None:
        return
    await db.exec(select(SipConfig.id).where(SipConfig.id == config.id).with_for_update())
    going_on = select(func.count()).where(
        Call.project_id == config.project_id,
        Call.direction == "inbound",
        Call.caller_id == config.phone_number,
        col(Call.ended_at).is_(None),
    )
    if (await db.exec(going_on)).one() >= config.max_concurrent:
        raise Conflict("all lines of this number are busy")


async def join_call(db: Db, job: PersonaJob) -> PersonaJob:
    """The call of a job's room has its session from now on; the job, with what the call adds to it."""
    open_call = (Call.room_name == job.room_name, Call.identity == job.phone, col(Call.ended_at).is_(None))
    call = (await db.exec(select(Call).where(*open_call).with_for_update())).first()
    if call is None:
        return job
    call.session_id = call.session_id or job.session_id
    if call.direction == "outbound":
        return job
    config = await db.get(SipConfig, call.details["config_id"])
    if config is None:
        return job.model_copy(update={"voicemail": None})
    return job.model_copy(
        update={
            "voicemail": None,
            "hears_keys": config.dtmf_enabled,
            "max_call_duration": min(job.max_call_duration, config.max_call_duration),
        }
    )


async def phone_answered(db: Db, clock: Clock, session_id: int, by: str) -> None:
    """A persona has found out who answered its call."""
    query = select(Call).where(Call.session_id == session_id, col(Call.ended_at).is_(None), Call.status == "answered")
    for call in (await db.exec(query.with_for_update())).all():
        call.details = call.details | {"answered_by": by}
        if by == "machine":
            call.status = "voicemail"
            tell_status(db, clock, call)


async def persona_speaks(db: Db, clock: Clock, session_id: int) -> None:
    """A session has begun: where it is a call that rang, it has been answered."""
    query = select(Call).where(Call.session_id == session_id, Call.direction == "inbound", Call.status == "ringing")
    for call in (await db.exec(query.with_for_update())).all():
        await settle(db, clock, call, ANSWERED)
