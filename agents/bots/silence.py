"""A track of a bot's own on which nothing is said: recorders begin with the first track of a room, and what a bot
attends is recorded though nobody else ever has one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from livekit import rtc

HOLD: Final = 15.0
"""Seconds in which a recorder that has come has begun. All the time would cost as much for each bot as hearing does."""
NAME: Final = "silence"
RATE: Final = 48_000
QUEUE_MS: Final = 100
"""With a queue the library sends silence of itself where nothing is put in."""
WITHIN: Final = 10.0
"""Seconds to publish the track, or to take it back."""
CLOSED_WITHIN: Final = 1.0
"""Seconds for that when the bot leaves."""

log = structlog.get_logger()


class Silence:
    """Publishes the track for a while when the bot comes, and when a recorder does. Close it."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._is_recorded = self._is_over = False
        self._wanted = asyncio.Event()
        self._publishing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The bot is in the meeting, and a recorder is on its way, or will be."""
        self._is_recorded = self._room.is_recording
        self._room.on("room_updated", self._updated)
        self._wanted.set()
        self._publishing = asyncio.create_task(self._publish())

    async def close(self) -> None:
        """Leave nothing open. What is being published is waited for: cut off, the library logs it as an error."""
        self._room.off("room_updated", self._updated)
        self._is_over = True
        self._wanted.set()
        if self._publishing is not None:
            await asyncio.wait({self._publishing}, timeout=CLOSED_WITHIN)
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)

    def _updated(self) -> None:
        was, self._is_recorded = self._is_recorded, self._room.is_recording
        if self._is_recorded and not was:
            self._wanted.set()

    async def _publish(self) -> None:
        while True:
            await self._wanted.wait()
            if self._is_over:
                return
            async with _published(self._room):
                while self._wanted.is_set() and not self._is_over:
                    self._wanted.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(HOLD):
                            await self._wanted.wait()


@asynccontextmanager
async def _published(room: rtc.Room) -> AsyncIterator[None]:
    """Publish the track for the length of the block; a room that does not take it is attended without.

    Its source is none that people have: nobody shows it as a microphone, follows it or mutes it.
    """
    source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track(NAME, source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_UNKNOWN, dtx=True, red=False)
    there = room.local_participant
    publication: rtc.LocalTrackPublication | None = None
    try:
        try:
            async with asyncio.timeout(WITHIN):
                publication = await there.publish_track(track, options)
        except (TimeoutError, rtc.participant.PublishTrackError, RuntimeError) as error:
            log.warning("a bot may not publish silence", room=room.name, reason=type(error).__name__)
        yield
        if publication is not None:
            with suppress(TimeoutError, rtc.participant.UnpublishTrackError, RuntimeError):
                async with asyncio.timeout(WITHIN):
                    await there.unpublish_track(publication.sid)
    finally:
        await source.aclose()
