"""What people show, for a persona that sees: the newest frame of the speaker's screen or camera, as a small picture."""

import asyncio
import base64
import io
import time
from dataclasses import dataclass
from typing import Any, Final

from livekit import rtc
from PIL import Image

from agents.arrival import PEOPLE

EVERY: Final = 2.0
"""Seconds between two pictures of a track; turns in between are shown the one before."""
MOST: Final = 4
"""Tracks that are followed at once; each costs the wrapping of its frames."""
LARGEST: Final = 768
"""Pixels of a picture's longer side."""
QUALITY: Final = 75
RANKED: Final = (rtc.TrackSource.SOURCE_SCREENSHARE, rtc.TrackSource.SOURCE_CAMERA)
"""What is looked at first."""


@dataclass
class _Shown:
    """A track that somebody shows, its newest frame, and the last picture of it with its time."""

    identity: str
    publication: rtc.RemoteTrackPublication
    task: asyncio.Task[None] | None = None
    newest: rtc.VideoFrameEvent | None = None
    picture: str = ""
    drawn_at: float = -EVERY


class Sight:
    """Follows what people in a room show. Close it."""

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self._shown: dict[str, _Shown] = {}
        self._drawing = asyncio.Lock()
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", self._on_gone)

    async def look(self, speaker: str) -> str | None:
        """What the speaker shows, else what anybody does, as a `data:` address of a JPEG; None for nothing."""
        async with self._drawing:
            seen = [shown for shown in self._shown.values() if shown.newest and not shown.publication.muted]
            if not seen:
                return None
            shown = min(seen, key=lambda each: (each.identity != speaker, RANKED.index(each.publication.source)))
            now = time.monotonic()
            if shown.newest is not None and now - shown.drawn_at >= EVERY:
                shown.picture = await asyncio.to_thread(draw, shown.newest.frame, shown.newest.rotation)
                shown.drawn_at = now
            return shown.picture

    async def close(self) -> None:
        """Look no longer."""
        self.room.off("track_subscribed", self._on_track)
        self.room.off("track_unsubscribed", self._on_gone)
        tasks = [shown.task for shown in self._shown.values() if shown.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shown.clear()

    def _on_track(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if publication.source not in RANKED or participant.kind not in PEOPLE or len(self._shown) >= MOST:
            return
        shown = self._shown[publication.sid] = _Shown(participant.identity, publication)
        shown.task = asyncio.create_task(self._follow(track, shown))

    def _on_gone(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        shown = self._shown.pop(publication.sid, None)
        if shown is not None and shown.task is not None:
            shown.task.cancel()

    async def _follow(self, track: rtc.Track, shown: _Shown) -> None:
        stream = rtc.VideoStream(track, capacity=1)
        try:
            async for event in stream:
                shown.newest = event
        finally:
            await stream.aclose()


def draw(frame: rtc.VideoFrame, quarters: Any) -> str:
    """A frame as a picture that is small enough to be sent with a turn, turned clockwise by quarters; blocks."""
    rgba = rtc.VideoBufferType.RGBA
    pixels = frame if frame.type == rgba else frame.convert(rgba)
    picture = Image.frombytes("RGBA", (pixels.width, pixels.height), bytes(pixels.data)).convert("RGB")
    picture.thumbnail((LARGEST, LARGEST))
    if quarters:
        picture = picture.rotate(-90 * quarters, expand=True)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
