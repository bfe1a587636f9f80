"""What workers report becomes rows and facts. The key (session, epoch, sequence) makes every repeat harmless."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import ValidationError
from sqlmodel import col, func, select

from agents.audience import PersonaStated
from agents.begun import Begun
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
    OptedOut,
    ProviderChanged,
    RecordingAnnounced,
    Submission,
    TurnMeasured,
    UsageCounted,
    timestamp_ms,
)
from agents.noted import FaultSeen, ToolUsed
from agents.redacting import redacted, without_words
from control_plane import metrics
from control_plane.accounts.models import Project
from control_plane.accounts.redacting import Redactions
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database, Db
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.metering.ledger import record_all
from control_plane.metering.models import UsageEntry
from control_plane.personas.models import Persona
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.ending import announce, end_job, find_running, told_all
from control_plane.sessions.lines import clean, keep_once, write_line
from control_plane.sessions.models import Session, SessionJob, SessionTrace, Turn
from control_plane.sessions.repository import last_words
from guard.redaction import TAIL, Redactor, build
from knowledge.unanswered import keep_unanswered

LIVE_LINES = "lines"
"""Channel of lines that are not kept."""
_REDACTED = LineSpoken | TurnMeasured | ToolUsed | FaultSeen | RecordingAnnounced
MOST_SPEAKERS = 1000
"""Whose last words are remembered in one process."""
MOST_FOLLOWED = 10_000
"""Jobs of which one process knows what is being said."""
LIVE_STATES = "states"
"""Channel of what personas are doing: `project_id`, `room_name`, `session_id`, `state`."""


class ReportRefused(Exception):
    """A report that will never be accepted; the worker parks it."""


class ReportDesk:
    """Takes reports. What is kept of those that come together is one transaction: rows and events."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        signer: ReportSigner,
        live: LiveBus,
        opt_out: Callable[[Db, Clock, Session, Literal["words", "key"]], Awaitable[None]],
    ) -> None:
        self.database, self.clock, self.signer, self.live = database, clock, signer, live
        self.opt_out = opt_out
        """What is written where whoever is in a session does not want to be called again."""
        self.redactions = Redactions(database)
        self._said: dict[tuple[int, str, str], str] = {}
        """What was said last, redacted, for lines that are only shown: those of a worker come to one process."""
        self._saying: dict[tuple[int, int], Begun] = {}
        """What the personas of jobs are saying, whoever was heard of last at the end."""
        self._rooms: dict[int, str] = {}
        """Of sessions, as they are written: what is only shown is shown there, whatever room a report names."""

    async def submit(self, first: Submission, *more: Submission) -> None:
        """Apply a report, or several of one job in their order: all, or none.

        Raises `ReportRefused` for a bad one and `Unavailable` while the database is away.
        """
        project_id = self.signer.project_of(first.capability, first.session_id, first.epoch)
        if project_id is None:
            raise ReportRefused("the capability does not fit the session")
        kept: list[tuple[Submission, AnyReport]] = []
        for submission in (first, *more):
            try:
                report = REPORT.validate_python(submission.report)
            except ValidationError as error:
                raise ReportRefused(f"{NOT_OF_THIS_VERSION}: {error.error_count()} problems") from error
            self._follow(submission)
            if isinstance(report, LineInterim):
                await self._show_line(project_id, first.session_id, report)
            elif isinstance(report, PersonaStated):
                await self._show_state(project_id, first.session_id, report)
            else:
                kept.append((submission, report))
        if not kept:
            return
        async with self.database.platform() as db:
            query = (
                select(Session, Project.redact, Project.redact_names)
                .join(Project, col(Project.id) == Session.project_id)
                .where(Session.id == first.session_id, Session.project_id == project_id)
                .with_for_update(of=Session)
            )
            row = (await db.exec(query)).one_or_none()
            if row is None:
                raise ReportRefused(GONE)
            session, redacts, names = row
            redactor = build(names) if redacts else None
            used = [(submission, report) for submission, report in kept if isinstance(report, UsageCounted)]
            rest = [one for one in kept if not isinstance(one[1], UsageCounted)]
            told = [await self._apply(db, session, redactor, *one) for one in rest]
            unkept = [each for each in told if each is not None]
            if used:  # last, as others of the project wait for what was consumed that day
                await self._usage(db, session, used)
        for line in unkept:
            await self._tell(project_id, session.id, line, session.room_name, is_final=True)

    def _follow(self, submission: Submission) -> None:
        key = submission.session_id, submission.epoch
        begun = self._saying.pop(key, None) or Begun()
        begun.note(submission.report)
        if submission.report.get("type") != "call.ended.v1":
            self._saying[key] = begun
        if len(self._saying) > MOST_FOLLOWED:
            del self._saying[next(iter(self._saying))]

    async def keep_begun(self, db: Db, job: SessionJob) -> None:
        """Keep with a job, whose worker may be gone, what its persona is heard saying: whoever finds it lost writes it
        down."""
        begun = self._saying.get((job.session_id, job.epoch))
        line = begun.cut_off() if begun is not None else None
        session = await db.get(Session, job.session_id) if line is not None else None
        if line is not None and session is not None and session.store_transcripts:
            redactor = await self.redactions.find(job.project_id)
            job.begun = (await self._cleared(db, session, redactor, line)).model_dump(mode="json")

    async def _apply(
        self, db: Db, session: Session, redactor: Redactor | None, submission: Submission, report: AnyReport
    ) -> LineSpoken | None:
        """Write what a report says; a line that is only to be shown is given back."""
        report = await self._cleared(db, session, redactor, report)
        match report:
            case CallReady() | BotWaits():
                await self._begun(db, session, submission)
            case CallStarted():
                await self._begun(db, session, submission)
                announce(EventLog(db, self.clock), session, at=self.clock.now())
            case LineSpoken() if session.store_transcripts:
                await write_line(db, EventLog(db, self.clock), session, submission.epoch, submission.sequence, report)
            case LineSpoken():
                return report
            case TurnMeasured():
                await self._turn(db, session, submission, report)
            case ProviderChanged():
                await self._trace(db, session, submission, "fallback", report)
                if session.store_transcripts:
                    log, line = EventLog(db, self.clock), _told(session, report)
                    await write_line(db, log, session, submission.epoch, submission.sequence, line)
            case ToolUsed():
                await self._trace(db, session, submission, "tool", report)
            case FaultSeen():
                await self._trace(db, session, submission, "fault", report)
            case OptedOut():
                await self.opt_out(db, self.clock, session, report.by)
            case RecordingAnnounced():
                self._announced(db, session, report)
            case BotLeft() | CallEnded():
                await self._ended(db, session, submission, report)
        return None

    async def _cleared(self, db: Db, session: Session, redactor: Redactor | None, report: AnyReport) -> AnyReport:
        """A report as it may be kept: its worker has done the same, unless it is of an older version."""
        if not session.store_transcripts:
            report = without_words(report)
        if redactor is None or not isinstance(report, _REDACTED):
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

    def _announced(self, db: Db, session: Session, report: RecordingAnnounced) -> None:
        if session.recording_announced_at is None:
            session.recording_announced_at = report.at
            EventLog(db, self.clock).append(
                Fact.RECORDING_ANNOUNCED,
                project_id=session.project_id,
                room_name=session.room_name,
                session_id=session.id,
                text=clean(report.text),
                announced_at=iso_ms(report.at),
            )

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

    async def _turn(self, db: Db, session: Session, submission: Submission, report: TurnMeasured) -> None:
        parts = {name: part for name, part in report.model_dump().items() if name.endswith("_ms")}
        values = {
            "speech_ended_at": report.speech_ended_at,
            "audio_started_at": report.audio_started_at,
            "parts": parts,
            "chunks": [chunk.model_dump() for chunk in report.chunks],
            "created_at": report.at,
        }
        kept = await keep_once(db, Turn, session, submission.epoch, submission.sequence, values)
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
        kept = await keep_once(db, SessionTrace, session, submission.epoch, submission.sequence, values)
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

    async def _usage(self, db: Db, session: Session, counted: Sequence[tuple[Submission, UsageCounted]]) -> None:
        job = await self._job(db, session, counted[0][0])
        entries = [
            UsageEntry(
                project_id=session.project_id,
                source=f"report:{session.id}:{submission.epoch}:{submission.sequence}",
                session_id=session.id,
                persona_id=job.persona_id or None,
                **report.model_dump(exclude={"type"}),
            )
            for submission, report in counted
        ]
        await record_all(db, entries, clock=self.clock)

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

    async def _show_line(self, project_id: int, session_id: int, report: LineInterim) -> None:
        """Show what is being said to whoever watches."""
        redactor = await self.redactions.find(project_id)
        if redactor is not None:
            before = self._said.get((session_id, report.speaker, report.identity), "")
            report = redacted(report, redactor, before=before)
        await self._tell(project_id, session_id, report, await self._room_of(project_id, session_id), is_final=False)

    async def _show_state(self, project_id: int, session_id: int, report: PersonaStated) -> None:
        """Show what a persona is doing to whoever watches."""
        room = await self._room_of(project_id, session_id)
        state = {"project_id": project_id, "room_name": room, "session_id": session_id}
        await self.live.publish(LIVE_STATES, state | {"state": report.state})

    async def _room_of(self, project_id: int, session_id: int) -> str:
        """The room of a session. Raises `ReportRefused` where there is none."""
        if session_id not in self._rooms:
            async with self.database.tenant(project_id) as db:
                room = (await db.exec(select(Session.room_name).where(Session.id == session_id))).one_or_none()
            if room is None:
                raise ReportRefused(GONE)
            if len(self._rooms) >= MOST_FOLLOWED:
                self._rooms.clear()
            self._rooms[session_id] = room
        return self._rooms[session_id]

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
