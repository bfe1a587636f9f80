"""Audio in and out of LiveKit's native library, without the Python queues of its SDK.

The SDK hands every event of every track to every room and stream, and makes a queue for every frame that is captured:
with n calls that is n² work; and it has the library hand over every line of its log, thousands for every call, of which
it then drops nearly all. Here frames go straight into their reader's buffer, on the library's own thread, and the log
stays outside. This uses names the SDK does not promise (`FfiClient`, `FfiRequest`): where one of them is not as we know
it, `NativeAudio` fails as it is made.
"""

import asyncio
import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, FfiHandle, ffi_cb_fnc, ffi_event_callback
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2, video_frame_pb2

Pcm = npt.NDArray[np.int16]
Picture = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Brightness, and two planes of colour with half as many rows and columns; even sizes."""

FRAME_MS: Final = 20
AHEAD: Final = 16
"""Frames a reader may be behind before the oldest are lost."""
ANSWER_WITHIN: Final = 2.0
"""Seconds for an answer of the library that needs a thread of its own."""
IN_FLIGHT: Final = 16
"""Captured frames whose memory is kept alive: the library may read it after the request returns."""


def _first_byte(name: str) -> int:
    """How an event of this kind begins: protobuf's tag of a message, one byte for the numbers below 16."""
    number = ffi_pb2.FfiEvent.DESCRIPTOR.fields_by_name[name].number
    if number > 15:
        raise ImportError("LiveKit's SDK numbers its events anew")
    return number << 3 | 2


_CAPTURED, _HEARD = _first_byte("capture_audio_frame"), _first_byte("audio_stream_event")
_SEEN: Final = _first_byte("video_stream_event")
_STATISTICS: Final = ffi_pb2.FfiEvent(get_stats={"async_id": 1}).SerializePartialToString()[:2]  # type: ignore[arg-type]
"""How statistics begin: a tag of two bytes."""
_CALLBACKS: Final[list[Any]] = []
"""Kept for as long as the library may call them, which is until the process ends."""


class Stream:
    """A remote track that is being heard."""

    def __init__(self, native: "NativeAudio", handle: int) -> None:
        self._native, self._handle, self._owned = native, handle, FfiHandle(handle)

    def close(self) -> None:
        """Stop it; a frame that is on its way may still come."""
        self._native.readers.pop(self._handle, None)
        self._native.watchers.pop(self._handle, None)
        self._owned.dispose()


class Heard:
    """A remote track as frames of 20 ms; iterate by `frames.popleft()`."""

    def __init__(self, native: "NativeAudio", track: rtc.RemoteTrack, sample_rate: int) -> None:
        self.frames: deque[Pcm] = deque(maxlen=AHEAD)
        self._stream = native.open(track, sample_rate, FRAME_MS, self.frames.append)

    def close(self) -> None:
        """Stop the stream."""
        self._stream.close()


class Microphone:
    """What the room hears of us: frames of exactly 10 ms at a time, which go out at once and are not queued.

    A queued source would leave a native thread behind for every call.
    """

    def __init__(self, native: "NativeAudio", sample_rate: int) -> None:
        self.source = rtc.AudioSource(sample_rate, 1, queue_size_ms=0)
        self._native, self._half = native, sample_rate // 100
        self._kept: deque[Pcm] = deque(maxlen=IN_FLIGHT)
        self._request = ffi_pb2.FfiRequest()
        self._request.capture_audio_frame.source_handle = self.source._ffi_handle.handle
        self._buffer = self._request.capture_audio_frame.buffer
        self._buffer.num_channels, self._buffer.sample_rate = 1, sample_rate
        self._buffer.samples_per_channel = self._half

    def speak(self, pcm: Pcm) -> None:
        """Send any whole number of 10 ms."""
        kept = np.ascontiguousarray(pcm)
        self._kept.append(kept)
        address = kept.ctypes.data
        for start in range(0, len(kept) - self._half + 1, self._half):
            self._buffer.data_ptr = address + start * kept.itemsize
            self._native.request(self._request)

    async def close(self) -> None:
        """Free the native source."""
        await self.source.aclose()


