"""The bot host: one process with all the bots of a machine, its uplink and its spool."""

import asyncio
import os
import secrets
import signal
import socket

import structlog

from agents.attendance import BotJob
from agents.bots.attending import Bot
from agents.bots.hearing import Ears
from agents.bots.recognition import Recogniser
from agents.bots.reporting import BotReporter
from agents.contract import Command
from agents.folders import OwnFolder
from agents.pulse import Pulse
from agents.settings import BotHostSettings, read_settings
from agents.spool import Spool
from agents.uplink import Uplink
from guard import exposition, logs, redaction
from guard.outbound import Outbound

log = structlog.get_logger()


class BotHost:
    """Sends bots into meetings, as the control plane says."""

    def __init__(self, settings: BotHostSettings) -> None:
        self.settings = settings
        self.folder = OwnFolder(settings.spool_dir)
        self.spool = Spool(self.folder.path)
        self.uplink = Uplink(
            settings.control_plane_url,
            settings.worker_token.get_secret_value(),
            self.spool,
            worker_id=f"bots-{socket.gethostname()}-{secrets.token_hex(4)}",
            capacity=0,
            calls=lambda: list(self._bots),
            on_command=self._obey,
            on_connected=self._tell_ready,
            bots=settings.max_bots,
            on_attend=self._attend,
            figures=lambda: self.pulse.figures(),
        )
        self._is_leaving = False
        self.pulse = Pulse(
            self.spool,
            settings.spool_dir,
            kind="bots",
            places=settings.max_bots,
            taken=lambda: len(self._bots),
            draining=lambda: self._is_leaving,
        )
        self._bots: dict[str, Bot] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ears = Ears()
        self._recogniser = Recogniser(settings)
        self._outbound = Outbound(settings.outbound_networks)

    async def run(self) -> None:
        """Work until SIGTERM. The bots leave then without a last word, so that they are sent again from elsewhere."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if self.settings.ready_file:
            self.settings.ready_file.unlink(missing_ok=True)  # of a process before us in the same pod
        uplink = asyncio.create_task(self.uplink.run())
        stopping = asyncio.create_task(stop.wait())
        looking = asyncio.create_task(self.pulse.run())
        adopting = asyncio.create_task(self.folder.adopt(self.spool))
        working = (uplink, looking, adopting)
        try:
            async with self._recogniser, self._outbound:
                await asyncio.wait((*working, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not stop.is_set():
                    await asyncio.gather(*(task for task in working if task.done()))
                self._is_leaving = True
                log.info("leaving all meetings", bots=len(self._bots))
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self.spool.wait_until_acknowledged()
        finally:
            ending = (*working, stopping, *self._tasks)
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            self.spool.close()
            self.folder.close()

    def _tell_ready(self) -> None:
        if self.settings.ready_file:
            self.settings.ready_file.write_text(str(os.getpid()))

    def _attend(self, job: BotJob) -> None:
        attending = sum(not bot.has_left for bot in self._bots.values())
        if job.job_id in self._bots or attending >= self.settings.max_bots:
            log.warning("bot not taken", session=job.session_id, bots=attending)
            return
        task = asyncio.create_task(self._run_bot(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_bot(self, job: BotJob) -> None:
        async with BotReporter(job, self.spool, self.uplink.submit) as reporter:
            bot = Bot(job, self.settings.livekit_url, reporter.report, self._ears, self._recogniser, self._outbound)
            self._bots[job.job_id] = bot
            try:
                await bot.run()
            finally:
                del self._bots[job.job_id]

    def _obey(self, command: Command) -> None:
        bot = self._bots.get(command.job_id)
        if bot is not None and command.action in ("end", "wind_up"):
            bot.end(command.reason)


def main() -> None:
    """Run a bot host until SIGTERM."""
    settings = read_settings(BotHostSettings, "bot host")
    logs.configure(settings.log_format)
    redaction.configure(settings.redactor)
    asyncio.run(_run(settings))


async def _run(settings: BotHostSettings) -> None:
    async with exposition.listening(settings.metrics_host, settings.metrics_port):
        await BotHost(settings).run()
