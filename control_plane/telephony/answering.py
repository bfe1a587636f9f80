"""Calls that come in: LiveKit has made a room for one, and its persona's worker asks for the job."""

from datetime import timedelta
from typing import Any

from sqlmodel import col, func, select

from agents.calling import PersonaJob
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.ids import fingerprint
from control_plane.sessions.models import Slot
from control_plane.sessions.places import demand_place, find_place, make_place
from control_plane.telephony.models import Call, DialPolicy, SipConfig, SipTrunk
from control_plane.telephony.settling import lock_call, settle, shorter, tell_status
from sip.outcomes import ANSWERED, Outcome

HOOKS_TRUSTED = timedelta(minutes=1)
"""How long a call rests on LiveKit's hooks alone."""
RECENT = 1000
"""Calls of a project among which one is looked for that has ended while its worker came."""
ROOM_PREFIX = "call"
"""Rooms of calls that come in are `<slug>_call_<caller>_<random>`."""


async def take_call(db: Db, clock: Clock, config_id: int, persona_id: int, room_name: str, room_sid: str) -> Slot:
    """A place for the persona of a number that is being called, the same one for the same room.

    The number stays locked until the commit: whoever asks the same again waits, and finds what was written. Raises
    `NotFound` where the number is answered no longer, `Conflict` for a wrong room, where all lines are busy or
    the caller has given up, and as `demand_place`.
    """
    found = await _lock_number(db, SipConfig.id == config_id, SipConfig.agent_config_id == persona_id)
    if found is None:
        raise NotFound("this number is answered no longer")
    config, project = found
    caller = _caller_of(room_name, project)
    ticket_hash = fingerprint(f"{config_id}:{room_name}:{room_sid}")
    slot = await find_place(db, ticket_hash)
    if slot is not None:
        return slot
    await demand_place(db, clock, project, persona_id)
    await _demand_line(db, config, room_name)
    call = await _find_call(db, project, room_name) or await _write_call(db, clock, config, project, room_name)
    if call.ended_at is not None:
        raise Conflict("the caller has hung up")
    return await make_place(
        db,
        clock,
        project,
        room_name=room_name,
        persona_id=persona_id,
        ticket_hash=ticket_hash,
        variables={"phone_number": caller, "called_number": config.phone_number},
        caller_identity=call.identity,
    )


async def phone_rings(db: Db, clock: Clock, room_name: str, inbound_trunk_id: str) -> None:
    """Somebody calls one of our numbers: keep it at once, whether a worker comes for the call or none."""
    query = select(SipTrunk.phone_number).where(SipTrunk.inbound_trunk_id == inbound_trunk_id)
    number = (await db.exec(query)).first()
    found = await _lock_number(db, SipConfig.phone_number == number) if number else None
    if found is None:
        return
    config, project = found
    if room_name.startswith(_rooms_of(project)) and await _find_call(db, project, room_name) is None:
        await _write_call(db, clock, config, project, room_name)


async def miss_call(db: Db, clock: Clock, config_id: int, room_name: str, reason: str) -> str | None:
    """Keep a call that nobody will answer, once; the identity of its phone. None where it is no call to the number, or
    its persona has come already: however often one is dispatched, a caller who has theirs keeps it."""
    found = await _lock_number(db, SipConfig.id == config_id)
    if found is None or not room_name.startswith(_rooms_of(found[1])):
        return None
    config, project = found
    known = await _find_call(db, project, room_name)
    call = await lock_call(db, known.id) if known else None
    if call is not None and call.session_id is not None:
        return None
    call = call or await _write_call(db, clock, config, project, room_name)
    await settle(db, clock, call, Outcome("busy", 486, reason))
    return call.identity


async def _lock_number(db: Db, *which: Any) -> tuple[SipConfig, Project] | None:
    query = select(SipConfig, Project).join(Project, col(Project.id) == SipConfig.project_id).where(*which)
    return (await db.exec(query.with_for_update(of=SipConfig))).one_or_none()


async def _find_call(db: Db, project: Project, room_name: str) -> Call | None:
    """The call of a room, though it may have ended just now."""
    newest = select(Call.id).where(Call.project_id == project.id).order_by(col(Call.id).desc()).limit(RECENT)
    for where in (col(Call.ended_at).is_(None), col(Call.id).in_(newest)):
        query = select(Call).where(Call.project_id == project.id, Call.room_name == room_name, where)
        call = (await db.exec(query.order_by(col(Call.id)))).first()
        if call is not None:
            return call
    return None


def _rooms_of(project: Project) -> str:
    return f"{project.slug}_{ROOM_PREFIX}_"


def _caller_of(room_name: str, project: Project) -> str:
    if not room_name.startswith(_rooms_of(project)):
        raise Conflict("this ticket is for another room")
    return room_name.removeprefix(_rooms_of(project)).rpartition("_")[0]


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
        watched_until=clock.now() + HOOKS_TRUSTED,
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


async def _demand_line(db: Db, config: SipConfig, room_name: str) -> None:
    """Refuse a call that is one too many for its number: only those that have their persona hold a line."""
    if config.max_concurrent is None:
        return
    going_on = select(func.count()).where(
        Call.project_id == config.project_id,
        Call.direction == "inbound",
        Call.caller_id == config.phone_number,
        Call.room_name != room_name,
        col(Call.session_id).is_not(None),
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
    call.session_id = job.session_id
    if call.direction == "outbound":  # the limits of its project may have left it less than its agent allows
        call.longest_seconds = shorter(call.longest_seconds, job.max_call_duration)
        longest = min(job.max_call_duration, call.longest_seconds)
        policy = await db.get(DialPolicy, job.project_id)
        key = policy.opt_out_key if policy is not None else None
        return job.model_copy(update={"called": True, "max_call_duration": longest, "opt_out_key": key or ""})
    call.longest_seconds = round(job.max_call_duration)
    config = await db.get(SipConfig, call.details["config_id"])
    if config is None:
        return job.model_copy(update={"voicemail": None})
    call.longest_seconds = min(call.longest_seconds, config.max_call_duration)
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
