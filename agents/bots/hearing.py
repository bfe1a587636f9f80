"""Sound of rooms as LiveKit's native library gives it, without the Python queues of its SDK.

The SDK hands every event of every track to every room and stream of the process: with n bots that is n² work. Here
frames go straight to whoever hears the track, on the library's own thread. This uses names that the SDK does not
promise (`FfiClient`, `FfiEvent`): where one of them is not as we know it, `Ears` fails as it is made.
"""

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, FfiHandle, ffi_cb_fnc, ffi_event_callback
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2

Pcm = npt.NDArray[np.int16]
Take = Callable[[Pcm, float], None]
"""Gets a frame, and the Unix seconds at which its last sample was there."""

_HEARD: Final = ffi_pb2.FfiEvent.DESCRIPTOR.fields_by_name["audio_stream_event"].number << 3 | 2
"""How these events begin: protobuf's tag of a message."""
_CALLBACKS: Final[list[Any]] = []
"""Kept for as long as the library may call them, which is until the process ends."""


class Hearing:
    """A remote track that is being heard. Close it."""

    def __init__(self, takers: dict[int, Take], handle: int) -> None:
        self._takers, self._handle, self._owned = takers, handle, FfiHandle(handle)

    def close(self) -> None:
        """Stop; a frame that is on its way may still come."""
        self._takers.pop(self._handle, None)
        self._owned.dispose()


class Ears:
    """The door to the library; one for the process.

    What the library has to complain about it would write to stderr by itself, strangers' words and all: nothing, unless
    `RUST_LOG` says otherwise.
    """

    def __init__(self) -> None:
        if _HEARD > 0x7F:
            raise ImportError("LiveKit's SDK numbers its events anew")
        self._takers: dict[int, Take] = {}
        if os.getenv("RUST_LOG") is None:
            os.putenv("RUST_LOG", "off")
        self._client: Any = FfiClient.instance
        callback = ffi_cb_fnc(self._event)
        _CALLBACKS.append(callback)
        self._client._ffi_lib.livekit_ffi_initialize(callback, False, b"python", rtc.__version__.encode())

    def hear(self, track: rtc.Track, sample_rate: int, frame_ms: int, take: Take) -> Hearing:
        """Have frames of a remote track given to `take`, in one channel, on the library's own thread."""
        request = ffi_pb2.FfiRequest()
        stream = request.new_audio_stream
        stream.track_handle, stream.sample_rate, stream.num_channels = track._ffi_handle.handle, sample_rate, 1
        stream.type, stream.frame_size_ms = audio_frame_pb2.AudioStreamType.AUDIO_STREAM_NATIVE, frame_ms
        handle = self._client.request(request).new_audio_stream.stream.handle.id
        self._takers[handle] = take
        return Hearing(self._takers, handle)

    def _event(self, data: Any, size: int) -> None:
        """On the library's thread, for every event."""
        if data[0] != _HEARD:
            ffi_event_callback(data, size)
            return
        event = ffi_pb2.FfiEvent.FromString(ctypes.string_at(data, size)).audio_stream_event
        if event.HasField("frame_received"):
            buffer = event.frame_received.frame
            take = self._takers.get(event.stream_handle)
            if take is not None:
                pcm = ctypes.string_at(buffer.info.data_ptr, 2 * buffer.info.samples_per_channel)
                take(np.frombuffer(pcm, np.int16), time.time())
            FfiHandle(buffer.handle.id).dispose()
