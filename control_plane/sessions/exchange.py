"""A ticket becomes a job: the session opens, and the worker learns all it will need."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from agents.calling import PersonaJob, Resumed, Said, Voicemail
from agents.choices import Fallbacks, ModelChoice, TurnTaking
from agents.contract import Exchange
from control_plane.accounts.redacting import wishes_of
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound, Unavailable
from control_plane.events.log import EventLog
from control_plane.ids import fingerprint
from control_plane.personas.models import Persona
from control_plane.personas.serving import Serving, find_serving, find_version
from control_plane.personas.tools import acts_of, numbers_of
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.ending import lock_session
from control_plane.sessions.filling import fill, read_variables, said_variables
from control_plane.sessions.lines import write_begun
from control_plane.sessions.models import Session, SessionJob, Slot, TranscriptLine
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.slots import StandingSigner, Ticket, persona_identity
from guard import traces
from knowledge import capability

OPEN_TRIES = 3
"""A session may end between the attempt to open one beside it and the look at it."""
REMEMBERED = 100
"""Lines of what was said that another job of a persona begins with."""
LONGEST_REMEMBERED = 4000
"""Characters of each: a worker takes 4 MiB in one message."""
KNOWLEDGE_GRACE = timedelta(hours=1)
"""A knowledge capability outlives the longest call by this much."""


Answer = Callable[[Db, Ticket, Exchange], Awaitable[Slot | None]]
"""What a ticket opens that is no slot's: a place made for this call, or nothing."""


