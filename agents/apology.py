"""What is left where nothing helps any more: a sentence that is sound already, and the end. No model is asked."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from livekit import rtc

from agents.arrival import wait_for_answer
from agents.calling import PersonaJob
from agents.contract import CallEnded, CallStarted, Command, EndReason, LineSpoken, timestamp_ms
from agents.prepared import RATE, Sounds
from agents.reporter import Reporter
from agents.timing import moment

HEARD_WITHIN: Final = 3.0
"""Seconds until somebody hears us, after which it is said all the same."""
WITHIN: Final = 15.0
"""Seconds for all of it."""
BEFORE: Final = 0.3
"""Seconds of silence before the first word: the first of a line that opens is lost."""

log = structlog.get_logger()


class Apology:
    """Says in the persona's voice, or the one that comes with us, that nothing goes on."""

    def __init__(
        self,
        job: PersonaJob,
        room: rtc.Room,
        sounds: Sounds,
        reporter: Reporter,
        *,
        reason: EndReason = "worker_lost",
    ) -> None:
        self.job, self.room, self.sounds, self.reporter, self.reason = job, room, sounds, reporter, reason
        self._ended = asyncio.Event()
        reporter.on_command(self._obey)
        room.on("disconnected", lambda *_: self._ended.set())

    async def run(self) -> None:
        """Say it and end. Returns when all has been reported."""
        began = moment()
        if self.job.only_apologises:
            self.reporter.report(CallStarted(at=began))
        saying = asyncio.create_task(self._say())
        over = asyncio.create_task(self._ended.wait())
        await asyncio.wait({saying, over}, timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
        for task in (saying, over):
            task.cancel()
        said, _ = await asyncio.gather(saying, over, return_exceptions=True)
        if isinstance(said, Exception):
            log.warning("apology not heard", session=self.job.session_id, reason=type(said).__name__)
        elif said is True:
            self._write_down(since=timestamp_ms(self.job.started_at, began))
        now = moment()
        duration = timestamp_ms(began, now)
        self.reporter.report(CallEnded(at=now, reason=self.reason, failed=True, duration_ms=duration))

    async def _say(self) -> bool:
        frames = self.sounds.frames("sorry")
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        published = await self.room.local_participant.publish_track(track, options)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARD_WITHIN):
                    await published.wait_for_subscription()
                    if self.job.phone is not None:
                        await wait_for_answer(self.room, self.job.phone)
            await self._show()
            silence = rtc.AudioFrame.create(RATE, 1, round(RATE * BEFORE))
            for frame in (silence, *frames):
                await source.capture_frame(frame)
            await source.wait_for_playout()
        finally:
            await source.aclose()
        return True

    async def _show(self) -> None:
        """As captions; and those who only read have nothing else."""
        attributes = {"lk.transcription_final": "true", "lk.segment_id": f"sorry-{self.job.epoch}"}
        await self.room.local_participant.send_text(
            self.sounds.texts["sorry"], topic="lk.transcription", attributes=attributes
        )

    def _write_down(self, *, since: int) -> None:
        now = moment()
        line = LineSpoken(
            at=now,
            speaker="agent",
            identity=self.job.identity,
            name=self.job.persona_name,
            text=self.sounds.texts["sorry"],
            timestamp_ms=since,
            duration_ms=max(0, timestamp_ms(self.job.started_at, now) - since),
        )
        self.reporter.report(line)

    def _obey(self, command: Command) -> None:
        if command.action in ("end", "wind_up"):
            self._ended.set()
