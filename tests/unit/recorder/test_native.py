"""What our door to LiveKit's library (`pocket/rooms/native.py`) knows of its insides."""

import inspect

from livekit import rtc
from livekit.rtc import _ffi_client as client
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2, video_frame_pb2

from pocket.rooms import native


def fields(message: type) -> set[str]:
    return set(message.DESCRIPTOR.fields_by_name)  # type: ignore[attr-defined]


def test_the_sdk_has_the_names_that_we_use() -> None:
    assert callable(client.ffi_event_callback)
    assert {"instance", "request"} <= set(dir(client.FfiClient))
    assert "dispose" in dir(client.FfiHandle)
    assert "_ffi_handle" in inspect.getsource(rtc.Track.__init__)


def test_events_and_requests_have_the_fields_that_we_use() -> None:
    assert {"capture_audio_frame", "audio_stream_event", "video_stream_event", "get_stats"} <= fields(ffi_pb2.FfiEvent)
    assert {"new_audio_stream", "new_video_stream", "capture_audio_frame", "get_stats"} <= fields(ffi_pb2.FfiRequest)
    audio, video = audio_frame_pb2.NewAudioStreamRequest, video_frame_pb2.NewVideoStreamRequest
    assert {"track_handle", "sample_rate", "num_channels", "type", "frame_size_ms"} <= fields(audio)
    assert {"track_handle", "type", "format", "normalize_stride"} <= fields(video)
    assert {"width", "height", "components"} <= fields(video_frame_pb2.VideoBufferInfo)


def test_events_begin_as_we_read_them() -> None:
    numbers = {name: ffi_pb2.FfiEvent.DESCRIPTOR.fields_by_name[name].number for name in fields(ffi_pb2.FfiEvent)}
    assert numbers["audio_stream_event"] << 3 | 2 == native._HEARD
    assert numbers["video_stream_event"] << 3 | 2 == native._SEEN
    assert numbers["get_stats"] == 17
    assert native._STATISTICS == b"\x8a\x01"
