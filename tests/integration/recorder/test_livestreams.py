"""Livestreams by RTMP: what servers get, what is told of them, and that one never spoils the rest."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from google.protobuf.json_format import MessageToJson
from livekit import api

from tests.support.ports import free_port
from tests.support.rtmp import RtmpServer
from tests.support.studio import ENDED, Recorder, Stage, tone
from tests.support.takes import heard, level, seconds, seen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "sk-7f3a9c51e2"
HIDDEN = "{sk-...1e2}"
ACTIVE, FINISHED, FAILED = (api.StreamInfo.Status.Value(name) for name in ("ACTIVE", "FINISHED", "FAILED"))

Serve = Callable[..., RtmpServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, and ends them."""
    servers: list[RtmpServer] = []

    def start(key: str = KEY, port: int = 0) -> RtmpServer:
        servers.append(RtmpServer(tmp_path, key, port))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


async def stream(stage: Stage, room: str, *urls: str, file: str = "", **more: object) -> api.EgressInfo:
    """Stream a room to servers."""
    files = [api.EncodedFileOutput(filepath=file)] if file else []
    output = api.StreamOutput(protocol=api.StreamProtocol.RTMP, urls=urls)
    asked = api.RoomCompositeEgressRequest(room_name=room, stream_outputs=[output], file_outputs=files, **more)
    return await stage.livekit.egress.start_room_composite_egress(asked)


async def told(stage: Stage, egress_id: str, number: int, status: int = ACTIVE, within: float = 12) -> api.EgressInfo:
    """Wait until a livestream is on, or over."""
    async with asyncio.timeout(within):
        while True:
            info = await stage.info(egress_id)
            found = info.stream_results[number] if len(info.stream_results) > number else None
            if found and found.status == status and (found.started_at or status != ACTIVE):
                return info
            await asyncio.sleep(0.05)


async def test_a_room_is_streamed_with_pictures_and_its_key_is_told_to_nobody(
    recorder: Recorder, stage: Stage, serve: Serve
) -> None:
    ada = await stage.enter("stage", "ada", tone(440))
    await ada.show((220, 128, 128))
    server = serve()
    begun = await stream(stage, "stage", server.url)
    active = await told(stage, begun.egress_id, 0)
    await asyncio.sleep(4)
    ended = await stage.stop(begun.egress_id)
    came = await asyncio.to_thread(server.wait)

    assert active.status == api.EGRESS_ACTIVE
    assert active.stream.info == active.stream_results
    assert ended.status == api.EGRESS_COMPLETE
    assert ended.details == "End reason: StopEgress API"
    (result,) = ended.stream_results
    assert result.url == server.url.replace(KEY, HIDDEN)
    assert result.status == FINISHED
    assert result.duration == result.ended_at - result.started_at
    assert 3.9 < result.duration / 1e9 < 6
    with av.open(str(came)) as file:
        assert (file.streams.video[0].codec.name, file.streams.audio[0].codec.name) == ("h264", "aac")
    assert level(heard(came)[0], 440) > -14
    pictures = seen(came)
    assert len(pictures) > 50
    assert pictures[-1][1][100:250, 200:400].mean() == pytest.approx(220, abs=6)
    assert not [path for path in recorder.root.rglob("*") if path.is_file() and path.suffix == ".flv"]
    said = recorder.log.read_text() + str(stage.studio.hooks.events) + MessageToJson(begun) + MessageToJson(ended)
    assert KEY not in said
    assert "stream" in MessageToJson(begun)


async def test_a_server_that_is_away_costs_neither_the_file_nor_the_other_stream(
    recorder: Recorder, stage: Stage, serve: Serve
) -> None:
    await stage.enter("two", "ada", tone(440))
    server, away = serve(), f"rtmp://127.0.0.1:{free_port()}/live/{KEY}"
    begun = await stream(stage, "two", away, server.url, file="two", audio_only=True)
    asked = time.monotonic()
    failed = await told(stage, begun.egress_id, 0, FAILED)
    assert time.monotonic() - asked < 5
    assert failed.stream_results[0].error == "Connection refused"
    assert failed.status == api.EGRESS_ACTIVE
    await told(stage, begun.egress_id, 1)
    await asyncio.sleep(3)
    ended = await stage.stop(begun.egress_id)
    came = await asyncio.to_thread(server.wait)

    assert ended.status == api.EGRESS_COMPLETE
    assert [each.status for each in ended.stream_results] == [FAILED, FINISHED]
    assert ended.stream_results[0].retries == 0
    location = ended.file_results[0].location
    assert location == str(recorder.root / "two.ogg")
    assert seconds(location) == pytest.approx(ended.file_results[0].duration / 1e9, abs=0.05)
    assert level(heard(came)[0], 440) > -14
    with av.open(str(came)) as file:
        assert not file.streams.video
    assert seconds(came) == pytest.approx(seconds(location), abs=1)


