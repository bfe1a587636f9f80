"""The scribe: writes down what everybody in a room says, each by their own microphone, and says nothing.

A sentence is recognised once it has ended. That costs nothing while people are silent, however many they are, and any
recognition that takes a file will do.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog
from livekit import rtc
from livekit.agents import APIError, inference, vad

from agents.arrival import COME_WITHIN, PEOPLE, wait_for_person
from agents.contract import CallEnded, CallStarted, Command, EndReason, LineSpoken, PersonaJob, timestamp_ms
from agents.departure import Departure
from agents.models import TRIES, Models
from agents.reporter import Reporter
from agents.timing import moment
from agents.usage import UsageMeter

RATE: Final = 16_000
MOST: Final = 32
"""Microphones that it follows at once."""
PAUSE: Final = 0.5
"""Seconds of silence that end a sentence."""
LONGEST: Final = 30.0
"""Seconds of one sentence that are recognised."""

log = structlog.get_logger()


class Scribe:
    """Follows the microphones of a room until its people have left."""

    def __init__(self, job: PersonaJob, room: rtc.Room, models: Models, reporter: Reporter) -> None:
        self.job, self.room, self.models, self.reporter = job, room, models, reporter
        self._usage = UsageMeter(models.stt)
        self._voices = inference.VAD(min_silence_duration=PAUSE, max_buffered_speech=LONGEST)
        self._following: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._departure = Departure(room, None, self.end)
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", self._on_gone)
        reporter.on_command(self._obey)

    async def run(self) -> None:
        """Wait for somebody, write, end. Returns when all has been reported."""
        if not await self._somebody_is_there():
            self.reporter.report(CallEnded(at=moment(time.time()), reason="nobody_came", duration_ms=0))
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
        self.reporter.report(CallEnded(at=moment(time.time()), reason=reason, duration_ms=duration))

    def end(self, reason: EndReason) -> None:
        """End; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(reason)

    def _obey(self, command: Command) -> None:
        if command.action in ("end", "wind_up"):
            self.end(command.reason)

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
        microphone = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        voice = self._voices.stream()
        feeding = asyncio.create_task(_feed(microphone, voice))
        try:
            async for event in voice:
                if event.type == vad.VADEventType.END_OF_SPEECH and event.frames:
                    await self._write(speaker, event)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await microphone.aclose()
            await voice.aclose()

    async def _write(self, speaker: rtc.RemoteParticipant, spoken: vad.VADEvent) -> None:
        ended = time.time() - spoken.silence_duration
        began = timestamp_ms(self.job.started_at, moment(ended - spoken.speech_duration))
        try:
            heard = await self.models.stt.recognize(
                spoken.frames, language=self.job.language.split("-")[0], conn_options=TRIES
            )
        except APIError as error:
            log.warning("sentence not recognised", session=self.job.session_id, reason=type(error).__name__)
            return
        text = heard.alternatives[0].text.strip() if heard.alternatives else ""
        if text:
            self.reporter.report(
                LineSpoken(
                    at=moment(time.time()),
                    speaker="user",
                    identity=speaker.identity,
                    name=speaker.name or speaker.identity,
                    text=text,
                    timestamp_ms=began,
                    duration_ms=round(spoken.speech_duration * 1000),
                )
            )
        self._count_usage()  # each sentence, so that a budget acts in time

    def _count_usage(self) -> None:
        for counted in self._usage.read():
            self.reporter.report(counted)


async def _feed(microphone: rtc.AudioStream, voice: vad.VADStream) -> None:
    async for event in microphone:
        voice.push_frame(event.frame)
    voice.end_input()
