"""Meetings along a scenario on the running platform: the persona holds them, and what they do not allow is not done."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from livekit import rtc

from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.voice import Voice
from parley.offline.audio import RECOGNITION_RATE
from tests.e2e.conftest import RunningPlatform
from tests.support.meetings import Bot, a_bot, code_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

SCENARIO = {
    "name": "Pharmacy",
    "persona": {"name": "Pharmacist", "instructions": "You are a pharmacist.", "greeting": "Hello there."},
    "objectives": ["Offer the delivery of medicine"],
    "criteria": [{"name": "Politeness"}],
    "controls": {"enable_recording": False},
}


def make(client: httpx2.Client, scenario: dict[str, Any] = SCENARIO, **fields: object) -> dict[str, Any]:
    scenario = client.post("/scenarios", json=scenario).json()["scenario"]
    answer = client.post("/meetings", json={"name": "Ada", "scenario_id": scenario["id"]} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.smoke
async def test_a_persona_holds_the_meeting_and_it_is_analysed(running: RunningPlatform) -> None:
    voice = Voice(MICROPHONE_RATE)
    with running.client() as client:
        made = make(client, welcome_message="Welcome to the pharmacy, {{name}}. We deliver medicine on Sundays.")
        async with Caller(made["livekit_url"], made["room_token"], voice) as caller:
            greeting = await caller.hear_greeting(timeout=60)
        voice.close()
        assert greeting.samples.size > 2 * RECOGNITION_RATE
        meeting = await until(client, f"/meetings/{made['meeting']['id']}", "meeting", status="completed")
        analysis = await until(client, f"/meetings/{meeting['id']}/analysis", None, status="ready")
        lines = client.get(f"/sessions/{meeting['session_id']}/transcript").json()["transcripts"]
    assert lines[0]["content"].startswith("Welcome to the pharmacy, Ada.")
    assert analysis["extractive"] is True
    assert analysis["agent_ms"] > 1_500
    assert "pharmacy" in analysis["summary"].lower()
    assert analysis["objectives"][0]["evidence"] == [lines[0]["id"]]


async def test_a_persona_without_a_greeting_begins_in_words_of_its_own(running: RunningPlatform) -> None:
    voice = Voice(MICROPHONE_RATE)
    silent = {**SCENARIO, "persona": {"name": "Pharmacist", "instructions": "You are a pharmacist."}}
    with running.client() as client:
        made = make(client, scenario=silent)
        async with Caller(made["livekit_url"], made["room_token"], voice) as caller:
            assert (await caller.hear_greeting()).samples.size > RECOGNITION_RATE
        voice.close()
        meeting = await until(client, f"/meetings/{made['meeting']['id']}", "meeting", status="completed")
        lines = client.get(f"/sessions/{meeting['session_id']}/transcript").json()["transcripts"]
    assert lines[0]["speaker"] == "agent"
    assert lines[0]["content"].startswith("Hello.")


async def test_who_waits_sees_and_hears_nothing_of_a_meeting_until_admitted(running: RunningPlatform) -> None:
    with running.client() as client:
        made = make(client, enable_waiting_room=True, enable_chat=True)
        path = f"/meetings/{made['meeting']['id']}"
        outside, told = rtc.Room(), asyncio.Queue[dict[str, str]]()
        outside.on("data_received", lambda packet: told.put_nowait(json.loads(packet.data)))
        await outside.connect(made["livekit_url"], made["room_token"])
        (waiting,) = await until_some(client, f"{path}/waiting", "waiting")
        assert outside.name != made["meeting"]["room_name"]
        assert not outside.remote_participants
        track = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(MICROPHONE_RATE, 1))
        with pytest.raises(Exception, match="track publication timed out"):
            await outside.local_participant.publish_track(track)
        assert client.get(path).json()["meeting"]["status"] == "scheduled"
        assert client.post(f"{path}/waiting/{waiting['identity']}/admit").status_code == 200
        async with asyncio.timeout(10):
            admission = await told.get()
        inside = rtc.Room()
        await inside.connect(admission["url"], admission["token"])
        assert inside.name == made["meeting"]["room_name"]
        await until(client, path, "meeting", status="active")
        await outside.disconnect()
        assert client.post(f"{path}/end").json()["meeting"]["status"] == "completed"
        await inside.disconnect()


async def test_a_line_of_the_chat_is_answered_by_voice_and_in_the_chat(running: RunningPlatform) -> None:
    voice = Voice(MICROPHONE_RATE)
    with running.client() as client:
        made, origin = make(client, enable_chat=True), str(client.base_url.copy_with(path="/"))
        async with a_bot(origin) as bot, Caller(made["livekit_url"], made["room_token"], voice) as caller:
            await caller.hear_greeting()
            await bot.join({"meetingId": code_of(made)}, "My bot")
            await bot.say("chat:message", {"text": "What is your name?"})
            answer = await bot.until("chat:message")
        voice.close()
        meeting = await until(client, f"/meetings/{made['meeting']['id']}", "meeting", status="completed")
        lines = client.get(f"/sessions/{meeting['session_id']}/transcript").json()["transcripts"]
    assert answer["name"] == "Pharmacist"
    assert [line["content"] for line in lines[1:3]] == ["What is your name?", answer["text"]]


async def test_what_two_people_say_is_written_down_with_their_names(running: RunningPlatform) -> None:
    voice = Voice(MICROPHONE_RATE)
    with running.client() as client:
        origin = str(client.base_url.copy_with(path="/"))
        made = client.post(f"{origin}api/meetings", json={"title": "Two people"}).json()
        async with a_bot(origin) as one, a_bot(origin) as other:
            ways_in = [
                (await bot.join(made, name, isBot=False))["livekit"] for bot, name in ((one, "Ada"), (other, "Bob"))
            ]
            async with (
                Caller(ways_in[0]["url"], ways_in[0]["token"], voice) as ada,
                Caller(ways_in[1]["url"], ways_in[1]["token"], voice) as bob,
            ):
                await one.until("participant:joined", lambda person: person["name"] == "Notetaker")
                await ada.say("How long is the warranty on a repair?")
                first = await one.until("transcript", lambda data: data["speaker"] == "Ada")
                await bob.say("Where can customers park their cars?")
                second = await one.until("transcript", lambda data: data["speaker"] == "Bob")
        voice.close()
        meeting = client.get(f"{origin}api/meetings/{made['meetingId']}").json()
        lines = client.get(f"/sessions/{meeting['sessionId']}/transcript").json()["transcripts"]
    assert "warranty" in first["text"].lower()
    assert "park" in second["text"].lower()
    assert [line["name"] for line in lines] == ["Ada", "Bob"]


async def test_what_is_said_after_the_workers_death_is_written_down_too(running: RunningPlatform) -> None:
    voice = Voice(MICROPHONE_RATE)
    with running.client() as client:
        origin = str(client.base_url.copy_with(path="/"))
        made = client.post(f"{origin}api/meetings", json={"title": "Two scribes"}).json()
        async with a_bot(origin) as bot:
            way_in = (await bot.join(made, "Ada", isBot=False))["livekit"]
            async with Caller(way_in["url"], way_in["token"], voice) as ada:
                await bot.until("participant:joined", lambda person: person["name"] == "Notetaker")
                await ada.say("How long is the warranty on a repair?")
                await bot.until("transcript", lambda data: "warranty" in data["text"].lower())
                os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
                await heard_again(ada, bot)
        voice.close()
        meeting = client.get(f"{origin}api/meetings/{made['meetingId']}").json()
        lines = client.get(f"/sessions/{meeting['sessionId']}/transcript").json()["transcripts"]
    said = [line["content"].lower() for line in lines]
    assert "warranty" in said[0]
    assert "park" in said[-1]
    times = [line["timestamp_ms"] for line in lines]
    assert times == sorted(times)


async def test_people_who_meet_before_there_is_a_worker_are_written_down_once_there_is(
    running: RunningPlatform,
) -> None:
    voice = Voice(MICROPHONE_RATE)
    with running.client() as client:
        origin = str(client.base_url.copy_with(path="/"))
        made = client.post(f"{origin}api/meetings", json={"title": "Early birds"}).json()
        async with a_bot(origin) as bot:
            way_in = (await bot.join(made, "Ada", isBot=False))["livekit"]
            os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
            async with Caller(way_in["url"], way_in["token"], voice) as ada:
                await heard_again(ada, bot)
        voice.close()


async def heard_again(person: Caller, bot: Bot) -> None:
    """Somebody says a line until it is written down."""
    async with asyncio.timeout(90):
        while True:
            await person.say("Where can customers park their cars?")
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await bot.until("transcript", lambda data: "park" in data["text"].lower())
                    return


async def until(client: httpx2.Client, path: str, part: str | None, **wanted: object) -> dict[str, Any]:
    """What is there, once it is as wanted."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(30):
        while not wanted.items() <= found.items():
            answer = (await asyncio.to_thread(client.get, path)).json()
            found = answer[part] if part else answer
            await asyncio.sleep(0.1)
    return found


async def until_some(client: httpx2.Client, path: str, part: str) -> list[dict[str, Any]]:
    """A list, once it has something."""
    async with asyncio.timeout(30):
        while not (found := (await asyncio.to_thread(client.get, path)).json()[part]):
            await asyncio.sleep(0.1)
    return list(found)
