"""Bots that are due get a host: session, job and token in one transaction, so that each is sent once."""

import secrets
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import func, text
from sqlmodel import col, select

from agents.attendance import BotJob, Patience, Streaming
from control_plane.accounts.limits import is_full
from control_plane.accounts.models import Project
from control_plane.accounts.redacting import redaction_of
from control_plane.bots.asking import BotAsk
from control_plane.bots.entering import Entrance
from control_plane.bots.life import ended
from control_plane.bots.models import Bot, BotError, BotState
from control_plane.bots.telling import BotTeller
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.events.log import EventLog
from control_plane.ids import fingerprint
from control_plane.meetings.attending import CannotJoin
from control_plane.secrets.box import SecretBox
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.ending import end_session
from control_plane.sessions.models import BOT, Session, SessionJob, Slot
from control_plane.sessions.repository import SessionRepository

FULL_FOR: Final = timedelta(seconds=2)
"""When a bot is looked at again whose plan has no free place."""

# All of them, whoever is not being looked at: thousands that find no place must not go before those of others.
_LATER = text("""
    update bot set wanted_at = :later where id in (
        select id from bot
        where project_id = :project and wanted_at <= :now and session_id is null
        for update skip locked
    )
""")

log = structlog.get_logger()


class BotClaimer:
    """Takes bots that are due for hosts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        box: SecretBox,
        signer: ReportSigner,
        entrance: Entrance,
        *,
        lease: timedelta,
        longest: timedelta,
    ) -> None:
        self.database, self.clock, self.box, self.signer, self.entrance = database, clock, box, signer, entrance
        self.lease, self.longest = lease, longest

    async def held_by(self, host_id: str) -> int:
        """Bots that a host has now."""
        async with self.database.platform() as db:
            query = select(func.count()).where(SessionJob.worker_id == host_id, col(SessionJob.ended_at).is_(None))
            return (await db.exec(query)).one()

    async def until_next(self) -> float | None:
        """Seconds until the next bot is due that is not due yet; None where none is planned."""
        now = self.clock.now()
        async with self.database.platform() as db:
            query = select(func.min(Bot.wanted_at)).where(col(Bot.wanted_at) > now)
            soonest = (await db.exec(query)).one()
        return None if soonest is None else max(0.0, (soonest - self.clock.now()).total_seconds())

    async def claim(self, host_id: str) -> tuple[BotJob | None, bool]:
        """The next bot that is due, for this host; the last says whether there may be another.

        One that cannot enter its meeting has failed and is no job.
        """
        async with self.database.platform() as db:
            now = self.clock.now()
            due = col(Bot.wanted_at) <= now, col(Bot.leave_at).is_(None)
            query = select(Bot).where(*due).order_by(col(Bot.wanted_at), col(Bot.id)).limit(1)
            bot = (await db.exec(query.with_for_update(skip_locked=True))).one_or_none()
            if bot is None:
                return None, False
            if bot.session_id is None and await is_full(db, bot.project_id, "sessions", now):
                await db.execute(_LATER, {"project": bot.project_id, "now": now, "later": now + FULL_FOR})
                return None, True
            return await self._send(db, bot, host_id), True

    async def _send(self, db: Db, bot: Bot, host_id: str) -> BotJob | None:
        teller, now = BotTeller(db, self.clock, self.box), self.clock.now()
        bot.wanted_at, bot.claimed_at = None, bot.claimed_at or now
        session = await self._session(db, bot)
        if session is None:  # its end is known by now, and its follower has not seen it yet
            await ended(db, self.clock, self.box, bot.session_id or 0)
            return None
        if bot.state == BotState.SCHEDULED:
            bot.state = BotState.JOINING
        await teller.status(bot, "joining_call")
        try:
            token, waits, line = await self.entrance.enter(db, self.clock, bot)
        except CannotJoin as error:
            log.info("bot cannot join", bot=str(bot.uuid), reason=error.code)
            if bot.joined_at is not None:  # it was there, and its meeting is over by now
                at, facts = self.clock.now(), EventLog(db, self.clock)
                await end_session(db, facts, session, outcome="ok", reason="room_closed", at=at)
                await ended(db, self.clock, self.box, session.id)
                return None
            await teller.failed(bot, BotError.CANNOT_JOIN, str(error))
            await end_session(
                db, EventLog(db, self.clock), session, outcome="failed", reason="cannot_join", at=self.clock.now()
            )
            return None
        session.epochs += 1
        job = SessionJob(
            project_id=bot.project_id,
            session_id=session.id,
            epoch=session.epochs,
            livekit_job_id=f"{bot.identity}-{session.epochs}",
            persona_id=0,
            identity=bot.identity,
            worker_id=host_id,
            accepted_at=now,
            lease_until=now + self.lease,
        )
        db.add(job)
        redaction, ask = await redaction_of(db, bot.project_id), BotAsk.of(bot)
        # What is not written down cannot be taken out of the recording.
        listens = ask.recogniser == "Default" or (redaction is not None and session.store_transcripts)
        bot.asked = bot.asked | {"listens": ask.listens and listens}
        described = self._job(bot, session, job, token, waits=waits, line=line)
        return described.model_copy(update={"redaction": redaction, "transcribe": listens})

    async def _session(self, db: Db, bot: Bot) -> Session | None:
        """The bot's session, locked: the one it has had before, unless that has ended; or a new one with a place of the
        plan."""
        sessions = SessionRepository(db, bot.project_id)
        if bot.session_id is not None:
            return await sessions.lock_active(bot.room_name)
        now = self.clock.now()
        details = {"bot_id": str(bot.uuid), "meeting_url": bot.meeting_url}
        session = await sessions.begin(bot.room_name, None, at=now, session_type=BOT, details=details)
        assert session is not None
        bot.session_id = session.id
        project = (await db.exec(select(Project).where(Project.id == bot.project_id))).one()
        slot = Slot(
            project_id=bot.project_id,
            account_id=project.account_id,
            room_name=bot.room_name,
            persona_ids=[],
            ticket_hash=fingerprint(secrets.token_hex(16)),
            session_id=session.id,
            dispatched_at=now,
            expires_at=now,
        )
        db.add(slot)
        await db.flush()
        return session

    def _job(self, bot: Bot, session: Session, job: SessionJob, token: str, *, waits: bool, line: str) -> BotJob:
        ask = BotAsk.of(bot)
        left = self.longest - (self.clock.now() - (bot.claimed_at or self.clock.now()))
        return BotJob(
            job_id=job.livekit_job_id,
            session_id=session.id,
            epoch=job.epoch,
            project_id=bot.project_id,
            capability=self.signer.sign(bot.project_id, session.id, job.epoch),
            bot_id=str(bot.uuid),
            identity=bot.identity,
            token=token,
            waits=waits,
            line=line,
            patience=Patience(
                waiting_room=ask.waiting_room_timeout,
                nobody=ask.noone_joined_timeout,
                silence=ask.silence_timeout,
                longest=max(1.0, left.total_seconds()),
            ),
            streaming=Streaming(
                output=ask.streaming_output or "",
                input=ask.streaming_input or "",
                sample_rate=24_000 if ask.streaming_audio_frequency == "24khz" else 16_000,
            ),
            keeps_words=session.store_transcripts,
            started_at=session.started_at,
        )