async def test_streams_come_and_go_and_with_the_last_the_recording_ends(
    recorder: Recorder, stage: Stage, serve: Serve
) -> None:
    ada = await stage.enter("changing", "ada", tone(440))
    await ada.show((220, 128, 128))
    first, second = serve("first-key-1"), serve("second-key-2")
    begun = await stream(stage, "changing", first.url)
    await told(stage, begun.egress_id, 0)
    update, egress_id = stage.livekit.egress.update_stream, begun.egress_id
    for wrong in ("rtmp://127.0.0.1/live", "http://127.0.0.1/live/key", "srt://127.0.0.1:1", first.url):
        with pytest.raises(api.TwirpError):
            await update(api.UpdateStreamRequest(egress_id=egress_id, add_output_urls=[second.url, wrong]))
    with pytest.raises(api.TwirpError, match="not found"):
        await update(api.UpdateStreamRequest(egress_id=egress_id, remove_output_urls=[second.url]))
    assert len((await stage.info(egress_id)).stream_results) == 1

    await asyncio.sleep(3)
    await update(api.UpdateStreamRequest(egress_id=egress_id, add_output_urls=[second.url]))
    await told(stage, egress_id, 1)
    removed = await update(api.UpdateStreamRequest(egress_id=egress_id, remove_output_urls=[first.url]))
    assert [each.status for each in removed.stream_results] == [FINISHED, ACTIVE]
    early = await asyncio.to_thread(first.wait)
    await asyncio.sleep(3)
    assert (await stage.info(egress_id)).status == api.EGRESS_ACTIVE
    await update(api.UpdateStreamRequest(egress_id=egress_id, remove_output_urls=[second.url]))
    ended = await stage.until(egress_id, *ENDED)
    late = await asyncio.to_thread(second.wait)

    assert ended.status == api.EGRESS_COMPLETE
    assert ended.details == "End reason: All streams stopped"
    assert [each.status for each in ended.stream_results] == [FINISHED, FINISHED]
    assert seconds(early) > 3
    pictures = seen(late)
    assert pictures[0][0] < 0.1, "begins with a key frame, at zero"
    assert pictures[0][1][100:250, 200:400].mean() == pytest.approx(220, abs=6)
    assert 3 < seconds(late) < 7


async def test_a_server_that_says_nothing_fails_in_time_and_with_it_a_recording_that_has_no_file(
    recorder: Recorder, stage: Stage
) -> None:
    over = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    await stage.enter("silent", "ada", tone(440))
    url = f"rtmp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/{KEY}"
    try:
        begun = await stream(stage, "silent", url, audio_only=True)
        ended = await stage.until(begun.egress_id, *ENDED, within=12)
    finally:
        over.set()
        server.close()
        await server.wait_closed()

    assert ended.status == api.EGRESS_FAILED
    assert (ended.error, ended.error_code) == ("Connection timed out", 503)
    assert ended.stream_results[0].status == FAILED
    assert ended.stream_results[0].started_at == 0


async def test_a_server_that_comes_back_is_streamed_to_again_and_so_it_is_by_the_next_recorder(
    recorder: Recorder, stage: Stage, serve: Serve
) -> None:
    await stage.enter("again", "ada", tone(440))
    server = serve()
    begun = await stream(stage, "again", server.url, audio_only=True)
    first = await told(stage, begun.egress_id, 0)
    server.kill()
    server = serve(port=server.port)
    async with asyncio.timeout(15):
        while not (again := (await stage.info(begun.egress_id)).stream_results[0]).retries:
            await asyncio.sleep(0.05)
    await asyncio.sleep(3)
    recorder.kill()
    level_before = level(heard(await asyncio.to_thread(server.wait))[0], 440)
    server = serve(port=server.port)
    await asyncio.to_thread(recorder.start)
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(4)
    ended = await stage.stop(begun.egress_id)

    assert again.last_retry_at > first.stream_results[0].started_at
    assert again.status == ACTIVE
    assert level_before > -14
    assert ended.status == api.EGRESS_COMPLETE
    assert ended.retry_count == 1
    assert ended.stream_results[0].status == FINISHED
    assert ended.stream_results[0].started_at == first.stream_results[0].started_at
    assert level(heard(await asyncio.to_thread(server.wait))[0], 440) > -14


async def test_what_is_no_stream_is_refused_at_once(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("refused", "ada", tone(440))
    for url, words in (
        ("rtmp://127.0.0.1/key", "rtmp urls must be of format"),
        (f"rtmp://127.0.0.1/live/{KEY}\n", "rtmp urls must be of format"),
        ("srt://127.0.0.1:9000", "needs the official egress"),
        ("twitch://key", "needs the official egress"),
    ):
        with pytest.raises(api.TwirpError, match=words) as refused:
            await stream(stage, "refused", url)
        assert KEY not in refused.value.message
    file = await stage.record("refused", "refused")
    await stage.until(file.egress_id, api.EGRESS_ACTIVE)
    asked = api.UpdateStreamRequest(egress_id=file.egress_id, add_output_urls=["rtmp://127.0.0.1/live/key"])
    with pytest.raises(api.TwirpError, match="non-streaming egress"):
        await stage.livekit.egress.update_stream(asked)
    await stage.stop(file.egress_id)
