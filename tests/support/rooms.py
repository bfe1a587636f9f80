"""Somebody in a LiveKit room for tests: speaks a tone, hears what is said, keeps what happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from livekit import rtc

RATE = 16_000


class Somebody:
    """A participant. `happened` are tuples of an event's name, an identity and what it says."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.happened: list[tuple[str, str, Any]] = []
        self.heard: dict[str, list[np.ndarray]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        on = self.room.on
        on("participant_connected", lambda p: self._note("joined", p.identity, dict(p.attributes)))
        on("participant_disconnected", lambda p: self._note("left", p.identity, p.disconnect_reason))
        on("participant_attributes_changed", lambda changed, p: self._note("attributes", p.identity, dict(changed)))
        on("track_published", lambda publication, p: self._note("track", p.identity, publication.name))
        on("sip_dtmf_received", lambda digit: self._note("digit", digit.participant.identity, digit.digit))
        on("disconnected", lambda reason: self._note("disconnected", "", reason))
        on("token_refreshed", lambda: self._note("token", "", self.room._token))
        on("track_subscribed", self._hear)
        on("track_unsubscribed", self._hear_no_more)

    async def until(self, name: str, identity: str, *, count: int = 1, within: float = 60) -> Any:
        """What the `count`-th event of a name and identity says."""
        try:
            async with asyncio.timeout(within):
                while True:
                    found = [said for event, who, said in self.happened if (event, who) == (name, identity)]
                    if len(found) >= count:
                        return found[count - 1]
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} of {identity}; there was {self.happened}") from None

    async def until_status(self, identity: str, status: str, within: float = 60) -> None:
        """The call of an identity has had a status."""
        async with asyncio.timeout(within):
            while status not in self.statuses(identity):
                self._changed.clear()
                await self._changed.wait()

    def statuses(self, identity: str) -> list[str]:
        """The `sip.callStatus` values of an identity, in order."""
        events = (said for event, who, said in self.happened if event in ("joined", "attributes") and who == identity)
        return [said["sip.callStatus"] for said in events if "sip.callStatus" in said]

    async def listen_to(self, identity: str, seconds: float) -> np.ndarray:
        """What an identity says from now on, at `RATE`."""
        frames = self.heard.setdefault(identity, [])
        frames.clear()
        async with asyncio.timeout(seconds + 30):
            while sum(map(len, frames)) < seconds * RATE:
                await asyncio.sleep(0.02)
        return np.concatenate(frames)

    async def speak(self, hertz: float) -> None:
        """Publish a tone and keep it up."""
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)

        async def keep_up() -> None:
            sample = 0
            while True:
                moments = (np.arange(RATE // 100) + sample) / RATE
                sample += RATE // 100
                pcm = (np.sin(2 * np.pi * hertz * moments) * 9000).astype(np.int16)
                await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, len(pcm)))

        self._tasks.append(asyncio.create_task(keep_up()))

    def _note(self, name: str, identity: str, said: Any) -> None:
        self.happened.append((name, identity, said))
        self._changed.set()

    def _hear(self, track: rtc.RemoteTrack, _: Any, participant: rtc.RemoteParticipant) -> None:
        frames = self.heard.setdefault(participant.identity, [])

        async def keep() -> None:
            stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
            try:
                async for event in stream:
                    frames.append(np.frombuffer(event.frame.data, np.int16).copy())
            finally:
                await stream.aclose()

        self._listening[track.sid] = asyncio.create_task(keep())
        self._tasks.append(self._listening[track.sid])

    def _hear_no_more(self, track: rtc.RemoteTrack, *_: Any) -> None:
        listening = self._listening.pop(track.sid, None)
        if listening is not None:
            listening.cancel()


@asynccontextmanager
async def somebody(url: str, token: str) -> AsyncIterator[Somebody]:
    """Join a room for the length of a block."""
    person = Somebody()
    await person.room.connect(url.replace("http", "ws", 1), token)
    for participant in person.room.remote_participants.values():
        person._note("joined", participant.identity, dict(participant.attributes))
    try:
        yield person
    finally:
        for task in person._tasks:
            task.cancel()
        await asyncio.gather(*person._tasks, return_exceptions=True)
        await person.room.disconnect()
