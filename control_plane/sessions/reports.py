"""What workers report becomes rows and facts. The key (session, epoch, sequence) makes every repeat harmless."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel, col, func, select

from agents.audience import PersonaStated
from agents.contract import (
    GONE,
    NOT_OF_THIS_VERSION,
    REPORT,
    AnyReport,
    BotLeft,
    BotWaits,
    CallEnded,
    CallReady,
    CallStarted,
    LineInterim,
    LineSpoken,
    ProviderChanged,
    Submission,
    TurnMeasured,
    UsageCounted,
    timestamp_ms,
)
from agents.noted import FaultSeen, ToolUsed
from agents.redacting import redacted, without_words
from control_plane import metrics
from control_plane.accounts.redacting import Redactions, redactor_of
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database, Db
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.personas.models import Persona
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.ending import announce, end_job, find_running, lock_session, told_all
from control_plane.sessions.models import Session, SessionJob, SessionTrace, TranscriptLine, Turn
from control_plane.sessions.repository import last_words
from guard.redaction import TAIL
from knowledge.unanswered import keep_unanswered

LIVE_LINES = "lines"
"""Channel of lines that are not kept."""
MOST_SPEAKERS = 1000
"""Whose last words are remembered in one process."""
LIVE_STATES = "states"
"""Channel of what personas are doing: `project_id`, `room_name`, `session_id`, `state`."""


class ReportRefused(Exception):
    """A report that will never be accepted; the worker parks it."""


class ReportDesk:
    """Takes reports. Each kept one is one transaction: rows and event together."""

    def __init__(self, database: Database, clock: Clock, signer: ReportSigner, live: LiveBus) -> None:
        self.database, self.clock, self.signer, self.live = database, clock, signer, live
        self.redactions = Redactions(database)
        self._said: dict[tuple[int, str, str], str] = {}
        """What was said last, redacted, for lines that are only shown: those of a worker come to one process."""

    async def submit(self, submission: Submission) -> None:
        """Apply a report. Raises `ReportRefused` for a bad one and `Unavailable` while the database is away."""
        project_id = self.signer.project_of(submission.capability, submission.session_id, submission.epoch)
        if project_id is None:
            raise ReportRefused("the capability does not fit the session")
        try:
            report = REPORT.validate_python(submission.report)
        except ValidationError as error:
            raise ReportRefused(f"{NOT_OF_THIS_VERSION}: {error.error_count()} problems") from error
        if isinstance(report, LineInterim):
            redactor = await self.redactions.find(project_id)
            if redactor is not None:
                before = self._said.get((submission.session_id, report.speaker, report.identity), "")
                report = redacted(report, redactor, before=before)
            await self._tell(project_id, submission.session_id, report, report.room_name, is_final=False)
            return
        if isinstance(report, PersonaStated):
            await self._show_state(project_id, submission.session_id, report)
            return
        unkept: LineSpoken | None = None
        async with self.database.platform() as db:
            session = await lock_session(db, submission.session_id, project_id=project_id)
            if session is None:
                raise ReportRefused(GONE)
            report = await self._cleared(db, session, report)
            match report:
                case CallReady() | BotWaits():
                    await self._begun(db, session, submission)
                case CallStarted():
                    await self._begun(db, session, submission)
                    announce(EventLog(db, self.clock), session, at=self.clock.now())
                case LineSpoken() if session.store_transcripts:
                    await self._line(db, session, submission, report)
                case LineSpoken():
                    unkept = report
                case TurnMeasured():
                    await self._turn(db, session, submission, report)
                case UsageCounted():
                    await self._usage(db, session, submission, report)
                case ProviderChanged():
                    await self._trace(db, session, submission, "fallback", report)
                    if session.store_transcripts:
                        await self._line(db, session, submission, _told(session, report))
                case ToolUsed():
                    await self._trace(db, session, submission, "tool", report)
                case FaultSeen():
                    await self._trace(db, session, submission, "fault", report)
                case BotLeft() | CallEnded():
                    await self._ended(db, session, submission, report)

        if unkept is not None:
            await self._tell(project_id, session.id, unkept, session.room_name, is_final=True)

    async def _cleared(self, db: Db, session: Session, report: AnyReport) -> AnyReport:
        """A report as it may be kept: its worker has done the same, unless it is of an older version."""
        if not session.store_transcripts:
            report = without_words(report)
        if not isinstance(report, LineSpoken | TurnMeasured | ToolUsed | FaultSeen):
            return report
        redactor = await redactor_of(db, session.project_id)
        if redactor is None:
            return report
        before = ""
        if isinstance(report, LineSpoken):
            before = await last_words(db, session, report.speaker, report.identity)
        report = redacted(report, redactor, before=before)
        if isinstance(report, LineSpoken):
            if len(self._said) >= MOST_SPEAKERS:
                self._said.clear()
            self._said[session.id, report.speaker, report.identity] = report.text[-TAIL:]
        return report

    async def _begun(self, db: Db, session: Session, submission: Submission) -> None:
        job = await self._job(db, session, submission)
        if job.started_at is None:
            job.started_at = self.clock.now()
            if job.epoch > 1:
                await self._measure_return(db, job, at=job.started_at)

    async def _measure_return(self, db: Db, job: SessionJob, *, at: datetime) -> None:
        """How long a conversation was without the persona that this job brings back, if it does."""
        lost = await db.exec(
            select(func.max(SessionJob.lost_at)).where(
                SessionJob.session_id == job.session_id,
                SessionJob.persona_id == job.persona_id,
                col(SessionJob.epoch) < job.epoch,
            )
        )
        lost_at = lost.one()
        if lost_at is not None:
            metrics.RESPAWN.observe((at - lost_at).total_seconds())

    async def _line(self, db: Db, session: Session, submission: Submission, report: LineSpoken) -> None:
        values = {
            "speaker": report.speaker,
            "identity": clean(report.identity),
            "name": clean(report.name),
            "content": clean(report.text),
            "timestamp_ms": report.timestamp_ms,
            "interrupted": report.interrupted,
        }
        words = [each.model_dump() | {"text": clean(each.text)} for each in report.words] or None
        row = values | {"duration_ms": report.duration_ms, "words": words, "created_at": report.at}
        if await self._keep(db, TranscriptLine, session, submission, row):
            session.message_count += 1
            EventLog(db, self.clock).append(
                Fact.TRANSCRIPT_LINE,
                project_id=session.project_id,
                room_name=session.room_name,
                session_id=session.id,
                is_final=True,
                final_at=iso_ms(report.at),
                in_chat=report.in_chat,
                **values,
            )

    async def _turn(self, db: Db, session: Session, submission: Submission, report: TurnMeasured) -> None:
        parts = {name: part for name, part in report.model_dump().items() if name.endswith("_ms")}
        values = {
            "speech_ended_at": report.speech_ended_at,
            "audio_started_at": report.audio_started_at,
            "parts": parts,
            "chunks": [chunk.model_dump() for chunk in report.chunks],
            "created_at": report.at,
        }
        kept = await self._keep(db, Turn, session, submission, values)
        if kept:
            EventLog(db, self.clock).append(
                Fact.TURN_MEASURED,
                project_id=session.project_id,
                room_name=session.room_name,
                session_id=session.id,
                heard_gap_ms=_gap(report),
                parts=parts,
                passages=len(report.chunks),
            )
        if kept and report.unanswered and session.store_transcripts:
            job = await self._job(db, session, submission)
            persona = await db.get(Persona, job.persona_id)
            await keep_unanswered(
                db,
                clean(report.unanswered),
                base_ids=persona.knowledge_base_ids if persona else [],
                project_id=session.project_id,
                score=max((chunk.score for chunk in report.chunks), default=0.0),
                session_id=session.id,
            )

    async def _trace(
        self,
        db: Db,
        session: Session,
        submission: Submission,
        kind: str,
        report: ProviderChanged | ToolUsed | FaultSeen,
    ) -> None:
        """Keep what happened; where no transcript is kept, not what a tool was given and told either."""
        hidden = {"arguments", "result"} if not session.store_transcripts else set()
        content = report.model_dump(mode="json", exclude={"type", "at", "began_at", *hidden})
        values = {
            "kind": kind,
            "content": {name: clean(part) if isinstance(part, str) else part for name, part in content.items()},
            "began_at": report.began_at if isinstance(report, ToolUsed) else report.at,
            "created_at": report.at,
        }
        kept = await self._keep(db, SessionTrace, session, submission, values)
        if kept and isinstance(report, ToolUsed):
            EventLog(db, self.clock).append(
                Fact.TOOL_USED,
                project_id=session.project_id,
                room_name=session.room_name,
                session_id=session.id,
                name=clean(report.name),
                failed=report.failed,
                ms=round(report.ms),
            )

    async def _usage(self, db: Db, session: Session, submission: Submission, report: UsageCounted) -> None:
        job = await self._job(db, session, submission)
        entry = UsageEntry(
            project_id=session.project_id,
            source=f"report:{session.id}:{submission.epoch}:{submission.sequence}",
            session_id=session.id,
            persona_id=job.persona_id or None,
            **report.model_dump(exclude={"type"}),
        )
        await record(db, entry, clock=self.clock)

    async def _ended(self, db: Db, session: Session, submission: Submission, report: BotLeft | CallEnded) -> None:
        job, now = await self._job(db, session, submission), self.clock.now()
        if isinstance(report, CallEnded):
            await told_all(db, job, at=now)
        running = await find_running(db, job.id, session)
        if running is None:
            return
        if report.reason == "not_answered":
            job.ended_at = now  # its session ends with the call, and with what became of that
            return
        outcome = "failed" if report.failed else "abandoned" if report.reason == "nobody_came" else "ok"
        await end_job(db, EventLog(db, self.clock), running, outcome=outcome, reason=report.reason, at=now)

    async def _job(self, db: Db, session: Session, submission: Submission) -> SessionJob:
        query = select(SessionJob).where(
            SessionJob.project_id == session.project_id,
            SessionJob.session_id == session.id,
            SessionJob.epoch == submission.epoch,
        )
        job = (await db.exec(query)).one_or_none()
        if job is None:
            raise ReportRefused("there is no such job")
        return job

    async def _keep(
        self, db: Db, table: type[SQLModel], session: Session, submission: Submission, values: dict[str, Any]
    ) -> bool:
        """Write a row under the report's key; False where it was there."""
        key = {
            "project_id": session.project_id,
            "session_id": session.id,
            "epoch": submission.epoch,
            "sequence": submission.sequence,
        }
        statement = insert(table).values(**key, **values).on_conflict_do_nothing().returning(text("id"))
        return await db.scalar(statement) is not None

    async def _show_state(self, project_id: int, session_id: int, report: PersonaStated) -> None:
        """Show what a persona is doing to whoever watches."""
        state = {"project_id": project_id, "room_name": report.room_name, "session_id": session_id}
        await self.live.publish(LIVE_STATES, state | {"state": report.state})

    async def _tell(
        self,
        project_id: int,
        session_id: int,
        report: LineInterim | LineSpoken,
        room_name: str,
        *,
        is_final: bool,
    ) -> None:
        """Show a line to whoever watches, and keep nothing."""
        message = {
            "project_id": project_id,
            "room_name": room_name,
            "session_id": session_id,
            "speaker": report.speaker,
            "content": clean(report.text),
            "timestamp_ms": report.timestamp_ms,
            "is_final": is_final,
            "identity": clean(report.identity),
            "name": clean(report.name),
            "in_chat": isinstance(report, LineSpoken) and report.in_chat,
        }
        await self.live.publish(LIVE_LINES, message)


def _gap(report: TurnMeasured) -> int | None:
    """Milliseconds of silence that were heard before the answer; None for what answers nobody's speech."""
    if report.speech_ended_at is None or report.audio_started_at is None:
        return None
    return timestamp_ms(report.speech_ended_at, report.audio_started_at)


def _told(session: Session, report: ProviderChanged) -> LineSpoken:
    """A line of the transcript that says it."""
    work = {"llm": "answers", "stt": "listens", "tts": "speaks"}[report.service]
    text = f"{report.used} {work} from here on. {report.wanted}: {report.reason}."
    at = timestamp_ms(session.started_at, report.at)
    return LineSpoken(at=report.at, speaker="system", text=text, timestamp_ms=at)


def clean(text: str) -> str:
    """Text without what PostgreSQL cannot store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
