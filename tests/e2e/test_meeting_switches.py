"""What a meeting's persona sees and looks up, on the running platform with its offline models."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from livekit import rtc

from tests.e2e.conftest import SEARCH_PORT, RunningPlatform
from tests.e2e.test_meeting import SCENARIO, until
from tests.support.searching import search_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

WIDTH, HEIGHT = 640, 360
RED, BLUE = bytes((200, 25, 30, 255)), bytes((20, 45, 205, 255))


class Camera:
    """A camera that shows one colour."""

    def __init__(self) -> None:
        self.source = rtc.VideoSource(WIDTH, HEIGHT)
        self.colour = RED
        self.task: asyncio.Task[None] | None = None

    async def publish(self, room: rtc.Room) -> None:
        track = rtc.LocalVideoTrack.create_video_track("camera", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        await asyncio.wait_for(room.local_participant.publish_track(track, options), 15)
        self.task = asyncio.create_task(self._show())

    async def _show(self) -> None:
        while True:
            pixels = bytearray(self.colour * (WIDTH * HEIGHT))
            self.source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, pixels))
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def meeting(client: httpx2.Client, **fields: object) -> AsyncIterator[tuple[rtc.Room, int]]:
    """Somebody in a meeting whose persona is there, and the meeting's id."""
    scenario = client.post("/scenarios", json=SCENARIO).json()["scenario"]
    body = {"name": "Ada", "scenario_id": scenario["id"], "enable_chat": True} | fields
    answer = client.post("/meetings", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    room = rtc.Room()
    await room.connect(made["livekit_url"], made["room_token"])
    try:
        yield room, made["meeting"]["id"]
    finally:
        await room.disconnect()


async def answers(client: httpx2.Client, meeting_id: int, count: int) -> list[str]:
    """What the persona has said, once that are so many lines."""
    path = f"/meetings/{meeting_id}"
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await asyncio.to_thread(client.get, path)).json()["meeting"]
            if found["session_id"]:
                read = await asyncio.to_thread(client.get, f"/sessions/{found['session_id']}/transcript")
                said = [line["content"] for line in read.json()["transcripts"] if line["speaker"] == "agent"]
                if len(said) >= count:
                    return said
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("switch", ["live_vision", "gpt_vision"])
async def test_a_persona_that_sees_names_the_colour_of_what_is_shown(running: RunningPlatform, switch: str) -> None:
    camera = Camera()
    with running.client() as client:
        async with meeting(client, enable_video=True, **{switch: True}) as (room, meeting_id):
            await camera.publish(room)
            await answers(client, meeting_id, 1)  # the greeting
            await room.local_participant.send_text("What colour do you see?", topic="lk.chat")
            red = (await answers(client, meeting_id, 2))[1]
            camera.colour = BLUE
            await asyncio.sleep(2.5)  # as often as a new picture is made
            await room.local_participant.send_text("And what colour do you see now?", topic="lk.chat")
            blue = (await answers(client, meeting_id, 3))[2]
            await camera.close()
        await until(client, f"/meetings/{meeting_id}", "meeting", status="completed")
    assert "red" in red
    assert "blue" in blue
    assert "I see no text" in red


async def test_without_the_switch_a_persona_sees_nothing(running: RunningPlatform) -> None:
    camera = Camera()
    with running.client() as client:
        async with meeting(client, enable_video=True) as (room, meeting_id):
            await camera.publish(room)
            await answers(client, meeting_id, 1)
            await room.local_participant.send_text("What colour do you see?", topic="lk.chat")
            said = (await answers(client, meeting_id, 2))[1]
            await camera.close()
        await until(client, f"/meetings/{meeting_id}", "meeting", status="completed")
    assert "red" not in said


async def test_a_persona_that_searches_the_web_says_where_it_has_it_from(running: RunningPlatform) -> None:
    asked = "Search the web for the opening hours of the harbour museum"
    async with search_server(SEARCH_PORT) as server:
        with running.client() as client:
            async with meeting(client, web_search=True) as (room, meeting_id):
                await answers(client, meeting_id, 1)
                await room.local_participant.send_text(asked, topic="lk.chat")
                said = (await answers(client, meeting_id, 2))[1]
            await until(client, f"/meetings/{meeting_id}", "meeting", status="completed")
    assert [(query["q"], query["format"]) for query in server.asked] == [
        ("opening hours of the harbour museum", "json")
    ]
    assert "According to harbour-museum.example" in said
    assert "from nine until five" in said
