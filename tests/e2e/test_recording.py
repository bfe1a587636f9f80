"""A conversation is recorded from its first word, and a word of its transcript is found in the sound."""

import asyncio
import io
from typing import Any

import av
import httpx2
import numpy as np
import pytest

from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.conversation import converse
from parley.demo.platform import Platform
from parley.demo.script import Question
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform
from tests.support.conversations import Watch

pytestmark = [pytest.mark.anyio, pytest.mark.recording, pytest.mark.timeout(400)]

SCRIPT = [Question(ask="Where can customers park their cars?", expect=["park"])]


@pytest.mark.smoke
async def test_what_was_said_is_heard_where_the_transcript_says(running: RunningPlatform) -> None:
    with running.client() as client:
        persona = client.get("/agents/1").json()["agent"]
        kept = ("instructions", "greeting", "knowledge_base_ids", "turn_taking")
        body = {name: persona[name] for name in kept} | {"name": "Robin", "record": True}
        agent = client.post("/agents", json=body | {"record_notice": "This call is recorded."}).json()["agent"]["id"]
    outcome = await converse(Ready.read(running.ready_file).model_copy(update={"agent_id": agent}), SCRIPT, Watch())
    assert outcome.failure is None
    with running.client() as client:
        session = next(each for each in client.get("/sessions").json()["sessions"] if each["agent_name"] == "Robin")
        recording = await until_over(client, session_id=session["id"])
        assert (recording["status"], recording["channels"], recording["error"]) == ("completed", "dual", None)
        assert recording["lost_head_ms"] < 300
        lines = client.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
        sound, rate = decode(client.get(f"/recordings/{recording['id']}/download").content)
    assert lines[0]["content"].startswith("This call is recorded. ")
    assert abs(sound.shape[1] / rate - recording["duration"]) < 0.25
    assert {line["speaker"] for line in lines} == {"agent", "user"}
    for line in lines:
        begin = (line["timestamp_ms"] - recording["offset_ms"]) / 1000
        said = sound[:, int((begin - 0.2) * rate) : int((begin + 1) * rate)]
        agent_is, caller_is = (float(np.sqrt(np.mean(channel**2))) for channel in said)
        assert (agent_is > caller_is) is (line["speaker"] == "agent"), line["content"]


@pytest.mark.smoke
async def test_a_room_is_recorded_as_a_caller_of_the_api_wants_it(running: RunningPlatform) -> None:
    with running.client() as client:
        assert client.post("/rooms", json={"name": "studio"}).status_code == 201
        made = client.post("/rooms/studio/recordings/start", json={"format": "mp4"})
        assert made.status_code == 201, made.text
        await visit(running, "studio")
        stopped = client.post("/rooms/studio/recordings/stop")
        assert stopped.json()["stopped"] in ([], [made.json()["recording"]["egress_id"]])
        recording = await until_over(client, room_name="studio")
        assert (recording["status"], recording["error"]) == ("completed", None)
        answer = client.get(f"/recordings/{recording['id']}/download", headers={"Range": "bytes=4-7"})
        assert (answer.status_code, answer.content) == (206, b"ftyp")
        assert client.delete(f"/recordings/{recording['id']}").status_code == 200
        assert client.get(f"/recordings/{recording['id']}/download").status_code == 404


async def test_an_empty_room_is_recorded_as_nothing(running: RunningPlatform) -> None:
    with running.client() as client:
        client.post("/rooms", json={"name": "empty"})
        assert client.post("/rooms/empty/recordings/start").status_code == 201
        assert len(client.post("/rooms/empty/recordings/stop").json()["stopped"]) == 1
        recording = await until_over(client, room_name="empty")
        assert (recording["status"], recording["error"]) == ("error", "nothing was recorded")


async def visit(running: RunningPlatform, room: str) -> None:
    """Hear a persona's greeting there, and leave."""
    voice = Voice(MICROPHONE_RATE)
    async with Platform(Ready.read(running.ready_file)) as platform:
        token = await platform.token(identity="visitor", room=room, agent_id=1)
    async with Caller(token.wsUrl, token.token, voice) as caller:
        await caller.hear_greeting(timeout=60)
    voice.close()


async def until_over(client: httpx2.Client, **which: Any) -> dict[str, Any]:
    """The newest of these recordings, once it runs no longer."""
    async with asyncio.timeout(60):
        while True:
            (newest, *_) = (await asyncio.to_thread(client.get, "/recordings", params=which)).json()["recordings"]
            if newest["status"] != "recording":
                return dict(newest)
            await asyncio.sleep(0.1)


def decode(file: bytes) -> tuple[np.ndarray, int]:
    """Channels of samples, and how many there are in a second."""
    with av.open(io.BytesIO(file)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(frames, axis=1), container.streams.audio[0].rate
