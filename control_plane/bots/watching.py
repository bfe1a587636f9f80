"""Bots that nobody answers for any more, or that nobody took: sent again while their patience lasts, else failed."""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import and_, or_, text
from sqlmodel import col, select

from agents.attendance import HOST_PREFIX
from agents.contract import EndReason
from control_plane.bots.asking import BotAsk
from control_plane.bots.claiming import FULL_FOR
from control_plane.bots.life import ended, heard, lock_by_session, told
from control_plane.bots.models import Bot, BotError, BotState
from control_plane.bots.telling import BotTeller
from control_plane.bots.writing import end_writing
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.events.log import EventLog
from control_plane.recordings.models import Recording
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import end_session, lock_running, lock_session, told_all
from control_plane.sessions.models import SessionJob

HOSTS: Final = 5
"""Hosts that one bot may lose."""
HOST_WITHIN: Final = timedelta(minutes=10)
"""In which a bot that has lost its host in a meeting finds another."""
LEAVES_WITHIN: Final = timedelta(seconds=20)
"""From the wish that a bot leaves to its end: its host finishes what was being said."""
AT_ONCE: Final = 100
MOST_WAITING: Final = 1000
"""Bots without a host that a pass looks at, those first that were due first."""
COMPLETE_WITHIN: Final = timedelta(hours=2)
"""From the end of a bot's stay, whatever its file or its recogniser do."""
TOLD_WITHIN: Final = timedelta(days=7)
"""After which nobody waits for the last webhook of a bot any more."""

_FORGET_KEYS = text("""
    with done as (
        update bot set sealed_secrets = null
        where sealed_secrets is not null and writing_since is null
            and state in ('completed', 'failed', 'cancelled') and (
            endpoint_id is null or ended_at < :late or exists (
                select from webhook_delivery sent where sent.endpoint_id = bot.endpoint_id
                    and sent.event_type in ('complete', 'failed', 'transcription_complete') and sent.state <> 'waiting'
            )
        )
        returning room_name
    )
    update webhook_endpoint set sealed_headers = null, is_active = false
    where dialect = 'meeting_baas' and room_name in (select room_name from done)
""")

log = structlog.get_logger()


