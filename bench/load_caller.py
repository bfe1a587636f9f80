"""`python -m bench.load_caller`: people who ask a spoken question and hear its answer, again and again.

Lines of its input: `{"url": …, "room": …, "token": …}`, a room to enter, and `{"leave": room}`; its end ends all. Lines
of its output: `{"ready": true}`, `{"joined": room}`, `{"here": room}` when an agent's voice is there, and for each
question `{"room": room, "ms": …}`: from its last sound to the first of the answer in this person's ear, null where none
came.

They are made to cost little, as a core has to be enough for all of them: sound is prepared, spoken in pieces of a tenth
of a second and heard in pieces of 50 ms, in which the first loud sample tells the moment.
"""

import asyncio
import json
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import rtc

from agents.halls.frames import sort_frames
from agents.prepared import Sounds
from pocket.rooms.joining import unbroken

RATE, PIECE = 48_000, 0.1
"""As it is sent: what is not resampled costs less."""
EAR_RATE, EAR_MS = 16_000, 50
LOUD: Final = 1000
AFTER: Final = 0.4
"""Seconds of silence that are spoken after a question, so that its end is sent as what it is."""
ANSWERED_WITHIN: Final = 8.0
QUIET: Final = 0.6
"""Seconds without a sound after which an answer is over."""
PAUSE: Final = (0.3, 1.1)
"""Seconds between an answer and the next question: callers are not in step."""
APART: Final = 5.0
"""Seconds within which callers who are there begin."""


def question(folder: Path) -> np.ndarray:
    """A sentence that comes with us, "Could you say it again?", from its first sound to its last, at `RATE`."""
    frames = Sounds(folder, "none", RATE).frames("unheard")
    whole = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])
    loud = np.flatnonzero(np.abs(whole.astype(np.int32)) > LOUD // 2)
    longest = int(np.argmax(np.diff(loud)))  # the pause between its two sentences
    return whole[loud[longest + 1] : loud[-1] + 1]


def pieces(spoken: np.ndarray) -> list[rtc.AudioFrame]:
    """What is said, and the silence after it."""
    size = round(RATE * PIECE)
    samples = np.pad(spoken, (0, round(RATE * AFTER)))
    samples = np.pad(samples, (0, -len(samples) % size))
    return [
        rtc.AudioFrame(samples[begin : begin + size].tobytes(), RATE, 1, size) for begin in range(0, len(samples), size)
    ]


class Caller:
    """Somebody in a room."""

    def __init__(self, spoken: np.ndarray, name: str) -> None:
        self.name, self._lasts, self._pieces = name, len(spoken) / RATE, pieces(spoken)
        self._room = rtc.Room()
        self._room.on("track_subscribed", self._subscribed)
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=500)
        self._ear: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._first = self._last = 0.0
        """When the first sound after a question was heard, and the last."""

    async def talk(self, url: str, token: str) -> None:
        """Enter, and talk with whoever comes, until cancelled."""
        try:
            await unbroken(self._room.connect(url, token))
            tell(joined=self.name)
            track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            await self._room.local_participant.publish_track(track, options)
            await self._heard.wait()  # their track is there
            tell(here=self.name)
            await asyncio.sleep(random.uniform(0, APART))
            while True:
                tell(room=self.name, ms=await self._turn())
                await asyncio.sleep(random.uniform(*PAUSE))
        finally:
            if self._ear is not None:
                self._ear.cancel()
                await asyncio.gather(self._ear, return_exceptions=True)
            await self._room.disconnect()

    async def _turn(self) -> float | None:
        """Ask, and hear the answer to its end; the milliseconds until it began."""
        self._heard.clear()
        self._first = 0.0
        ended = time.monotonic() + self._lasts
        for piece in self._pieces:
            await self._source.capture_frame(piece)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_WITHIN):
                await self._heard.wait()
        if not self._first:
            return None
        while (silence := time.monotonic() - self._last) < QUIET:
            await asyncio.sleep(QUIET - silence)
        return round(1000 * (self._first - ended), 1) if self._first > ended else None

    def _subscribed(self, track: rtc.RemoteTrack, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and self._ear is None:
            self._ear = asyncio.create_task(self._listen(track))
            self._heard.set()

    async def _listen(self, track: rtc.RemoteTrack) -> None:
        stream = rtc.AudioStream(track, sample_rate=EAR_RATE, num_channels=1, frame_size_ms=EAR_MS)
        try:
            async for event in stream:
                self._hear(np.frombuffer(event.frame.data, np.int16))
        finally:
            await stream.aclose()

    def _hear(self, pcm: np.ndarray) -> None:
        if pcm.max(initial=0) < LOUD:
            return
        self._last = time.monotonic()
        if not self._first:
            self._first = self._last - (len(pcm) - int(np.argmax(pcm >= LOUD))) / EAR_RATE
            self._heard.set()


def tell(**message: Any) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Read lines, and do what they say."""
    spoken = question(Path())
    sort_frames()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    talking: dict[str, asyncio.Task[None]] = {}
    tell(ready=True)
    while line := await lines.readline():
        match json.loads(line):
            case {"url": str(url), "room": str(room), "token": str(token)}:
                talking[room] = asyncio.create_task(Caller(spoken, room).talk(url, token))
            case {"leave": str(room)}:
                talking[room].cancel()
    for task in talking.values():
        task.cancel()
    await asyncio.gather(*talking.values(), return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
