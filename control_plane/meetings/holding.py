"""A meeting's persona comes: its place, and what the meeting makes of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, or_
from sqlmodel import col, select, update

from agents.attendance import HOST_PREFIX
from agents.calling import ModelChoice, PersonaJob, Powers
from control_plane.accounts.credentials import open_credentials
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.ids import fingerprint
from control_plane.meetings.life import OPEN
from control_plane.meetings.models import Meeting, Scenario
from control_plane.personas.serving import SCRIBE
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.repository import PEOPLE
from control_plane.secrets.box import SecretBox
from control_plane.sessions.filling import fill
from control_plane.sessions.models import Slot
from control_plane.sessions.places import demand_place, find_place, make_place
from guard.plain import one_line


async def take_place(db: Db, clock: Clock, meeting_id: int, persona_id: int, room_name: str, room_sid: str) -> Slot:
    """A place for the persona of a meeting, the same one for the same room.

    The meeting stays locked until the commit. Raises `NotFound` where there is none, `Conflict` for a wrong room, where
    it is over, and as `demand_place`.
    """
    query = select(Meeting, Project).join(Project, col(Project.id) == Meeting.project_id)
    found = (await db.exec(query.where(Meeting.id == meeting_id).with_for_update(of=Meeting))).one_or_none()
    if found is None or (found[0].persona_id or SCRIBE) != persona_id:
        raise NotFound("there is no such meeting")
    meeting, project = found
    if meeting.room_name != room_name:
        raise Conflict("this ticket is for another room")
    if meeting.status not in OPEN:
        raise Conflict("the meeting is over")
    ticket_hash = fingerprint(f"meeting:{meeting_id}:{room_sid}")
    slot = await find_place(db, ticket_hash)
    if slot is not None:
        return slot
    await demand_place(db, clock, project, persona_id)
    return await make_place(
        db,
        clock,
        project,
        room_name=room_name,
        persona_id=persona_id,
        ticket_hash=ticket_hash,
        variables=meeting.told_variables,
    )


async def find_unattended(db: Db, since: datetime, most: int) -> list[tuple[int, int, str, str]]:
    """Meetings that somebody was in before then, and whose persona or scribe never came: what `take_place` asks for.

    In no order: those whose plan is full must not keep others waiting.
    """
    somebody = exists().where(
        col(Participant.room_id) == Room.id,
        col(Participant.kind).in_(PEOPLE),
        ~col(Participant.identity).startswith(HOST_PREFIX),
        col(Participant.left_at).is_(None),
        col(Participant.joined_at) < since,
    )
    query = (
        select(Meeting.id, func.coalesce(Meeting.persona_id, SCRIBE), Meeting.room_name, Room.sid)
        .join(Room, (col(Room.full_name) == Meeting.room_name) & (col(Room.status) == RoomStatus.OPEN))
        .where(
            col(Meeting.status).in_(OPEN),
            col(Meeting.session_id).is_(None),
            or_(col(Meeting.persona_id).is_not(None), col(Meeting.controls)["enable_transcription"].as_boolean()),
            ~exists().where(col(Slot.room_name) == Meeting.room_name),
            somebody,
        )
    )
    rows = (await db.exec(query.order_by(func.random()).limit(most))).all()
    return [(meeting_id, persona_id, room, sid) for meeting_id, persona_id, room, sid in rows if sid]


async def hold_meeting(db: Db, box: SecretBox, job: PersonaJob) -> PersonaJob:
    """The job as the meeting of its room wants it held, and the meeting knows its session; other jobs as they are."""
    query = select(Meeting, Scenario).outerjoin(Scenario, col(Scenario.id) == Meeting.scenario_id)
    mine = (Meeting.project_id == job.project_id, Meeting.room_name == job.room_name, col(Meeting.status).in_(OPEN))
    found = (await db.exec(query.where(*mine).with_for_update(of=Meeting))).one_or_none()
    if found is None or (found[0].persona_id or SCRIBE) != job.persona_id:
        return job
    meeting, scenario = found
    meeting.session_id = job.session_id
    if scenario is None:
        held = {"only_writes": True, "language": meeting.language, "max_call_duration": meeting.max_duration * 60}
        return job.model_copy(update=held)
    controls = meeting.controls
    keys = await open_credentials(db, box, job.project_id) if controls["use_own_keys"] else {}
    return job.model_copy(
        update={
            "powers": Powers.model_validate(controls),
            "keys": keys,
            "instructions": brief(job.instructions, meeting, scenario),
            "greeting": fill(meeting.welcome_message, meeting.told_variables) or job.greeting,
            "speaks_first": True,
            "language": meeting.language,
            **_voice(meeting, job),
            "max_call_duration": meeting.max_duration * 60,
            "captions": controls["enable_transcription"],
            "recorded": controls["enable_recording"],
        }
    )


def brief(instructions: str, meeting: Meeting, scenario: Scenario) -> str:
    """What a persona is told before a meeting: who it is, what this is about, what is to be reached."""
    parts = [instructions, f"This meeting: {scenario.name}", fill(scenario.briefing, meeting.told_variables)]
    if scenario.objectives:
        listed = "\n".join(f"{number}. {each}" for number, each in enumerate(scenario.objectives, 1))
        parts.append(f"Reach these objectives, one after the other:\n{listed}")
    parts.append(f"You speak with {one_line(meeting.name)}, in the language {meeting.language} (BCP 47).")
    return "\n\n".join(part for part in parts if part.strip())


def _voice(meeting: Meeting, job: PersonaJob) -> dict[str, Any]:
    """The asked voice, where its provider can be had, and after it the persona's own."""
    if meeting.voice_provider_used != meeting.voice_provider or (
        meeting.voice_provider == job.tts.provider and not meeting.voice_id
    ):
        return {}
    asked = ModelChoice(provider=meeting.voice_provider, voice=meeting.voice_id)
    further = job.fallbacks.model_copy(update={"tts": [job.tts, *job.fallbacks.tts]})
    return {"tts": asked, "fallbacks": further}


async def voice_changed(db: Db, session_id: int, provider: str) -> None:
    """Another provider's voice speaks in the meeting of a session, if it is one."""
    await db.exec(update(Meeting).where(col(Meeting.session_id) == session_id).values(voice_provider_used=provider))
