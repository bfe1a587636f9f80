"""Sends bots that are due to the hosts that are connected to this process, and has them leave."""

import asyncio
from typing import Any, Final

import structlog
from sqlmodel import col, select

from agents.contract import Attend, Command
from control_plane.bots.claiming import BotClaimer
from control_plane.bots.models import Bot
from control_plane.errors import PlatformError
from control_plane.sessions.models import SessionJob
from control_plane.uplink.hub import UplinkHub, WorkerLink

LOOK_EVERY: Final = 0.5
"""Seconds between looks for bots; within them one is sent at its own moment."""

log = structlog.get_logger()


class BotDispatcher:
    """Works for the bot hosts of one process."""

    def __init__(self, claimer: BotClaimer, hub: UplinkHub) -> None:
        self.claimer, self.hub = claimer, hub
        self._wanted = asyncio.Event()

    def wake(self, _message: dict[str, Any] | None = None) -> None:
        """A bot may be due, or is to leave."""
        self._wanted.set()

    async def run(self) -> None:
        """Look whenever woken and by the clock, until cancelled."""
        while True:
            for link in self.hub.hosts():
                try:
                    await self._serve(link)
                except PlatformError as error:
                    log.warning("bots are not sent", host=link.worker_id, reason=error.message)
                except Exception:  # one bad row must not keep all other bots at home
                    log.exception("bots are not sent", host=link.worker_id)
            try:
                async with asyncio.timeout(await self._pause()):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            self._wanted.clear()

    async def _pause(self) -> float:
        """Seconds until somebody must look again; a bot that is due and has found no place waits for the next look."""
        if not self.hub.hosts():
            return LOOK_EVERY
        try:
            left = await self.claimer.until_next()
        except PlatformError:
            return LOOK_EVERY
        return LOOK_EVERY if left is None else min(LOOK_EVERY, left)

    async def _serve(self, link: WorkerLink) -> None:
        await self._send_away(link)
        free, more = link.bots - await self.claimer.held_by(link.worker_id), True
        while free > 0 and more and self.hub.find(link.worker_id) is link:
            job, more = await self.claimer.claim(link.worker_id)
            if job is not None:
                link.send(Attend(job=job))
                free -= 1

    async def _send_away(self, link: WorkerLink) -> None:
        """Tell a host which of its bots are to leave; again each time, until they have."""
        query = (
            select(SessionJob.livekit_job_id)
            .join(Bot, col(Bot.session_id) == SessionJob.session_id)
            .where(
                SessionJob.worker_id == link.worker_id,
                col(SessionJob.ended_at).is_(None),
                col(Bot.leave_at).is_not(None),
            )
        )
        async with self.claimer.database.platform() as db:
            leaving = (await db.exec(query)).all()
        for job_id in leaving:
            link.send(Command(action="end", job_id=job_id, reason="api"))
