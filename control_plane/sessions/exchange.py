"""A ticket becomes a job: the session opens, and the worker learns all it will need."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from agents.calling import Fallbacks, ModelChoice, PersonaJob, Resumed, Said, TurnTaking, Voicemail
from agents.contract import Exchange
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import NotFound
from control_plane.events.log import EventLog
from control_plane.personas.tools import acts_of, numbers_of
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.filling import fill, read_variables, said_variables
from control_plane.sessions.lines import write_begun
from control_plane.sessions.models import Session, SessionJob, Slot, TranscriptLine
from control_plane.sessions.opening import Opened, open_job
from control_plane.sessions.slots import StandingSigner, Ticket
from guard import traces
from knowledge import capability

REMEMBERED = 100
"""Lines of what was said that another job of a persona begins with."""
LONGEST_REMEMBERED = 4000
"""Characters of each: a worker takes 4 MiB in one message."""
KNOWLEDGE_GRACE = timedelta(hours=1)
"""A knowledge capability outlives the longest call by this much."""

NO_TICKET = Ticket("", -1)
"""Opens nothing; a job that was written before is told again all the same."""

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

    async def exchange(self, request: Exchange, *, worker_id: str) -> tuple[PersonaJob, Opened]:
        """The job behind a ticket, and what it was made of. Raises `NotFound` for an unknown or expired one, `Conflict`
        for a wrong room and where its persona is there: however often one was dispatched, one comes."""
        ticket = Ticket.parse(request.ticket) or NO_TICKET
        asked: dict[str, Any] = {"worker_id": worker_id, "lease": self.lease}
        opened = await open_job(self.db, self.clock, request, ticket, slot_id=self.slots.holder_of(ticket), **asked)
        if opened is None:
            slot = await self.answer(self.db, ticket, request)
            if slot is not None:
                opened = await open_job(self.db, self.clock, request, ticket, slot_id=slot.id, is_made=True, **asked)
        if opened is None:
            raise NotFound("this ticket opens nothing")
        if opened.missed is not None:
            await self._write_begun(opened.missed)
        if opened.is_fresh:
            # Where no token began it, the call begins here.
            is_first = opened.slot.nonce is None and opened.job.epoch == 1
            began, ended = opened.slot.dispatched_at.timestamp(), opened.job.accepted_at.timestamp()
            traces.record("dispatch", _trace_of(opened), began, ended, root=is_first)
        return await self._resume(self._job(opened), opened), opened

    async def _write_begun(self, job_id: int) -> None:
        """What a persona was saying whose job was lost before anybody else noticed."""
        job = await self.db.get_one(SessionJob, job_id)
        session = await self.db.get_one(Session, job.session_id)
        await write_begun(self.db, EventLog(self.db, self.clock), session, job)

    async def _resume(self, job: PersonaJob, opened: Opened) -> PersonaJob:
        """A job that goes on with what another one, which was lost, has begun."""
        session = opened.session
        if not opened.is_resumed or session.announced_at is None:
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

    def _job(self, opened: Opened) -> PersonaJob:
        job, session, persona, slot = opened.job, opened.session, opened.persona, opened.slot
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
            redaction=opened.redaction,
            announces=opened.announces and session.recording_announced_at is None,
            trace=_trace_of(opened),
        )


def _trace_of(opened: Opened) -> str:
    """The trace of a call, derived from what its token knew, where there was one."""
    return traces.trace_of(opened.slot.nonce or f"session {opened.session.id}")


def _further(fallbacks: dict[str, Any]) -> Fallbacks:
    """An agent's further models, as its workers read them."""
    return Fallbacks.model_validate(
        {
            kind: [{name.replace("voice_id", "voice"): value for name, value in one.items()} for one in further]
            for kind, further in fallbacks.items()
        }
    )
