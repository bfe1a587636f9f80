"""What a worker says over its uplink, and what it is answered."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from pydantic import AwareDatetime, TypeAdapter
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from agents.contract import Command, Exchange, Exchanged, Forget, Submission, TransferAsked, Transferred, Verdict
from agents.figures import Figures
from control_plane import metrics
from control_plane.bots.life import joined, left, told, waits
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, Forbidden, InvalidRequest, NotFound, PlatformError, Unavailable
from control_plane.events.live import LiveBus
from control_plane.meetings.holding import hold_meeting, take_place, voice_changed
from control_plane.personas.tools import numbers_of
from control_plane.privacy.workers import in_parts, note_told, recent
from control_plane.recordings.sessions import begin_announced, find_running, note_first_word, record_session
from control_plane.secrets.box import SecretBox
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.ending import close_again
from control_plane.sessions.exchange import TicketExchange
from control_plane.sessions.models import Session, SessionJob, Slot, Worker
from control_plane.sessions.reports import ReportDesk, ReportRefused
from control_plane.sessions.serving import find_served
from control_plane.sessions.slots import StandingSigner, Ticket
from control_plane.sessions.watch import LOST_WITHIN
from control_plane.telephony.answering import join_call, persona_speaks, phone_answered, take_call
from control_plane.telephony.consents import opt_out
from control_plane.telephony.policy import canonical
from control_plane.telephony.switchboard import Switchboard, problem_of
from control_plane.uplink.hub import UplinkHub, WorkerLink
from guard import traces

DESKS: Final = 5
"""Jobs whose reports are written at a time: half of the platform's connections as `database_pool` has them, so that
tickets and heartbeats find one too."""
_MOMENT: Final = TypeAdapter(AwareDatetime)
LONGEST_TYPE: Final = 40
"""Characters of a report's type in its span."""

log = structlog.get_logger()


