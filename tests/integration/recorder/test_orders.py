"""Every kind of order that the platform gives, from a real livekit-server and our recorder: what comes of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from control_plane.errors import Conflict
from control_plane.media.orders import Picture, RecordingOrder
from control_plane.media.recorder import Egress, EgressState, LiveKitRecorder, Target
from tests.support.rtmp import RtmpServer
from tests.support.studio import KEY, SECRET, Recorder, Stage, Studio, tone

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SMALL = Picture(320, 180, 10)


@pytest.fixture
async def asked(studio: Studio, recorder: Recorder) -> AsyncIterator[LiveKitRecorder]:
    """The platform's own way to LiveKit."""
    ours = LiveKitRecorder(studio.url, KEY, SECRET, Target(str(recorder.root)), timeout=30)
    yield ours
    await ours.close()


async def until(asked: LiveKitRecorder, egress_id: str, *states: EgressState) -> Egress:
    """A recording, once it is in one of these states."""
    async with asyncio.timeout(60):
        while True:
            egress = await asked.find(egress_id)
            if egress is not None and egress.state in states:
                return egress
            assert egress is None or not egress.state.is_over, egress
            await asyncio.sleep(0.1)


async def test_files_of_rooms_people_and_tracks(asked: LiveKitRecorder, recorder: Recorder, stage: Stage) -> None:
    ada = await stage.enter("orders", "ada", tone(440))
    camera = await ada.show((200, 128, 128))
    assert ada.publication is not None
    voice = str(ada.publication.sid)
    tall = Picture(360, 640, 15, layout="speaker-dark")
    orders = {
        "room": RecordingOrder("orders", "1/room.mp4", "mp4", picture=tall),
        "sound": RecordingOrder("orders", "1/calls/sound.ogg", "ogg"),
        "person": RecordingOrder("orders", "1/person.webm", "webm", kind="participant", identity="ada"),
        "camera": RecordingOrder("orders", "1/camera.mp4", "mp4", kind="track", video_track=camera),
        "voice": RecordingOrder("orders", "1/voice.ogg", "ogg", kind="track", audio_track=voice),
    }
    begun = {name: await asked.start(order) for name, order in orders.items()}
    assert all(begun[name].paths == (f"{recorder.root}/{orders[name].key}",) for name in orders)
    for egress in begun.values():
        await until(asked, egress.id, EgressState.ACTIVE)
    await asyncio.sleep(2)
    streams = {}
    for name, egress in begun.items():
        await asked.stop(egress.id)
        ended = await until(asked, egress.id, EgressState.COMPLETE)
        assert ended.size
        assert Path(ended.filename).suffix == Path(orders[name].key).suffix
        with av.open(recorder.root / orders[name].key) as file:
            streams[name] = sorted(stream.type for stream in file.streams)
            if name == "room":
                assert (file.streams.video[0].width, file.streams.video[0].height) == (360, 640)
    both = ["audio", "video"]
    assert streams.pop("camera")[-1] == "video", "with silence beside it, or without"
    assert streams == {"room": both, "sound": ["audio"], "person": both, "voice": ["audio"]}


async def test_hls_and_a_livestream(asked: LiveKitRecorder, recorder: Recorder, stage: Stage, tmp_path: Path) -> None:
    await stage.enter("live", "ada", tone(440))
    server = RtmpServer(tmp_path, "key")
    stream = await asked.start(RecordingOrder("live", "", "flv", kind="livestream", picture=SMALL, urls=(server.url,)))
    pieces = await asked.start(RecordingOrder("live", "1/2026-11/abc.m3u8", "m3u8", kind="hls", picture=SMALL))
    assert (stream.paths, pieces.paths) == ((), (f"{recorder.root}/1/2026-11/abc.m3u8",))
    listed = recorder.root / "1/2026-11/abc.m3u8"
    async with asyncio.timeout(40):
        while not listed.exists():
            await asyncio.sleep(0.1)
    assert (await until(asked, stream.id, EgressState.ACTIVE)).started_at is not None
    for egress in (stream, pieces):
        await asked.stop(egress.id)
    ended = await until(asked, pieces.id, EgressState.COMPLETE)
    assert ended.size
    assert ended.seconds
    names = [line for line in listed.read_text().splitlines() if not line.startswith("#")]
    assert names == sorted(names)
    assert all(name.startswith("abc") and (listed.parent / name).exists() for name in names)
    assert (await until(asked, stream.id, EgressState.COMPLETE)).ended_at is not None
    with av.open(server.wait()) as file:
        assert sorted(stream.type for stream in file.streams) == ["audio", "video"]


async def test_a_template_from_a_url_is_refused_with_its_reason(asked: LiveKitRecorder, stage: Stage) -> None:
    await stage.enter("template", "ada", tone(440))
    look = Picture(320, 180, 10, template_url="https://example.com/")
    with pytest.raises(Conflict, match="needs the official egress service"):
        await asked.start(RecordingOrder("template", "1/x.mp4", "mp4", picture=look))
