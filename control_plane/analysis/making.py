"""Analyses are made by a job, after the conversation: repeats are harmless, and a model that is away is asked again."""

import openai
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.accounts.redacting import redactor_of
from control_plane.analysis.arithmetic import USER, Spoken, count
from control_plane.analysis.models import Analysis, AnalysisStatus
from control_plane.analysis.reading import AWAY, Conversation, Reading, UnusableAnswer, read
from control_plane.analysis.repository import find_analysis
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.meetings.models import Meeting, Scenario
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.sessions.models import OWN_EPOCH, Session, TranscriptLine

log = structlog.get_logger()


class Analyst:
    """Analyses sessions that have ended. Without a model there are figures only."""

    def __init__(self, database: Database, clock: Clock, client: openai.AsyncOpenAI, model: str | None) -> None:
        self.database, self.clock, self.client, self.model = database, clock, client, model

    async def analyse(self, session_id: int, wish: str | None = None) -> None:
        """Count, have a model read, and tell; once for a wish. Raises `Unavailable` where the model is away, and
        another `openai.OpenAIError` where it is to be asked again.
        """
        async with self.database.platform() as db:
            session = await db.get(Session, session_id)
            if session is None:
                return
            before = await find_analysis(db, session.project_id, session_id)
            if before is not None and wish is not None and before.wish == wish:
                return  # whoever did it died before that was written down
            lines = await _lines(db, session)
            await _begin(db, session, lines)
            conversation = await _conversation(db, session, lines)
        if not lines:
            await self._finish(session, None, "nothing is kept of what was said", wish)
            return
        if self.model is None:
            await self._finish(session, None, None, wish)
            return
        try:
            reading = await read(self.client, self.model, conversation)
        except UnusableAnswer:
            log.warning("a model gave no usable analysis", session=session_id, model=self.model)
            await self._finish(session, None, "the model gave no usable answer", wish)
        except openai.OpenAIError as error:
            await self._finish(session, None, f"the model does not answer: {type(error).__name__}")
            if isinstance(error, AWAY):
                raise Unavailable("The model is away") from error
            raise
        else:
            await self._finish(session, reading, None, wish)

    async def _finish(
        self, session: Session, reading: Reading | None, problem: str | None, wish: str | None = None
    ) -> None:
        now = self.clock.now()
        async with self.database.platform() as db:
            analysis = await find_analysis(db, session.project_id, session.id, lock=True)
            if analysis is None:  # its session was forgotten meanwhile
                return
            analysis.status = AnalysisStatus.FAILED if problem else AnalysisStatus.READY
            analysis.error, analysis.finished_at, analysis.wish = problem, now, wish
            if reading is not None:
                redactor, findings = await redactor_of(db, session.project_id), reading.findings.model_dump()
                analysis.findings = redactor.redact_all(findings) if redactor is not None else findings
                analysis.model, analysis.extractive = reading.model, reading.extractive
                await self._charge(db, session, reading)
            if problem is None:
                meeting = (await db.exec(select(Meeting.id).where(Meeting.session_id == session.id))).first()
                told = {"session_id": session.id, "meeting_id": meeting}
                EventLog(db, self.clock).append(
                    Fact.ANALYSIS_READY, project_id=session.project_id, room_name=session.room_name, **told
                )

    async def _charge(self, db: Db, session: Session, reading: Reading) -> None:
        entry = UsageEntry(
            project_id=session.project_id,
            source=f"analysis:{session.id}:{self.clock.now().isoformat()}",
            session_id=session.id,
            persona_id=session.persona_id,
            service="llm",
            provider="openai",
            model=reading.model,
            input_tokens=reading.input_tokens,
            output_tokens=reading.output_tokens,
            requests=1,
            at=self.clock.now(),
        )
        await record(db, entry, clock=self.clock)


async def _lines(db: Db, session: Session) -> list[TranscriptLine]:
    query = select(TranscriptLine).where(
        TranscriptLine.project_id == session.project_id,
        TranscriptLine.session_id == session.id,
        TranscriptLine.epoch >= OWN_EPOCH,
    )
    return list((await db.exec(query.order_by(col(TranscriptLine.timestamp_ms), col(TranscriptLine.id)))).all())


async def _begin(db: Db, session: Session, lines: list[TranscriptLine]) -> None:
    """Write the figures, and that the rest is pending."""
    spoken = (
        Spoken(line.speaker, line.timestamp_ms, line.timestamp_ms + line.duration_ms, line.interrupted, line.name)
        for line in lines
    )
    figures = count(spoken)
    values = {
        "status": AnalysisStatus.PENDING,
        "figures": {name: getattr(figures, name) for name in figures.__slots__},
        "error": None,
        "finished_at": None,
    }
    key = {"project_id": session.project_id, "session_id": session.id, "findings": {}, "extractive": False}
    statement = insert(Analysis).values(**key, **values)
    await db.execute(statement.on_conflict_do_update(index_elements=["session_id"], set_=values))


async def _conversation(db: Db, session: Session, lines: list[TranscriptLine]) -> Conversation:
    several = len({line.identity for line in lines if line.speaker == USER}) > 1
    said = [
        (line.id, line.name if several and line.name and line.speaker == USER else line.speaker, line.content)
        for line in lines
    ]
    query = select(Scenario).join(Meeting, col(Meeting.scenario_id) == Scenario.id)
    if (redactor := await redactor_of(db, session.project_id)) is not None:  # what was kept before it was wanted, too
        said = [(number, redactor.redact(speaker), redactor.redact(text)) for number, speaker, text in said]
    scenario = (await db.exec(query.where(Meeting.session_id == session.id))).first()
    if scenario is None:
        return Conversation(said)
    about = f"{scenario.name}. {scenario.briefing}"
    return Conversation(said, about, scenario.objectives, scenario.criteria)