class NativeAudio:
    """The door to the library; one for the process.

    What the library has to complain about it would write to stderr by itself, strangers' words and all: nothing, unless
    `RUST_LOG` says otherwise.
    """

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[Pcm], object]] = {}
        self.watchers: dict[int, Callable[[Callable[[], Picture]], object]] = {}
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._asking = threading.Lock()
        os.environ.setdefault("RUST_LOG", "off")
        self._client: Any = FfiClient.instance
        callback = ffi_cb_fnc(self._event)
        _CALLBACKS.append(callback)
        self._client._ffi_lib.livekit_ffi_initialize(callback, False, b"python", rtc.__version__.encode())

    def hear(self, track: rtc.RemoteTrack, sample_rate: int) -> Heard:
        """Open a remote track, resampled by the library."""
        return Heard(self, track, sample_rate)

    def open(self, track: rtc.RemoteTrack, sample_rate: int, frame_ms: int, take: Callable[[Pcm], object]) -> Stream:
        """Have frames of a remote track given to `take`, on the library's own thread."""
        request = ffi_pb2.FfiRequest()
        stream = request.new_audio_stream
        stream.track_handle, stream.sample_rate, stream.num_channels = track._ffi_handle.handle, sample_rate, 1
        stream.type, stream.frame_size_ms = audio_frame_pb2.AudioStreamType.AUDIO_STREAM_NATIVE, frame_ms
        handle = self._client.request(request).new_audio_stream.stream.handle.id
        self.readers[handle] = take
        return Stream(self, handle)

    def watch(self, track: rtc.RemoteTrack, take: Callable[[Callable[[], Picture]], object]) -> Stream:
        """Have `take` called for every picture of a remote track, on the library's own thread.

        What it is given makes a copy of the picture, and only there and then: most pictures are not wanted.
        """
        request = ffi_pb2.FfiRequest()
        stream = request.new_video_stream
        stream.track_handle, stream.normalize_stride = track._ffi_handle.handle, True
        stream.type = video_frame_pb2.VideoStreamType.VIDEO_STREAM_NATIVE
        stream.format = video_frame_pb2.VideoBufferType.I420
        handle = self._client.request(request).new_video_stream.stream.handle.id
        self.watchers[handle] = take
        return Stream(self, handle)

    async def held_back(self, track: rtc.RemoteTrack) -> tuple[float, int]:
        """What the jitter buffer of a remote track has held back until now: seconds in sum, over so many samples.

        Raises `TimeoutError` when the library does not answer.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        request = ffi_pb2.FfiRequest()
        request.get_stats.track_handle = track._ffi_handle.handle
        with self._asking:  # the answer may be there before the request returns
            asked = self._client.request(request).get_stats.async_id
            self._asked[asked] = answered
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                event = ffi_pb2.FfiEvent.FromString(await answered)
        finally:
            self._asked.pop(asked, None)
        for each in event.get_stats.stats:
            if each.HasField("inbound_rtp"):
                inbound = each.inbound_rtp.inbound
                return inbound.jitter_buffer_delay, inbound.jitter_buffer_emitted_count
        return 0.0, 0

    def request(self, request: ffi_pb2.FfiRequest) -> ffi_pb2.FfiResponse:
        """Ask something of the library; it answers at once."""
        response: ffi_pb2.FfiResponse = self._client.request(request)
        return response

    def _event(self, data: Any, size: int) -> None:
        """On the library's thread, for every event."""
        kind = data[0]
        if kind == _CAPTURED:  # two of three events, of which there is nothing to know
            return
        if kind == _SEEN:
            self._see(ctypes.string_at(data, size))
            return
        if kind != _HEARD:
            if not self._answer(data, size):
                ffi_event_callback(data, size)
            return
        event = ffi_pb2.FfiEvent.FromString(ctypes.string_at(data, size)).audio_stream_event
        if event.HasField("frame_received"):
            buffer = event.frame_received.frame
            take = self.readers.get(event.stream_handle)
            if take is not None:
                pcm = ctypes.string_at(buffer.info.data_ptr, 2 * buffer.info.samples_per_channel)
                take(np.frombuffer(pcm, np.int16))
            FfiHandle(buffer.handle.id).dispose()

    def _see(self, data: bytes) -> None:
        event = ffi_pb2.FfiEvent.FromString(data).video_stream_event
        if event.HasField("frame_received"):
            buffer = event.frame_received.buffer
            take = self.watchers.get(event.stream_handle)
            if take is not None:
                take(lambda: _copied(buffer.info))
            FfiHandle(buffer.handle.id).dispose()

    def _answer(self, data: Any, size: int) -> bool:
        """Whether an event was the answer to something that was asked here; others ask as well, by the SDK."""
        if size < 2 or bytes((data[0], data[1])) != _STATISTICS:
            return False
        event = ctypes.string_at(data, size)
        with self._asking:
            answered = self._asked.pop(ffi_pb2.FfiEvent.FromString(event).get_stats.async_id, None)
        if answered is None:
            return False
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            answered.get_loop().call_soon_threadsafe(_settle, answered, event)
        return True


def _settle(answered: asyncio.Future[bytes], event: bytes) -> None:
    if not answered.done():
        answered.set_result(event)


def _copied(info: video_frame_pb2.VideoBufferInfo) -> Picture:
    """The planes of a picture; a last odd row or column is left out."""
    width, height = info.width // 2 * 2, info.height // 2 * 2
    planes = []
    for part, by in zip(info.components, (1, 2, 2), strict=False):
        rows = np.frombuffer(ctypes.string_at(part.data_ptr, part.size), np.uint8)
        rows = rows[: len(rows) // part.stride * part.stride].reshape(-1, part.stride)
        planes.append(np.ascontiguousarray(rows[: height // by, : width // by]))
    return planes[0], planes[1], planes[2]