class UplinkService:
    """Exchanges, reports and leases of workers."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hub: UplinkHub,
        live: LiveBus,
        signer: ReportSigner,
        numbers: StandingSigner,
        slots: StandingSigner,
        meetings: StandingSigner,
        knowledge_key: bytes,
        switchboard: Switchboard,
        box: SecretBox,
        *,
        lease: timedelta,
    ) -> None:
        self.switchboard, self.box = switchboard, box
        self.database, self.clock, self.hub, self.signer = database, clock, hub, signer
        self.numbers, self.slots, self.meetings = numbers, slots, meetings
        self.knowledge_key, self.lease = knowledge_key, lease
        self.desks = asyncio.Semaphore(DESKS)
        self.desk = ReportDesk(database, clock, signer, live, opt_out)

    async def exchange(self, request: Exchange, worker_id: str) -> Exchanged | None:
        """The job behind a ticket, or why there is none; None while the database is away (the worker asks again)."""
        began = time.time()
        try:
            async with self.database.platform() as db:
                exchange = TicketExchange(
                    db, self.clock, self.signer, self.knowledge_key, self._answer, self.slots, lease=self.lease
                )
                job, opened = await exchange.exchange(request, worker_id=worker_id)
                if job.phone is not None:
                    job = await join_call(db, job)
                elif opened.is_meeting:
                    job = await hold_meeting(db, self.box, job)
                if job.recorded:
                    job = await record_session(db, self.clock, job)
                elif job.announces:
                    job = await find_running(db, job)
        except (NotFound, Conflict, Forbidden) as error:
            log.info("ticket refused", job=request.job_id, reason=error.message)
            metrics.EXCHANGES.labels("refused").inc()
            try:
                await self._turn_away(request, error.message)
            except Unavailable:  # the worker asks again
                return None
            return Exchanged(job_id=request.job_id, refused=error.message)
        except (Unavailable, IntegrityError):  # the worker asks again
            metrics.EXCHANGES.labels("unanswered").inc()
            return None
        metrics.EXCHANGES.labels("opened").inc()
        traces.record("exchange", job.trace, began, time.time(), {"parley.session": job.session_id})
        return Exchanged(job_id=request.job_id, job=job)

    async def _answer(self, db: Db, ticket: Ticket, request: Exchange) -> Slot | None:
        config_id = self.numbers.holder_of(ticket)
        meeting_id = self.meetings.holder_of(ticket)
        if meeting_id is not None:
            return await take_place(db, self.clock, meeting_id, ticket.persona_id, request.room_name, request.room_sid)
        if config_id is None:
            return None
        return await take_call(db, self.clock, config_id, ticket.persona_id, request.room_name, request.room_sid)

    async def _turn_away(self, request: Exchange, reason: str) -> None:
        """Nobody waits for ever for whom a ticket was to bring: a phone is hung up, and a room closed in which all is
        over."""
        ticket = Ticket.parse(request.ticket)
        config_id = self.numbers.holder_of(ticket) if ticket else None
        if config_id is not None:
            await self.switchboard.turn_away(config_id, request.room_name, reason)
        elif ticket is not None and self.meetings.holder_of(ticket) is None:
            async with self.database.platform() as db:
                await close_again(db, request.room_name, at=self.clock.now())

    async def submit(self, *submissions: Submission) -> list[Verdict]:
        """Take reports of one job, together if they can be: a control plane that is behind has the fewer transactions
        the more it is behind. What is to be answered, in their order: nothing to interim ones, and nothing from the
        first one on that can be taken later only, as the database is away."""
        began = time.time()
        refused = None
        try:
            await self.desk.submit(*submissions)
            for submission in submissions:
                await self._tell_call(submission.session_id, submission.report)
        except Unavailable:
            metrics.REPORTS.labels("unanswered").inc()
            return []
        except (ReportRefused, InvalidRequest, IntegrityError, ArithmeticError, TypeError, ValueError) as error:
            if len(submissions) > 1:
                return await self._submit_each(submissions)
            refused = _why(submissions[0], error)
        kept = [submission for submission in submissions if submission.sequence]
        for submission in submissions:
            traces.record("report", submission.trace, began, time.time(), _described(submission))
        metrics.REPORTS.labels("refused" if refused else "kept").inc(len(kept))
        return [_verdict_on(submission, refused) for submission in kept]

    async def _submit_each(self, submissions: Sequence[Submission]) -> list[Verdict]:
        """The same one by one, where one of them cannot be kept."""
        verdicts: list[Verdict] = []
        for submission in submissions:
            taken = await self.submit(submission)
            verdicts += taken
            if not taken:
                break
        return verdicts

    async def _tell_call(self, session_id: int, report: dict[str, Any]) -> None:
        """What a report that was taken says of a telephone call or a meeting."""
        match report:
            case {"type": "call.started.v1", "at": at}:
                async with self.database.platform() as db:
                    if await joined(db, self.clock, self.box, session_id):
                        return
                async with self.database.platform() as db:
                    await persona_speaks(db, self.clock, session_id)
                    await note_first_word(db, session_id, _MOMENT.validate_python(at))
            case {"type": "recording.announced.v1", "at": at}:
                async with self.database.platform() as db:
                    await begin_announced(db, session_id, _MOMENT.validate_python(at))
            case {"type": "bot.left.v1" | "call.ended.v1" as kind, "reason": reason}:
                async with self.database.platform() as db:
                    alone = not await left(db, self.clock, session_id, reason)
                    if kind == "call.ended.v1":
                        await told(db, self.clock, self.box, session_id)
                if not alone:
                    await self.end_calls({"session_id": session_id})
            case {"type": "bot.waits.v1"}:
                async with self.database.platform() as db:
                    await waits(db, self.clock, self.box, session_id)
            case {"type": "phone.answered.v1", "by": by}:
                async with self.database.platform() as db:
                    await phone_answered(db, self.clock, session_id, by)
            case {"type": "provider.changed.v1", "service": "tts", "used": used}:
                async with self.database.platform() as db:
                    await voice_changed(db, session_id, used)

    async def transfer(self, asked: TransferAsked) -> Transferred:
        """Have the phone of a job's call transferred, and say what became of it."""
        answer = await self._transfer(asked)
        return answer.model_copy(update={"number": asked.number})

    async def _transfer(self, asked: TransferAsked) -> Transferred:
        project_id = self.signer.project_of(asked.capability, asked.session_id, asked.epoch)
        if project_id is None:
            return Transferred(job_id=asked.job_id, problem="the capability does not fit the session")
        try:
            if asked.withdraw:
                await self.switchboard.withdraw(project_id, asked.session_id)
                return Transferred(job_id=asked.job_id)
            listed = await self._listed(project_id, asked)
            if asked.warm:
                identity = await self.switchboard.call_in(project_id, asked.session_id, asked.to, listed=listed)
                return Transferred(job_id=asked.job_id, identity=identity)
            await self.switchboard.transfer_session(project_id, asked.session_id, asked.to, listed=listed)
        except PlatformError as error:
            return Transferred(job_id=asked.job_id, problem=problem_of(error))
        return Transferred(job_id=asked.job_id)

    async def _listed(self, project_id: int, asked: TransferAsked) -> frozenset[str]:
        """The numbers that the agent of a job may transfer to, of what it began with. The worker is not believed: its
        model may have been talked into anything. Raises `Conflict` where the job is over, and another may speak."""
        async with self.database.tenant(project_id) as db:
            mine = (SessionJob.project_id == project_id, SessionJob.session_id == asked.session_id)
            running = select(SessionJob.id).where(
                *mine, SessionJob.epoch == asked.epoch, col(SessionJob.ended_at).is_(None)
            )
            if (await db.exec(running)).first() is None:
                raise Conflict("this persona is not in the call any more")
            session = await db.get(Session, asked.session_id)
            persona = await find_served(db, session, asked.epoch) if session is not None else None
            return frozenset(canonical(each.number) for each in numbers_of(persona)) if persona else frozenset()

    async def renew(
        self, worker_id: str, capacity: int, calls: list[str], figures: Figures | None = None
    ) -> list[Command]:
        """A worker lives, and so do its calls; commands for those that should have ended, or are to wind up.

        A heartbeat repeats the commands of the one before: none is lost with a connection.
        """
        async with self.database.platform() as db:
            now, link = self.clock.now(), self.hub.find(worker_id)
            if link is not None:
                link.heard_at.append(now)
            seen: dict[str, Any] = {"capacity": capacity, "connected": True, "seen_at": now}
            if figures is not None:
                seen["figures"] = figures.model_dump(mode="json")
            upsert = insert(Worker).values(id=worker_id, **seen)
            await db.exec(upsert.on_conflict_do_update(index_elements=["id"], set_=seen))
            if not calls:
                return []
            # One that has ended lives on as well: a bot that has left may still be writing down what was said.
            renewed = await db.scalars(
                update(SessionJob)
                .where(col(SessionJob.livekit_job_id).in_(calls))
                .values(lease_until=now + self.lease, worker_id=worker_id, begun=None)
                .returning(SessionJob)
            )
            jobs = renewed.all()
            leaving = [job.livekit_job_id for job in jobs if job.ended_at is None and job.wind_up_at is not None]
            over = [job.livekit_job_id for job in jobs if job.ended_at is not None]
            return [
                *(Command(action="wind_up", job_id=job_id, reason="budget") for job_id in leaving),
                *(Command(action="end", job_id=job_id) for job_id in over),
            ]

    async def lost(self, link: WorkerLink) -> None:
        """A worker has closed its uplink, as the system does for one that dies: its calls are to be heard of again
        within a second. Not where another control plane has heard of it since, and this one notices late."""
        worker_id = link.worker_id
        try:
            async with self.database.platform() as db:
                here_last = (col(Worker.id) == worker_id, col(Worker.seen_at).in_(link.heard_at))
                gone = await db.exec(update(Worker).where(*here_last).values(connected=False))
                if not gone.rowcount:
                    return
                missed = await db.scalars(
                    update(SessionJob)
                    .where(col(SessionJob.worker_id) == worker_id, col(SessionJob.ended_at).is_(None))
                    .values(lease_until=self.clock.now() + LOST_WITHIN)
                    .returning(SessionJob)
                )
                for job in missed.all():
                    await self.desk.keep_begun(db, job)
        except Unavailable:
            log.warning("leases not shortened", worker=worker_id)

    async def press_keys(self, message: dict[str, Any]) -> None:
        """Keys of a telephone were pressed by the API: tell the session's job."""
        await self._command(message["session_id"], action="press", digits=message["digits"])

    async def hand_over(self, message: dict[str, Any]) -> None:
        """A caller is to be handed over: tell the session's job."""
        await self._command(message["session_id"], action="hand_over", to=message["to"])

    async def chat(self, message: dict[str, Any]) -> None:
        """Somebody wrote a line in the meeting of a session: tell its job."""
        who = {"identity": message["identity"], "name": message["name"]}
        await self._command(message["session_id"], action="chat", text=message["text"], **who)

    async def recorded(self, message: dict[str, Any]) -> None:
        """The recording of a session hears the room, which its job waits for; or hears it no longer."""
        await self._command(message["session_id"], action="recorded" if message["on"] else "unrecorded")

    async def whisper(self, message: dict[str, Any]) -> None:
        """A supervisor whispers to the persona of a session: tell its job."""
        await self._command(message["session_id"], action="whisper", text=message["text"], token=message["token"])

    async def forget(self, message: dict[str, Any]) -> None:
        """Somebody was erased: tell every worker that is connected here."""
        links = self.hub.all()
        for link in links:
            link.send(Forget(session_ids=message["sessions"]))
        await note_told(self.database, message["requests"], [link.worker_id for link in links])

    async def remind(self, link: WorkerLink) -> None:
        """Tell a worker that comes back who was erased in the last days."""
        try:
            requests, sessions = await recent(self.database)
            for part in in_parts(sessions):
                link.send(Forget(session_ids=part))
            if requests:
                await note_told(self.database, requests, [link.worker_id])
        except Exception:  # it is told when it connects again; its calls go on
            log.exception("worker not told whom to forget", worker=link.worker_id)

    async def _command(self, session_id: int, **command: Any) -> None:
        """Tell the job of a session something, where its worker is connected here."""
        async with self.database.platform() as db:
            query = select(SessionJob).where(SessionJob.session_id == session_id, col(SessionJob.ended_at).is_(None))
            job = (await db.exec(query.order_by(col(SessionJob.id)).limit(1))).first()
        link = job and self.hub.find(job.worker_id)
        if job and link:
            link.send(Command(job_id=job.livekit_job_id, **command))

    async def end_calls(self, message: dict[str, int]) -> None:
        """A session was ended elsewhere: tell its jobs, where their workers are connected here."""
        async with self.database.platform() as db:
            query = select(SessionJob).where(SessionJob.session_id == message["session_id"])
            for job in (await db.exec(query)).all():
                link = self.hub.find(job.worker_id)
                if link is not None:
                    link.send(Command(action="end", job_id=job.livekit_job_id))


def _why(submission: Submission, error: Exception) -> str:
    """Why a report is refused."""
    if isinstance(error, ReportRefused):
        log.warning("report refused", session=submission.session_id, reason=str(error))
        return str(error)
    # What no column can hold, or contradicts what is there.
    log.error("report cannot be kept", session=submission.session_id, exc_info=error)
    return "the report cannot be kept"


def _verdict_on(submission: Submission, refused: str | None = None) -> Verdict:
    return Verdict(
        session_id=submission.session_id, epoch=submission.epoch, sequence=submission.sequence, refused=refused
    )


def _described(submission: Submission) -> dict[str, str | int]:
    """A report's attributes in its span."""
    return {"type": str(submission.report.get("type"))[:LONGEST_TYPE], "sequence": submission.sequence}
