"""A caller in a LiveKit room who speaks in real time and knows when it stopped and when it was answered."""

import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
import structlog
from livekit import rtc

from parley.demo.voice import Phrase, Voice
from parley.offline.audio import RECOGNITION_RATE, Samples
from pocket.rooms.joining import connect

log = structlog.get_logger()

MICROPHONE_RATE: Final = 48_000
_FRAME_S: Final = 0.02
_FRAME: Final = int(MICROPHONE_RATE * _FRAME_S)
_LEAD_S: Final = 0.04  # audio waiting in the source, so that a late task tears no hole into the speech
_EAR_FRAME_MS: Final = 10
_LOUD: Final = 400  # of 32767
_ENTERS_WITHIN_S: Final = 15
_LONGEST_ANSWER_S: Final = 120
_STATE: Final = "lk.agent.state"
_TALKATIVE: Final = ("thinking", "speaking", "initializing")


class CallFailed(Exception):
    """What the caller waited for did not happen."""


@dataclass(frozen=True)
class Heard:
    """An answer: when the caller's speech ended (Unix seconds), how long the answer took, and its sound."""

    speech_ended_at: float
    latency_s: float
    samples: Samples


class Caller:
    """One participant with a microphone and an ear. Use as an async context manager; leaving it hangs up."""

    def __init__(self, livekit_url: str, token: str, voice: Voice) -> None:
        self._url, self._token, self._voice = livekit_url, token, voice
        self._room = rtc.Room()
        self._cleanup = AsyncExitStack()
        self._speech: deque[Phrase] = deque()
        self._spoken: asyncio.Future[float] | None = None
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._frames: deque[tuple[float, Samples]] = deque(maxlen=_LONGEST_ANSWER_S * 1000 // _EAR_FRAME_MS)
        self._loud_at = 0.0
        self.voices: dict[str, float] = {}
        """When each track was first heard to sound, in Unix seconds: a persona that comes anew brings a new one."""
        self._waiting_for_sound: tuple[float, asyncio.Future[float]] | None = None
        self._state = ""
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as cleanup:
            self._room.on("track_subscribed", self._on_track)
            self._room.on("track_unsubscribed", self._on_track_gone)
            self._room.on("participant_attributes_changed", self._on_attributes)
            self._room.on("disconnected", self._on_disconnected)
            cleanup.push_async_callback(self._room.disconnect)
            async with asyncio.timeout(_ENTERS_WITHIN_S):
                await connect(self._room, self._url, self._token, rtc.RoomOptions(connect_timeout=_ENTERS_WITHIN_S))
            source = rtc.AudioSource(MICROPHONE_RATE, 1, queue_size_ms=200)
            cleanup.push_async_callback(source.aclose)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            async with asyncio.timeout(_ENTERS_WITHIN_S):
                await self._room.local_participant.publish_track(track, options)
            microphone = asyncio.create_task(self._speak_into(source))
            microphone.add_done_callback(self._on_microphone_end)
            cleanup.push_async_callback(_cancel, microphone)
            cleanup.push_async_callback(self._stop_listening)
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    async def hear_greeting(self, *, timeout: float = 20.0) -> Heard:
        """Wait until the persona has spoken first and is quiet again; the latency counts from this call."""
        return await self._hear_unasked(time.time(), after=0.0, timeout=timeout, what="greeting")

    async def hear_again(self, since: float, *, timeout: float = 20.0) -> Heard:
        """Wait until the persona has spoken unasked since a moment (Unix seconds), and is quiet again."""
        return await self._hear_unasked(since, after=since, timeout=timeout, what="sound of the persona")

    async def _hear_unasked(self, began: float, *, after: float, timeout: float, what: str) -> Heard:
        first = await self._first_sound(after=after, timeout=timeout, what=what)
        await self.wait_for_quiet()
        return Heard(began, max(0.0, first - began), self._heard_since(first))

    async def say(self, text: str) -> float:
        """Speak; returns the moment (Unix seconds) at which the last sound left the microphone."""
        phrase = await self._voice.phrase(text)
        if self._spoken is not None:
            raise CallFailed(f"The caller cannot say “{text}” while it is still speaking.")
        self._spoken = asyncio.get_running_loop().create_future()
        self._speech.append(phrase)
        try:
            async with asyncio.timeout(len(phrase.samples) / MICROPHONE_RATE + 10):
                return await self._spoken
        except TimeoutError as error:
            raise CallFailed("The microphone stopped taking audio.") from self._failure or error
        finally:
            self._spoken = None

    async def ask(self, text: str, *, timeout: float = 15.0) -> Heard:
        """Say something, wait for the answer to begin and to end."""
        ended = await self.say(text)
        first = await self._first_sound(after=ended, timeout=timeout, what=f"answer to “{text}”")
        await self.wait_for_quiet()
        return Heard(ended, first - ended, self._heard_since(first))

    async def wait_for_quiet(self, *, silence: float = 0.7, timeout: float = 60.0) -> None:
        """Until the persona has made no sound for this long and does not say that it is about to speak."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._until_silent(silence)
                while self._state in _TALKATIVE:
                    await asyncio.sleep(_FRAME_S)
                    await self._until_silent(silence)
                return
        raise CallFailed(f"The persona did not stop speaking within {timeout:.0f} s.")

    async def barge_in(self, question: str, interruption: str, *, after: float = 0.6, silence: float = 0.25) -> float:
        """Interrupt the answer to `question`; returns how long the persona still spoke, in seconds."""
        ended = await self.say(question)
        await self._first_sound(after=ended, timeout=15, what=f"answer to “{question}”")
        await asyncio.sleep(after)
        began = time.time() + _LEAD_S
        speaking = asyncio.create_task(self.say(interruption))
        try:
            async with asyncio.timeout(15):
                await self._until_silent(silence, since=began)
            return max(0.0, self._loud_at - began)
        except TimeoutError as error:
            raise CallFailed("The persona talked on for 15 s after it was interrupted.") from error
        finally:
            await speaking

    async def _until_silent(self, silence: float, *, since: float = 0.0) -> None:
        """Until nothing loud was heard for this long, counted from `since` at the earliest."""
        while (left := max(self._loud_at, since) + silence - time.time()) > 0:  # noqa: ASYNC110 - sleeps once per sound
            await asyncio.sleep(left)

    async def _first_sound(self, *, after: float, timeout: float, what: str) -> float:
        if self._loud_at <= after:
            future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            self._waiting_for_sound = (after, future)
            try:
                async with asyncio.timeout(timeout):
                    return await future
            except TimeoutError as error:
                raise CallFailed(f"No {what} was heard within {timeout:.0f} s.") from self._failure or error
            finally:
                self._waiting_for_sound = None
        return next(at for at, samples in self._frames if at > after and _is_loud(samples))

    def _heard_since(self, first: float) -> Samples:
        lead = 0.3  # the recogniser wants to hear how an answer begins
        pieces = [samples for at, samples in self._frames if at >= first - lead]
        return np.concatenate([np.zeros(0, np.int16), *pieces])

    async def _speak_into(self, source: rtc.AudioSource) -> None:
        """Feeds the microphone a frame every 20 ms: the phrases to say, else silence."""
        silence = np.zeros(_FRAME, np.int16)
        phrase: Phrase | None = None
        position = 0
        begun = time.monotonic() - _LEAD_S
        count = 0
        while True:
            if phrase is None and self._speech:
                phrase, position = self._speech.popleft(), 0
            frame = silence
            if phrase is not None:
                piece = phrase.samples[position : position + _FRAME]
                frame = np.concatenate([piece, silence[len(piece) :]])
            await source.capture_frame(rtc.AudioFrame(frame.tobytes(), MICROPHONE_RATE, 1, _FRAME))
            if phrase is not None:
                if position <= phrase.last_sound < position + _FRAME and self._spoken is not None:
                    after = (position + _FRAME - phrase.last_sound) / MICROPHONE_RATE
                    if not self._spoken.done():
                        self._spoken.set_result(time.time() + source.queued_duration - after)
                position += _FRAME
                if position >= len(phrase.samples):
                    phrase = None
            count += 1
            await asyncio.sleep(max(0.0, begun + count * _FRAME_S - time.monotonic()))

    def _on_microphone_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failure = task.exception()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._failure = CallFailed(f"The room was left: {rtc.DisconnectReason.Name(reason)}.")

    def _on_track(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._listening[track.sid] = asyncio.create_task(self._listen(track))
            self._on_attributes(participant.attributes, participant)

    def _on_track_gone(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        task = self._listening.pop(track.sid, None)
        if task is not None:
            task.cancel()

    def _on_attributes(self, changed: dict[str, str], participant: rtc.Participant) -> None:
        self._state = changed.get(_STATE, self._state)

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(
            track, sample_rate=RECOGNITION_RATE, num_channels=1, frame_size_ms=_EAR_FRAME_MS, capacity=500
        )
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16).copy()
                if track.sid not in self.voices and _is_loud(samples):
                    self.voices[track.sid] = time.time()
                self._hear(samples)
        finally:
            await stream.aclose()

    def _hear(self, samples: Samples) -> None:
        now = time.time()
        self._frames.append((now, samples))
        if not _is_loud(samples):
            return
        self._loud_at = now
        if self._waiting_for_sound is not None:
            after, future = self._waiting_for_sound
            if now > after and not future.done():
                future.set_result(now)

    async def _stop_listening(self) -> None:
        for task in self._listening.values():
            await _cancel(task)
        self._listening.clear()


def _is_loud(samples: Samples) -> bool:
    return bool(np.abs(samples.astype(np.int32)).max(initial=0) > _LOUD)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
