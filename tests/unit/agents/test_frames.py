"""Sound in a process with many calls: how often the loop is woken for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from livekit.rtc import audio_stream
from livekit.rtc._ffi_client import FfiClient, FfiQueue
from livekit.rtc._proto import ffi_pb2

from agents.halls import frames

pytestmark = pytest.mark.anyio
FRAMES = 3


class Library:
    """LiveKit's native library, as much of it as streams ask for."""

    _pid = -1  # handles are nobody's

    def __init__(self) -> None:
        self._queue: Any = FfiQueue()
        self._handles = 0

    @property
    def queue(self) -> Any:
        return self._queue

    def request(self, _: Any) -> Any:
        self._handles += 1
        answer = ffi_pb2.FfiResponse()
        answer.new_audio_stream.stream.handle.id = self._handles
        return answer


class CountingLoop:
    """An event loop that counts how often another thread has woken it."""

    def __init__(self) -> None:
        self._loop, self.woken = asyncio.get_running_loop(), 0

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        return self._loop.create_task(work)

    def call_soon_threadsafe(self, *call: Any) -> Any:
        self.woken += 1
        return self._loop.call_soon(*call)


class Track:
    """One of somebody else."""

    _ffi_handle = type("Handle", (), {"handle": 1})
    _register_audio_stream = _unregister_audio_stream = staticmethod(lambda _: None)


def heard(stream: int) -> Any:
    """A frame of a stream."""
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = stream
    info = event.audio_stream_event.frame_received.frame.info
    info.num_channels, info.sample_rate, info.samples_per_channel = 1, 24_000, 0
    return event


def ended(stream: int) -> Any:
    """The end of a stream."""
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = stream
    event.audio_stream_event.eos.SetInParent()
    return event


@contextmanager
def library(*, sorts: bool) -> Iterator[Library]:
    with pytest.MonkeyPatch.context() as patch:
        made = Library()
        patch.setattr(FfiClient, "_instance", made)
        patch.setattr(audio_stream.AudioFrame, "_from_owned_info", staticmethod(lambda info: info))
        for name in ("_create_owned_stream", "_create_owned_stream_from_participant"):
            patch.setattr(audio_stream.AudioStream, name, getattr(audio_stream.AudioStream, name))
        if sorts:
            frames.sort_frames()
        yield made


async def woken(calls: int, *, sorts: bool) -> int:
    """How often the loop is woken while each of so many calls hears so many frames."""
    with library(sorts=sorts) as made:
        loop = CountingLoop()
        streams: Any = [audio_stream.AudioStream(Track, loop=loop) for _ in range(calls)]  # type: ignore[arg-type]
        for _ in range(FRAMES):
            for stream in streams:
                made.queue.put(heard(stream._ffi_handle.handle))
        for stream in streams:
            for _ in range(FRAMES):
                await asyncio.wait_for(anext(stream), 20)
        count = loop.woken
        for stream in streams:
            made.queue.put(ended(stream._ffi_handle.handle))
            await stream.aclose()
        assert made.queue._subscribers == []
        assert not getattr(made.queue, "_routes", {})
        del streams, stream
        return count


async def test_each_frame_wakes_only_whom_it_is_for() -> None:
    assert [await woken(calls, sorts=True) for calls in (1, 8, 32)] == [FRAMES, 8 * FRAMES, 32 * FRAMES]


async def test_without_that_it_would_wake_everybody() -> None:
    assert await woken(8, sorts=False) == 8 * 8 * FRAMES  # when this changes, `frames.py` can go


async def test_sound_that_was_taken_is_told_to_whoever_waits_and_to_no_room() -> None:
    with library(sorts=True) as made:
        loop: Any = CountingLoop()
        rooms = [made.queue.subscribe(loop, lambda event: event.WhichOneof("message") != "x") for _ in range(8)]
        waiting = made.queue.subscribe(loop)
        event = ffi_pb2.FfiEvent()
        event.capture_audio_frame.async_id = 1
        made.queue.put(event)
        assert loop.woken == 1
        assert (await asyncio.wait_for(waiting.get(), 20)).capture_audio_frame.async_id == 1
        event = ffi_pb2.FfiEvent()
        event.room_event.room_handle = 1
        made.queue.put(event)
        assert loop.woken == 1 + len(rooms) + 1
