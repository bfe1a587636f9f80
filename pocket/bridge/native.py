"""Audio in and out of LiveKit's native library, without the Python queues of its SDK.

The SDK hands every event of every track to every room and stream, and makes a queue for every frame that is captured:
with n calls that is n² work. Here frames go straight into their reader's buffer, on the library's own thread. This uses
names the SDK does not promise (`FfiClient`, `FfiRequest`): `check` proves at the start that they are as we know them.
"""

import ctypes
from collections import deque
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, FfiHandle
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2

Pcm = npt.NDArray[np.int16]

FRAME_MS: Final = 20
AHEAD: Final = 16
"""Frames a reader may be behind before the oldest are lost."""
IN_FLIGHT: Final = 16
"""Captured frames whose memory is kept alive: the library may read it after the request returns."""


class Heard:
    """A remote track as frames of 20 ms; iterate by `frames.popleft()`."""

    def __init__(self, native: "NativeAudio", handle: int) -> None:
        self.frames: deque[Pcm] = deque(maxlen=AHEAD)
        self._native, self._handle, self._owned = native, handle, FfiHandle(handle)

    def close(self) -> None:
        """Stop the stream."""
        self._native.readers.pop(self._handle, None)
        self._owned.dispose()


class Microphone:
    """What the room hears of us: frames of exactly 10 ms at a time, which go out at once and are not queued.

    A queued source would leave a native thread behind for every call.
    """

    def __init__(self, native: "NativeAudio", sample_rate: int) -> None:
        self.source = rtc.AudioSource(sample_rate, 1, queue_size_ms=0)
        self._native, self._half = native, sample_rate // 100
        self._kept: deque[Pcm] = deque(maxlen=IN_FLIGHT)

    def speak(self, pcm: Pcm) -> None:
        """Send any whole number of 10 ms."""
        kept = np.ascontiguousarray(pcm)
        self._kept.append(kept)
        for start in range(0, len(kept) - self._half + 1, self._half):
            self._native.capture(self.source, kept[start : start + self._half])

    async def close(self) -> None:
        """Free the native source."""
        await self.source.aclose()


class NativeAudio:
    """The door to the library; one for the process."""

    def __init__(self) -> None:
        self.readers: dict[int, deque[Pcm]] = {}
        self._client: Any = FfiClient.instance
        queue = self._client.queue
        self._others = queue.put
        queue.put = self._event

    def hear(self, track: rtc.RemoteTrack, sample_rate: int) -> Heard:
        """Open a remote track, resampled by the library."""
        request = ffi_pb2.FfiRequest()
        stream = request.new_audio_stream
        stream.track_handle, stream.sample_rate, stream.num_channels = track._ffi_handle.handle, sample_rate, 1
        stream.type, stream.frame_size_ms = audio_frame_pb2.AudioStreamType.AUDIO_STREAM_NATIVE, FRAME_MS
        handle = self._client.request(request).new_audio_stream.stream.handle.id
        heard = Heard(self, handle)
        self.readers[handle] = heard.frames
        return heard

    def capture(self, source: rtc.AudioSource, pcm: Pcm) -> None:
        """Hand 10 ms to a source; `pcm` must stay alive for a while."""
        request = ffi_pb2.FfiRequest()
        capture = request.capture_audio_frame
        capture.source_handle = source._ffi_handle.handle
        buffer = capture.buffer
        buffer.data_ptr, buffer.num_channels = pcm.ctypes.data, 1
        buffer.sample_rate, buffer.samples_per_channel = source.sample_rate, len(pcm)
        self._client.request(request)

    def _event(self, event: Any) -> None:
        """On the library's thread, for every event."""
        kind = event.WhichOneof("message")
        if kind == "capture_audio_frame":
            return
        if kind != "audio_stream_event":
            self._others(event)
            return
        if event.audio_stream_event.HasField("frame_received"):
            buffer = event.audio_stream_event.frame_received.frame
            frames = self.readers.get(event.audio_stream_event.stream_handle)
            if frames is not None:
                data = ctypes.string_at(buffer.info.data_ptr, 2 * buffer.info.samples_per_channel)
                frames.append(np.frombuffer(data, np.int16))
            FfiHandle(buffer.handle.id).dispose()
