"""What a room was told at its creation: when its sessions end, what begins with them, what is written down after."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from aiohttp import web
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.dialects.videosdk.life import CLOSE_LATE
from control_plane.dialects.videosdk.transcribing import Transcriber, want_transcription
from control_plane.errors import Unavailable
from control_plane.jobs.models import Job
from control_plane.media.orders import RecordingOrder
from control_plane.media.recorder import NO_RECORDER, EgressState
from control_plane.recordings.models import Recording
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import BEGAN, tell
from tests.support.videosdk import AUTO_START, Hooks, make_room, v2
from tests.support.webhooks import turn_clock, until

pytestmark = pytest.mark.anyio


async def ordered(platform: Platform, count: int) -> list[RecordingOrder]:
    """What the recorder was asked for, once it was asked so often."""

    async def asked() -> Any:
        orders = [order for call, order in platform.recorder.calls if call == "start"]
        return orders if len(orders) >= count else None

    found: list[RecordingOrder] = await until(asked)
    return found


async def status_of(http: httpx2.AsyncClient, room: dict[str, Any]) -> tuple[str, bool]:
    """Of the last session of a room, and whether the room is over."""
    (session, *_) = (await http.get("/sessions", params={"roomId": room["roomId"]})).json()["data"]
    read = (await http.get(f"/rooms/{room['roomId']}")).json()
    return session["status"], read["disabled"]


async def test_what_a_room_was_told_begins_with_each_session(platform: Platform, tenant: Tenant) -> None:
    async with v2(platform, tenant) as http, platform.jobs():
        room = await make_room(http, autoStartConfig=AUTO_START)
        hooks = Hooks(platform, f"proj_{room['roomId']}")
        await hooks.joins("ada")
        await hooks.joins("bob")
        whole, stream = sorted(await ordered(platform, 2), key=lambda order: order.format, reverse=True)
        assert (whole.kind, whole.format, stream.kind, stream.format) == ("room", "mp4", "hls", "m3u8")
        assert whole.picture is not None
        assert (whole.picture.width, whole.picture.height, whole.picture.layout) == (1280, 720, "grid")
        assert "/calls/2026/" in whole.key
        assert stream.picture is not None
        assert stream.picture.layout == "speaker"
        (recording,) = (await http.get("/recordings")).json()["data"]
        assert recording["config"]["layout"]["gridSize"] == 4
        await hooks.ends()
        await Hooks(platform, f"proj_{room['roomId']}", "RM_2").joins("ada")
        assert len(await ordered(platform, 4)) == 4


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"recording": {"config": {"mode": "audio"}}}, [("room", "ogg", "")]),
        ({"recording": {"config": {"theme": "LIGHT", "orientation": "portrait"}}}, [("room", "mp4", "grid-light")]),
        ({"hls": {"config": {"recording": {"enabled": "true"}, "layout": {"type": "SPOTLIGHT"}}}},
         [("hls", "m3u8", "single-speaker"), ("room", "mp4", "single-speaker")]),
        ({"recording": {"templateUrl": "https://example.com/t"}}, [("room", "mp4", "grid")]),
    ],
)  # fmt: skip
async def test_every_field_reaches_the_recorder(
    platform: Platform, tenant: Tenant, config: dict[str, Any], kinds: list[tuple[str, str, str]]
) -> None:
    async with v2(platform, tenant) as http, platform.jobs():
        room = await make_room(http, autoStartConfig=config)
        await Hooks(platform, f"proj_{room['roomId']}").joins("ada")
        orders = await ordered(platform, len(kinds))
    shown = [(each.kind, each.format, each.picture.layout if each.picture else "") for each in orders]
    assert sorted(shown) == kinds
    template = config.get("recording", {}).get("templateUrl", "")
    assert all(each.picture is None or each.picture.template_url == template for each in orders)
    tall = [each.picture.height > each.picture.width for each in orders if each.picture]
    assert any(tall) == (kinds[0][2] == "grid-light")


async def test_what_cannot_begin_by_itself_is_told_with_its_reason(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    platform.recorder.away = Unavailable(NO_RECORDER)
    async with v2(platform, tenant) as http, platform.jobs():
        hook = {"endPoint": f"{receiver.url}/", "events": ["recording-*", "hls-*"]}
        room = await make_room(http, autoStartConfig=AUTO_START, webhook=hook)
        await Hooks(platform, f"proj_{room['roomId']}").joins("ada")
        received = await receiver.wait_for(4)
        assert (await http.get(f"/rooms/{room['roomId']}")).json()["disabled"] is False
    told = {each.event["webhookType"]: each.event["data"].get("reason") for each in received}
    assert told == {
        "recording-starting": None, "recording-failed": NO_RECORDER, "hls-starting": None, "hls-failed": NO_RECORDER,
    }  # fmt: skip


async def test_a_session_ends_when_its_time_is_over(platform: Platform, tenant: Tenant) -> None:
    clock = turn_clock(platform)
    async with v2(platform, tenant) as http, platform.jobs():
        short = await make_room(http, autoCloseConfig={"duration": 60})
        unsaid = await make_room(http, autoCloseConfig={"type": "session-ends"})
        endless = await make_room(http)
        for number, room in enumerate((short, unsaid, endless)):
            await Hooks(platform, f"proj_{room['roomId']}", f"RM_{number}").joins("ada")
        await until(lambda: has_timers(platform, 2))
        clock.ahead = timedelta(minutes=59)
        assert await status_of(http, short) == ("ongoing", False)
        clock.ahead = timedelta(minutes=61)
        await until(lambda: is_in(http, short, ("ended", False)))
        assert await status_of(http, unsaid) == ("ongoing", False)
        clock.ahead = timedelta(minutes=481)
        await until(lambda: is_in(http, unsaid, ("ended", False)))
        assert await status_of(http, endless) == ("ongoing", False)
        assert ("close_room", f"proj_{short['roomId']}") in platform.media.calls
        joined = await tenant.http.post("/token", json={"room": short["roomId"], "identity": "b", "no_agent": True})
        assert joined.status_code == 200


async def has_timers(platform: Platform, count: int) -> bool:
    async with platform.database.platform() as db:
        return len((await db.exec(select(Job.id).where(Job.kind == CLOSE_LATE))).all()) == count


async def is_in(http: httpx2.AsyncClient, room: dict[str, Any], wanted: tuple[str, bool]) -> bool:
    return await status_of(http, room) == wanted


@pytest.mark.parametrize("by", ["its timer", "its people"])
async def test_a_room_is_over_with_its_session_where_it_was_told_so(
    platform: Platform, tenant: Tenant, by: str
) -> None:
    clock = turn_clock(platform)
    async with v2(platform, tenant) as http, platform.jobs():
        room = await make_room(http, autoCloseConfig={"type": "session-end-and-deactivate", "duration": 5})
        hooks = Hooks(platform, f"proj_{room['roomId']}")
        await hooks.joins("ada")
        if by == "its timer":
            await until(lambda: has_timers(platform, 1))
            clock.ahead = timedelta(minutes=6)
        else:
            await hooks.ends()
        await until(lambda: is_in(http, room, ("ended", True)))
        refused = await tenant.http.post("/token", json={"room": room["roomId"], "identity": "b", "no_agent": True})
        assert refused.status_code == 409


@dataclass
class Models:
    """A server that hears one sentence in every piece, and sums up."""

    asked: list[Any] = field(default_factory=list)
    url: str = ""

    async def hear(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked.append(form["model"])
        segment = {"id": 0, "seek": 0, "start": 1.0, "end": 2.5, "text": " Good morning. ", "tokens": [],
                   "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}  # fmt: skip
        return web.json_response({"text": "x", "language": "english", "duration": 3.0, "segments": [segment]})

    async def sum_up(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["messages"])
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "They greeted."}}
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
        return web.json_response({**head, "choices": [choice]})


@asynccontextmanager
async def models() -> AsyncIterator[Models]:
    served = Models()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/audio/transcriptions", served.hear)
    app.router.add_post("/v1/chat/completions", served.sum_up)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()


def sound(seconds: float) -> bytes:
    """A WAV file."""
    pcm = (np.sin(np.arange(int(8000 * seconds)) / 5) * 9000).astype(np.int16).tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(pcm)
    return file.getvalue()


async def written(platform: Platform, http: httpx2.AsyncClient, served: Models, **asked: Any) -> dict[str, Any]:
    """What became of a recording's transcription."""
    (recording,) = (await http.get("/recordings")).json()["data"]
    clock, number = platform.app.state.clock, int(recording["id"], 16)
    async with platform.database.platform() as db:
        row = await db.get(Recording, number)
        assert row is not None
        await want_transcription(db, clock, row)
    async with openai.AsyncOpenAI(base_url=served.url, api_key="x", max_retries=0) as client:
        state = platform.app.state
        transcriber = Transcriber(platform.database, clock, state.recordings, client, **asked)
        await transcriber.handle({"recording_id": number, "place": 0})
    (recording,) = (await http.get("/recordings")).json()["data"]
    done: dict[str, Any] = recording["transcription"]
    return done