class BotWatch:
    """One pass each second, in the process that leads."""

    def __init__(self, database: Database, clock: Clock, box: SecretBox, *, longest: timedelta) -> None:
        self.database, self.clock, self.box, self.longest = database, clock, box, longest

    async def sweep(self) -> None:
        """Look at bots that were lost, were not taken, do not leave, do not end, or are heard and nobody said so."""
        for job_id, session_id, project_id in await self._lost():
            async with self.database.platform() as db:
                await self._send_again(db, job_id, session_id, project_id)
        for bot_id in await self._impatient():
            async with self.database.platform() as db:
                await self._give_up(db, bot_id)
        for session_id, project_id in await self._lingering():
            async with self.database.platform() as db:
                await self._end(db, session_id, project_id, outcome="ok", reason="api")
        await self._hear()
        await self._complete_untold()
        await self._complete_late()

    async def forget_keys(self) -> None:
        """Forget the keys of bots whose last webhook was delivered, or is given up; nothing more is told of them."""
        async with self.database.platform() as db:
            await db.execute(_FORGET_KEYS, {"late": self.clock.now() - TOLD_WITHIN})

    async def _lost(self) -> list[Any]:
        query: Any = select(SessionJob.id, SessionJob.session_id, SessionJob.project_id).where(
            col(SessionJob.identity).startswith(HOST_PREFIX),
            col(SessionJob.ended_at).is_(None),
            col(SessionJob.lease_until) < self.clock.now(),
        )
        async with self.database.platform() as db:
            return list((await db.exec(query.limit(AT_ONCE))).all())

    async def _send_again(self, db: Db, job_id: int, session_id: int, project_id: int) -> None:
        running, now = await lock_running(db, job_id, session_id, project_id=project_id), self.clock.now()
        if running is None or running.job.lease_until >= now:
            return
        bot = await lock_by_session(db, session_id)
        running.job.ended_at = now
        if bot is None:
            return
        log.warning("bot lost its host", bot=str(bot.uuid), host=running.job.worker_id, epoch=running.job.epoch)
        if bot.leave_at is None and running.job.epoch < HOSTS and now < self._patient_until(bot):
            bot.wanted_at = now
            return
        if bot.leave_at:
            await self._end(db, session_id, project_id, outcome="ok", reason="api")
        else:
            await self._end(db, session_id, project_id, outcome="failed", reason="worker_lost")

    async def _end(self, db: Db, session_id: int, project_id: int, *, outcome: str, reason: EndReason) -> None:
        """End a bot's session, and its stay with it."""
        session = await lock_session(db, session_id, project_id=project_id)
        if session is not None:
            log, now = EventLog(db, self.clock), self.clock.now()
            await end_session(db, log, session, outcome=outcome, reason=reason, at=now)
            await ended(db, self.clock, self.box, session_id)

    def _patient_until(self, bot: Bot) -> datetime:
        """Until when a host is looked for: its line is paid for, and its persona talks, while it has none."""
        if bot.joined_at is None:
            return (bot.claimed_at or bot.due_at) + timedelta(seconds=BotAsk.of(bot).waiting_room_timeout)
        return min(bot.joined_at + self.longest, (bot.wanted_at or self.clock.now()) + HOST_WITHIN)

    async def _impatient(self) -> list[int]:
        """Bots that wanted a host, or a place of their plan, for longer than they wait for anything."""
        query = select(Bot).where(col(Bot.wanted_at) < self.clock.now() + FULL_FOR)
        async with self.database.platform() as db:
            waiting = (await db.exec(query.order_by(col(Bot.due_at)).limit(MOST_WAITING))).all()
        return [bot.id for bot in waiting if self.clock.now() > self._patient_until(bot)]

    async def _give_up(self, db: Db, bot_id: int) -> None:
        bot = (await db.exec(select(Bot).where(Bot.id == bot_id).with_for_update(skip_locked=True))).one_or_none()
        if bot is None or bot.wanted_at is None or bot.is_over:
            return
        if bot.session_id is None:
            teller = BotTeller(db, self.clock, self.box)
            await teller.failed(bot, BotError.INTERNAL, "no bot host, or no session of the plan, was free in time")
        else:
            await self._end(db, bot.session_id, bot.project_id, outcome="failed", reason="worker_lost")

    async def _lingering(self) -> list[Any]:
        """Bots that were to leave and have not, or that are with no host which could have them leave."""
        query: Any = select(Bot.session_id, Bot.project_id).where(
            or_(col(Bot.leave_at) < self.clock.now() - LEAVES_WITHIN, col(Bot.wanted_at).is_not(None)),
            col(Bot.leave_at).is_not(None),
            col(Bot.state).in_((BotState.JOINING, BotState.WAITING, BotState.ATTENDING)),
            col(Bot.session_id).is_not(None),
        )
        async with self.database.platform() as db:
            return list((await db.exec(query.limit(AT_ONCE))).all())

    async def _complete_untold(self) -> None:
        """Bots whose host is gone, and what it had not written down with it."""
        gone = (col(SessionJob.told_at).is_(None), col(SessionJob.lease_until) < self.clock.now())
        query = (
            select(SessionJob)
            .join(Bot, col(Bot.session_id) == SessionJob.session_id)
            .where(Bot.state == BotState.ENDING, col(SessionJob.identity).startswith(HOST_PREFIX), *gone)
        )
        async with self.database.platform() as db:
            jobs = (await db.exec(query.limit(AT_ONCE))).all()
        for job in jobs:
            async with self.database.platform() as db:
                await told_all(db, await db.merge(job), at=self.clock.now())
                await told(db, self.clock, self.box, job.session_id)

    async def _complete_late(self) -> None:
        """Nothing that is still to come of a bot is waited for as long as this."""
        late = self.clock.now() - COMPLETE_WITHIN
        ends = and_(col(Bot.state) == BotState.ENDING, col(Bot.exited_at) < late)
        query = select(Bot).where(or_(ends, col(Bot.writing_since) < late))
        async with self.database.platform() as db:
            for bot in (await db.exec(query.limit(AT_ONCE).with_for_update(skip_locked=True))).all():
                log.warning("bot is complete without all that was to come", bot=str(bot.uuid))
                if bot.writing_since is not None:
                    await end_writing(db, self.clock, self.box, bot, "the recogniser does not come to an end")
                else:
                    await BotTeller(db, self.clock, self.box).completed(bot)

    async def _hear(self) -> None:
        query = (
            select(Recording)
            .join(Bot, col(Bot.recording_id) == Recording.id)
            .where(
                Bot.state == BotState.ATTENDING,
                Bot.told == "in_call_not_recording",
                col(Recording.heard_at).is_not(None),
            )
        )
        async with self.database.platform() as db:
            for recording in (await db.exec(query.limit(AT_ONCE))).all():
                await heard(db, self.clock, self.box, recording)
