"""The scribe: writes down what everybody in a room says, each by their own microphone, and says nothing.

A sentence is recognised once it has ended. That costs nothing while people are silent, however many they are, and any
recognition that takes a file will do.
"""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import Final

import structlog
from livekit import rtc

from agents.arrival import COME_WITHIN, PEOPLE, wait_for_person
from agents.calling import PersonaJob
from agents.contract import CallEnded, CallStarted, Command, EndReason
from agents.departure import Departure
from agents.models import TRIES, Models
from agents.overhearing import Sentence, find_voices, line_of, overhear
from agents.reporter import Reporter
from agents.timing import moment
from agents.usage import UsageMeter

MOST: Final = 32
"""Microphones that it follows at once."""

log = structlog.get_logger()


class Scribe:
    """Follows the microphones of a room until its people have left."""

    def __init__(self, job: PersonaJob, room: rtc.Room, models: Models, reporter: Reporter) -> None:
        self.job, self.room, self.models, self.reporter = job, room, models, reporter
        self._usage = UsageMeter(models.stt)
        self._voices = find_voices()
        self._following: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._failed = False
        self._departure = Departure(room, None, self.end)
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", self._on_gone)
        reporter.on_command(self._obey)

    async def run(self) -> None:
        """Wait for somebody, write, end. Returns when all has been reported."""
        if not await self._somebody_is_there():
            self.reporter.report(CallEnded(at=moment(), reason="nobody_came", duration_ms=0))
            return
        began = time.time()
        self.reporter.report(CallStarted(at=moment(began)))
        self.models.on_change(self.reporter.report)
        reason: EndReason = "max_duration"
        with suppress(TimeoutError):
            async with asyncio.timeout(self.job.max_call_duration):
                reason = await self._ended
        following = list(self._following.values())
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        self._count_usage()
        duration = round((time.time() - began) * 1000)
        self.reporter.report(CallEnded(at=moment(), reason=reason, failed=self._failed, duration_ms=duration))

    def end(self, reason: EndReason, *, failed: bool = False) -> None:
        """End; the first reason counts."""
        if not self._ended.done():
            self._failed = failed
            self._ended.set_result(reason)

    def _obey(self, command: Command) -> None:
        if command.action in ("end", "wind_up"):
            self.end(command.reason, failed=command.reason == "worker_lost")

    async def _somebody_is_there(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(COME_WITHIN):
                return await wait_for_person(self.room)
        return False

    def _on_track(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        is_voice = publication.source == rtc.TrackSource.SOURCE_MICROPHONE and participant.kind in PEOPLE
        if not is_voice or publication.sid in self._following:
            return
        if len(self._following) >= MOST:
            log.warning("microphone not followed: there are too many", session=self.job.session_id)
            return
        self._following[publication.sid] = asyncio.create_task(self._follow(track, participant))

    def _on_gone(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        task = self._following.pop(publication.sid, None)
        if task is not None:
            task.cancel()

    async def _follow(self, track: rtc.Track, speaker: rtc.RemoteParticipant) -> None:
        sentences = overhear(track, self._voices, self.models.stt, language=self.job.language, tries=TRIES)
        async with aclosing(sentences):
            async for sentence in sentences:
                self._write(speaker, sentence)

    def _write(self, speaker: rtc.RemoteParticipant, sentence: Sentence) -> None:
        name, since = speaker.name or speaker.identity, self.job.started_at
        self.reporter.report(line_of(sentence, speaker, speaker="user", name=name, since=since))
        self._count_usage()  # each sentence, so that a budget acts in time

    def _count_usage(self) -> None:
        for counted in self._usage.read():
            self.reporter.report(counted)