class TicketExchange:
    """Exchanges tickets for jobs. The same LiveKit job gets the same answer again."""

    def __init__(
        self,
        db: Db,
        clock: Clock,
        signer: ReportSigner,
        knowledge_key: bytes,
        answer: Answer,
        slots: StandingSigner,
        *,
        lease: timedelta,
    ) -> None:
        self.db, self.clock, self.signer, self.knowledge_key, self.lease = db, clock, signer, knowledge_key, lease
        self.answer, self.slots = answer, slots

    async def exchange(self, request: Exchange, *, worker_id: str) -> PersonaJob:
        """The job behind a ticket. Raises `NotFound` for an unknown or expired one, `Conflict` for a wrong room and
        where its persona is there: however often one was dispatched, one comes."""
        known = await self._find_job(request.job_id)
        if known is not None:
            return await self._describe(known)
        slot, serving = await self._find_slot(request)
        session = await self._open_session(slot, serving.persona)
        known = await self._find_job(request.job_id)  # the session's lock waited for this request's earlier self
        if known is not None:
            return await self._describe(known)
        await self._lock_slot(slot)
        lost = await self._demand_alone(session, serving.persona)
        persona = await self._as_begun(session, serving)
        session.epochs += 1
        now = self.clock.now()
        job = SessionJob(
            project_id=slot.project_id,
            session_id=session.id,
            epoch=session.epochs,
            livekit_job_id=request.job_id,
            persona_id=persona.id,
            identity=persona_identity(persona.id),
            worker_id=worker_id,
            accepted_at=now,
            lease_until=now + self.lease,
            wind_up_at=lost.wind_up_at if lost else None,
        )
        self.db.add(job)
        trace = traces.trace_of(_seed_of(slot, session))
        # Where no token began it, the call begins here.
        is_first = slot.nonce is None and job.epoch == 1
        traces.record("dispatch", trace, slot.dispatched_at.timestamp(), now.timestamp(), root=is_first)
        slot.session_id, slot.promised_until = session.id, None
        await self.db.flush()
        return await self._resume(self._job(job, session, persona, slot), session)

    async def _demand_alone(self, session: Session, persona: Persona) -> SessionJob | None:
        """The last job of a persona that this session has had, which is over. Raises `Conflict` where it runs."""
        mine = (SessionJob.session_id == session.id, SessionJob.persona_id == persona.id)
        last = (await self.db.exec(select(SessionJob).where(*mine).order_by(col(SessionJob.epoch).desc()))).first()
        if last is not None and last.ended_at is None:
            if last.lease_until > self.clock.now():
                raise Conflict("this agent is in the room already")
            last.ended_at = last.lost_at = self.clock.now()  # before anybody else noticed
            await write_begun(self.db, EventLog(self.db, self.clock), session, last)
        return last

    async def _resume(self, job: PersonaJob, session: Session) -> PersonaJob:
        """A job that goes on with what another one, which was lost, has begun."""
        wishes = await wishes_of(self.db, session.project_id)
        untold = wishes.announces and session.recording_announced_at is None
        job = job.model_copy(update={"redaction": wishes.redaction, "announces": untold})
        if job.epoch == 1 or session.announced_at is None:
            return job
        lost = select(SessionJob.id).where(
            SessionJob.session_id == session.id,
            SessionJob.persona_id == job.persona_id,
            SessionJob.epoch < job.epoch,
            col(SessionJob.lost_at).is_not(None),
        )
        if (await self.db.exec(lost.limit(1))).first() is None:
            return job
        lines = (
            select(TranscriptLine)
            .where(
                TranscriptLine.project_id == session.project_id,
                TranscriptLine.session_id == session.id,
                col(TranscriptLine.speaker).in_(("user", "agent")),
            )
            .order_by(col(TranscriptLine.timestamp_ms).desc(), col(TranscriptLine.id).desc())
            .limit(REMEMBERED)
        )
        said = [
            Said(
                by="persona" if line.identity == job.identity else "person",
                text=line.content[:LONGEST_REMEMBERED],
                cut_off=line.interrupted,
            )
            for line in reversed((await self.db.exec(lines)).all())
        ]
        elapsed = (self.clock.now() - session.announced_at).total_seconds()
        return job.model_copy(update={"resumed": Resumed(elapsed=max(0.0, elapsed), said=said)})

    async def _find_job(self, livekit_job_id: str) -> SessionJob | None:
        query = select(SessionJob).where(SessionJob.livekit_job_id == livekit_job_id)
        return (await self.db.exec(query)).one_or_none()

    async def _find_slot(self, request: Exchange) -> tuple[Slot, Serving]:
        ticket = Ticket.parse(request.ticket)
        if ticket is None:
            raise NotFound("this ticket opens nothing")
        slot_id = self.slots.holder_of(ticket)
        which = Slot.ticket_hash == fingerprint(ticket.secret) if slot_id is None else Slot.id == slot_id
        slot = (await self.db.exec(select(Slot).where(which))).one_or_none()
        if slot is None:
            return await self._find_line(ticket, request)
        if ticket.persona_id not in slot.persona_ids:
            raise NotFound("this ticket opens nothing")
        if slot.session_id is None and slot.expires_at <= self.clock.now():
            raise NotFound("this ticket has expired")
        if slot.room_name != request.room_name:
            raise Conflict("this ticket is for another room")
        serving = await find_serving(self.db, ticket.persona_id, project_id=slot.project_id, draft=slot.draft)
        if serving is None or not serving.persona.is_active:
            raise NotFound("the agent of this ticket is not in service")
        return slot, serving

    async def _lock_slot(self, slot: Slot) -> None:
        """Lock a slot, after its session, as it was found. Raises `NotFound` where it has gone."""
        held = select(Slot).where(Slot.id == slot.id)
        locked = await self.db.exec(held.with_for_update().execution_options(populate_existing=True))
        if locked.one_or_none() is None:
            raise NotFound("this ticket opens nothing")

    async def _find_line(self, ticket: Ticket, request: Exchange) -> tuple[Slot, Serving]:
        slot = await self.answer(self.db, ticket, request)
        serving = slot and await find_serving(self.db, ticket.persona_id, project_id=slot.project_id)
        if not slot or not serving or not serving.persona.is_active:
            raise NotFound("this ticket opens nothing")
        return slot, serving

    async def _as_begun(self, session: Session, serving: Serving) -> Persona:
        """The agent as this session has used it from its first job on, whatever was published since."""
        begun, key = session.persona_versions, str(serving.persona.id)
        if key not in begun:
            session.persona_versions = begun | {key: serving.version}
        elif begun[key] != serving.version:
            kept = await find_version(self.db, serving.persona.id, begun[key], project_id=session.project_id)
            return (kept or serving).persona
        return serving.persona

    async def _open_session(self, slot: Slot, persona: Persona) -> Session:
        sessions = SessionRepository(self.db, slot.project_id)
        for _ in range(OPEN_TRIES):
            begun = await sessions.begin(
                slot.room_name,
                persona,
                at=self.clock.now(),
                session_type="sip" if (slot.caller_identity or "").startswith("sip_") else "voice",
                caller_identity=slot.caller_identity,
            )
            session = begun or await sessions.lock_active(slot.room_name)
            if session is not None:
                return session
        raise Unavailable("the room's last session is just ending")

    async def _describe(self, job: SessionJob) -> PersonaJob:
        if job.ended_at is not None:
            raise NotFound("this job has ended")
        slot = (
            await self.db.exec(
                select(Slot).where(Slot.session_id == job.session_id, col(Slot.persona_ids).contains([job.persona_id]))
            )
        ).first()
        session = await lock_session(self.db, job.session_id, project_id=job.project_id)
        if slot is None or session is None:
            raise NotFound("this job has ended")
        version = session.persona_versions.get(str(job.persona_id))
        serving = await find_version(self.db, job.persona_id, version, project_id=job.project_id, draft=slot.draft)
        if serving is None:
            raise NotFound("this job has ended")
        return await self._resume(self._job(job, session, serving.persona, slot), session)

    def _job(self, job: SessionJob, session: Session, persona: Persona, slot: Slot) -> PersonaJob:
        knowledge = None
        if persona.knowledge_base_ids:
            until = self.clock.now() + timedelta(seconds=persona.max_call_duration) + KNOWLEDGE_GRACE
            knowledge = capability.sign(
                self.knowledge_key,
                project_id=persona.project_id,
                base_ids=persona.knowledge_base_ids,
                session_id=session.id,
                expires_at=until,
            )
        spoken = said_variables(slot)
        voicemail = None
        if persona.voicemail.get("detect"):
            voicemail = Voicemail(message=fill(persona.voicemail.get("message", ""), spoken))
        return PersonaJob(
            session_id=session.id,
            epoch=job.epoch,
            project_id=job.project_id,
            persona_id=persona.id,
            persona_name=persona.name,
            room_name=session.room_name,
            identity=job.identity,
            capability=self.signer.sign(job.project_id, session.id, job.epoch),
            instructions=fill(persona.instructions, read_variables(slot)),
            greeting=fill(persona.greeting, spoken),
            language=persona.language,
            llm=ModelChoice(provider=persona.llm_provider, model=persona.llm_model, temperature=persona.temperature),
            stt=ModelChoice(provider=persona.stt_provider, model=persona.stt_model),
            tts=ModelChoice(provider=persona.tts_provider, model=persona.tts_model, voice=persona.voice_id),
            fallbacks=_further(persona.fallbacks),
            turn_taking=TurnTaking.model_validate(persona.turn_taking),
            knowledge_capability=knowledge,
            max_call_duration=min(persona.max_call_duration, slot.longest_call or persona.max_call_duration),
            only_text=slot.only_text,
            silence_timeout=persona.silence_timeout,
            phone=session.caller_identity if session.session_type == "sip" else None,
            acts=acts_of(persona.tools, numbers_of(persona)),
            fallback_number=persona.fallback_number,
            only_apologises=session.giving_up is not None,
            voicemail=voicemail,
            recorded=persona.record and session.giving_up is None,
            notice=fill(persona.record_notice, spoken),
            keeps_words=session.store_transcripts,
            started_at=session.started_at,
            trace=traces.trace_of(_seed_of(slot, session)),
        )


def _seed_of(slot: Slot, session: Session) -> str:
    """What the trace of a call is derived from: what its token knew, where there was one."""
    return slot.nonce or f"session {session.id}"


def _further(fallbacks: dict[str, Any]) -> Fallbacks:
    """An agent's further models, as its workers read them."""
    return Fallbacks.model_validate(
        {
            kind: [{name.replace("voice_id", "voice"): value for name, value in one.items()} for one in further]
            for kind, further in fallbacks.items()
        }
    )
