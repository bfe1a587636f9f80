"""One bot, from the way into its meeting to its last report."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Final

import structlog
from livekit import rtc

from agents.arrival import wait_for_answer
from agents.attendance import BotJob
from agents.bots import rooms
from agents.bots.endings import Lost, Over
from agents.bots.hearing import Ears
from agents.bots.microphones import Follower, Microphones
from agents.bots.presence import Presence
from agents.bots.recognition import Recogniser
from agents.bots.silence import Silence
from agents.bots.streaming import Streaming
from agents.bots.writing import Writing
from agents.contract import BotLeft, BotWaits, CallEnded, CallStarted, EndReason, Report
from agents.timing import moment
from guard.outbound import Outbound

WRITE_ON: Final = 600.0
"""Seconds, after the bot has left, for what was said and is not recognised yet: for a recogniser that is slow."""
STOP_WITHIN: Final = 2.0
"""The same where the whole host stops."""

log = structlog.get_logger()


class Bot:
    """Attends one meeting."""

    def __init__(
        self,
        job: BotJob,
        url: str,
        report: Callable[[Report], None],
        ears: Ears,
        recogniser: Recogniser,
        outbound: Outbound,
    ) -> None:
        self.job, self.report = job, report
        self._url = url
        streams = job.streaming.output or job.streaming.input
        self._streaming = Streaming(job, ears, outbound) if streams else None
        self._writing = Writing(job, ears, recogniser, report) if job.transcribe else None
        self._began: float | None = None
        self._over: asyncio.Future[Over | None] = asyncio.get_running_loop().create_future()
        self.has_left = False

    def end(self, reason: EndReason) -> None:
        """Leave; the first reason counts."""
        if not self._over.done():
            self._over.set_result(Over(reason))

    async def run(self) -> None:
        """Attend, leave and report it, write what is left, and report the end. Who is cancelled, replaced in the room,
        or has lost the meeting's server leaves without those reports: then a bot of the next epoch comes."""
        over: Over | None = None
        left_at = 0.0
        try:
            over = await self._attend_until_over()
            if over is not None:
                self.has_left, left_at = True, time.time()
                log.info("bot left", session=self.job.session_id, reason=over.reason, failed=over.failed)
                self.report(BotLeft(at=moment(left_at), reason=over.reason, failed=over.failed))
                await self._write_what_is_left(WRITE_ON)
            elif not self._over.cancelled():
                await self._write_what_is_left(STOP_WITHIN)
        except asyncio.CancelledError:
            await self._write_what_is_left(STOP_WITHIN)
            raise
        finally:
            if self._writing is not None:
                await self._writing.close()
            if over is not None:
                duration = round((left_at - self._began) * 1000) if self._began else 0
                at = moment()
                self.report(CallEnded(at=at, reason=over.reason, failed=over.failed, duration_ms=duration))

    async def _attend_until_over(self) -> Over | None:
        attending = asyncio.create_task(self._attend())
        try:
            longest = self.job.patience.longest
            await asyncio.wait((attending, self._over), timeout=longest, return_when=asyncio.FIRST_COMPLETED)
            is_too_long = not attending.done() and not self._over.done()
        finally:
            attending.cancel()
            await asyncio.gather(attending, return_exceptions=True)
        if self._over.done():
            return None if self._over.cancelled() else self._over.result()
        if is_too_long:
            return Over("max_duration")
        error = attending.exception()
        if isinstance(error, Over):
            return error
        if isinstance(error, Lost):
            self._vanish(str(error))
            return None
        log.error("bot failed", session=self.job.session_id, exc_info=error)
        return Over("worker_lost" if self._began else "cannot_join", failed=True)

    async def _attend(self) -> None:
        job, token = self.job, self.job.token
        if job.waits:
            self.report(BotWaits(at=moment()))
            token = await rooms.be_admitted(self._url, token, job.patience.waiting_room, again=job.epoch > 1)
        async with AsyncExitStack() as leaving:
            room = rtc.Room()
            leaving.push_async_callback(rooms.leave, room)
            leaving.callback(room.off, "disconnected", self._watch_connection(room))
            gone: set[str] = set()
            room.on("participant_disconnected", lambda participant: gone.add(participant.identity))
            await rooms.join(room, self._url, token, again=job.epoch > 1)
            if job.line:
                await self._wait_for_line(room, gone)
            self._began = time.time()
            self.report(CallStarted(at=moment(self._began)))
            followers: list[Follower] = [each for each in (self._writing, self._streaming) if each is not None]
            if self._streaming is not None:
                leaving.push_async_callback(self._streaming.close)
                self._streaming.begin(room)
            leaving.enter_context(Microphones(room, followers).followed())
            presence = Presence(room, job.line, job.patience, self.end)
            leaving.callback(presence.close)
            presence.begin()
            silence = Silence(room)
            leaving.push_async_callback(silence.close)
            silence.begin()
            await asyncio.shield(self._over)

    async def _write_what_is_left(self, within: float) -> None:
        if self._writing is not None:
            try:
                await self._writing.finish(within)
            except Exception:  # whatever it was, the last report must come
                log.exception("the last words of a meeting are lost", session=self.job.session_id)

    def _watch_connection(self, room: rtc.Room) -> Callable[[rtc.DisconnectReason.ValueType], None]:
        def disconnected(reason: rtc.DisconnectReason.ValueType) -> None:
            why = rooms.why_disconnected(reason, waiting=False)
            if reason == rtc.DisconnectReason.DUPLICATE_IDENTITY:
                log.warning("bot replaced by its twin", session=self.job.session_id)
                self._over.cancel()  # the bot of a newer epoch is there in its place
            elif isinstance(why, Over):
                self.end(why.reason)
            else:
                self._vanish(str(why))

        room.on("disconnected", disconnected)
        return disconnected

    def _vanish(self, why: str) -> None:
        """Leave without a last report."""
        log.warning("bot lost its meeting", session=self.job.session_id, reason=why)
        if not self._over.done():
            self._over.set_result(None)

    async def _wait_for_line(self, room: rtc.Room, gone: set[str]) -> None:
        """Until the telephone is answered; raises `Over` where it is not, or was hung up while the bot joined."""
        answered = False
        with suppress(TimeoutError):
            async with asyncio.timeout(self.job.patience.waiting_room):
                answered = self.job.line not in gone and await wait_for_answer(room, self.job.line)
        if not answered:
            raise Over("cannot_join", failed=True)
