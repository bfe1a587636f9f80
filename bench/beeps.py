"""How long a sound is under way: beeps, and when they are heard."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from livekit import rtc

from pocket.rtp.codecs import Samples

LONG: Final = 0.1
"""Seconds of a beep; they begin half a second apart, more or less, so that they meet every phase of every clock."""
LOUD, QUIET = 2000, 100


class Beeper:
    """Silence with beeps, asked for piece by piece.

    `began` has the moments at which beeps were spoken: a piece can be handed out when its last sample was.
    """

    def __init__(self, sample_rate: int, piece: float) -> None:
        self.began: list[float] = []
        self._piece, self._left = piece, random.randrange(30)
        self._beeping = False
        count = int(sample_rate * piece)
        self._silence = np.zeros(count, np.int16)
        self._tone = (np.sin(2 * np.pi * 1000 * (np.arange(count) + 0.5) / sample_rate) * 9000).astype(np.int16)

    def __call__(self) -> Samples:
        """The next piece."""
        if self._left <= 0:
            self._beeping = not self._beeping
            self._left = round((LONG if self._beeping else random.uniform(0.3, 0.5)) / self._piece)
            if self._beeping:
                self.began.append(time.monotonic() - self._piece)
        self._left -= 1
        return self._tone if self._beeping else self._silence


class Listener:
    """When beeps were heard, and how late that was."""

    def __init__(self, beeper: Beeper) -> None:
        self.delays: list[float] = []
        self._beeper, self._silent = beeper, False

    def __call__(self, pcm: Samples) -> None:
        """Hear a piece."""
        loudest = int(np.abs(pcm.astype(np.int32)).max(initial=0))
        if loudest < QUIET:
            self._silent = True
        elif loudest > LOUD and self._silent and self._beeper.began:
            self._silent = False
            self.delays.append(1000 * (time.monotonic() - self._beeper.began[-1]))


class Somebody:
    """A participant with LiveKit's own SDK. `ears` gives, for an identity, who hears its track."""

    def __init__(self, ears: Callable[[str], Callable[[Samples], None] | None]) -> None:
        self.room = rtc.Room()
        self._ears, self._tasks = ears, set[asyncio.Task[None]]()
        self.room.on("track_subscribed", self._subscribed)

    async def join(self, url: str, token: str) -> None:
        """Enter the room."""
        await self.room.connect(url.replace("http", "ws", 1), token)

    async def speak(self, say: Callable[[], Samples], sample_rate: int) -> None:
        """Publish pieces of 10 ms from now on."""
        source = rtc.AudioSource(sample_rate, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
        await self.room.local_participant.publish_track(track, options)
        self._own(self._talk(source, say))

    async def leave(self) -> None:
        """Leave the room."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    async def _talk(self, source: rtc.AudioSource, say: Callable[[], Samples]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            pcm = say()
            await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), source.sample_rate, 1, len(pcm)))
            due += 0.01
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _subscribed(self, track: rtc.RemoteTrack, _: object, participant: rtc.RemoteParticipant) -> None:
        ear = self._ears(participant.identity)
        if ear is not None:
            self._own(self._listen(track, ear))

    async def _listen(self, track: rtc.RemoteTrack, ear: Callable[[Samples], None]) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=10)
        try:
            async for event in stream:
                ear(np.frombuffer(event.frame.data, np.int16))
        finally:
            await stream.aclose()

    def _own(self, work) -> None:  # type: ignore[no-untyped-def]
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