async def file(platform: Platform, url: str) -> str:
    async with httpx2.AsyncClient(timeout=30) as http:
        answer = await http.get(url.replace(platform.settings.public_url, platform.url))
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("kept", [False, True], ids=["what is heard", "what agents kept"])
async def test_a_recording_is_written_down_and_summed_up(platform: Platform, tenant: Tenant, *, kept: bool) -> None:
    summary = {"enabled": True, "prompt": "Title, Agenda, Notes"}
    async with v2(platform, tenant) as http, models() as served:
        room = await make_room(http)
        full = f"proj_{room['roomId']}"
        await Hooks(platform, full).joins("ada")
        began = Clock().now()
        if kept:
            assert (await tenant.http.post("/sessions", json={"room_name": full})).status_code == 201
        asked = {"roomId": room["roomId"], "transcription": {"enabled": True, "summary": summary}}
        assert (await http.post("/recordings/start", json=asked | {"config": {"mode": "audio"}})).status_code == 200
        if kept:
            line = {"speaker": "user", "content": "Good morning.", "timestamp_ms": 10}
            assert (await tenant.http.post(f"/sessions/{full}/transcript", json=line)).status_code == 201
        platform.recorder.write("EG_1", sound(150))
        told = {"started_at": began, "ended_at": Clock().now(), "seconds": 150.0, "size": 1}
        await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **told))
        done = await written(platform, http, served, hearing="hears", reading="reads")
        assert done["status"] == "completed"
        text = await file(platform, done["transcriptionFilePaths"]["txt"])
        assert text.splitlines() == (["user: Good morning."] if kept else ["Good morning."] * 3)
        srt = await file(platform, done["transcriptionFilePaths"]["srt"])
        assert kept or "00:01:01,000 --> 00:01:02,500" in srt
        assert (await file(platform, done["transcriptionFilePaths"]["vtt"])).startswith("WEBVTT")
        assert await file(platform, done["summarizedFilePaths"]["txt"]) == "They greeted."
    assert summary["prompt"] in served.asked[-1][0]["content"]
    assert served.asked[:-1] == ([] if kept else ["hears"] * 3)


async def test_a_livestream_that_breaks_off_says_why(platform: Platform, tenant: Tenant) -> None:
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        await Hooks(platform, f"proj_{room['roomId']}").joins("ada")
        body = {"roomId": room["roomId"], "outputs": [{"url": "rtmp://example.com/live", "streamKey": "k"}]}
        begun = (await http.post("/livestreams/start", json=body)).json()
        broken = platform.recorder.says("EG_1", EgressState.FAILED, started_at=BEGAN, error="connection refused")
        await tell(platform, broken)
        over = (await http.get(f"/livestreams/{begun['id']}")).json()
        assert (over["status"], over["error"]) == ("error", "connection refused")
        assert (await tenant.http.get("/recordings")).json()["total"] == 0


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5:6379",
        "169.254.169.254",
        "[::ffff:10.0.0.5]",
        "0x0a000005",
        "10.5",
        "redis:6379",
        "key@10.0.0.5",
        "[fd00::1]",
    ],
)
async def test_no_livestream_goes_into_a_closed_network(platform: Platform, tenant: Tenant, host: str) -> None:
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        await Hooks(platform, f"proj_{room['roomId']}").joins("ada")
        fine = {"url": "rtmp://example.com/live", "streamKey": "k"}
        body = {"roomId": room["roomId"], "outputs": [fine, {"url": f"rtmp://{host}/live", "streamKey": "k"}]}
        refused = await http.post("/livestreams/start", json=body)
        assert refused.status_code == 400
        assert "outputs.1.url" in refused.text
        assert platform.recorder.calls == []
        assert (await http.get("/livestreams")).json()["data"] == []
