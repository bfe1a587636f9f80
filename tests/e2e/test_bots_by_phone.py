"""Bots in a meeting behind a PIN-protected number: out by the SIP service and in by it again, into a room of ours."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from livekit import api

from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.anyio, pytest.mark.call, pytest.mark.timeout(240)]

PIN = "4711"


@dataclass
class Bridge:
    """A room that is reached by a number and its PIN, as a conference's bridge is."""

    server: api.LiveKitAPI
    http: httpx2.AsyncClient
    room: str
    address: str

    async def send(self, pin: str, **asked: Any) -> str:
        """A bot that dials in; its id."""
        body = {
            "meeting_url": "https://meet.google.com/abc-defg-hij",
            "bot_name": "Notetaker",
            "deduplication_key": secrets.token_hex(4),
            "extra": {"dial_in": {"number": self.address, "pin": pin}},
            "speech_to_text": "Default",
        }
        answer = await self.http.post("/bots", json=body | asked)
        return str(answer.raise_for_status().json()["bot_id"])

    async def data(self, bot_id: str) -> dict[str, Any]:
        """What a bot has brought."""
        answer = await self.http.get("/bots/meeting_data", params={"bot_id": bot_id})
        data: dict[str, Any] = answer.raise_for_status().json()
        return data

    async def in_state(self, bot_id: str, *states: str, within: float = 60) -> dict[str, Any]:
        """A bot's data, once it is so far."""

        async def ask() -> dict[str, Any] | None:
            data = await self.data(bot_id)
            return data if data["bot_data"]["state"] in states else None

        return await until(ask, within=within)

    async def phones(self) -> list[str]:
        """Who is in the room by telephone."""
        try:
            asked = api.ListParticipantsRequest(room=self.room)
            there = (await self.server.room.list_participants(asked)).participants
        except api.TwirpError:  # nobody is
            return []
        return [each.identity for each in there if each.kind == api.ParticipantInfo.Kind.SIP]

    async def is_over(self, bot_id: str) -> bool:
        """Whether neither a room nor a line nor a running session is left of a bot."""
        rooms = (await self.server.room.list_rooms(api.ListRoomsRequest())).rooms
        calls = (await self.http.get("/api/v1/sip/calls")).raise_for_status().json()["calls"]
        sessions = (await self.http.get("/api/v1/sessions?status=active")).raise_for_status().json()
        return (
            not any(bot_id in room.name for room in rooms)
            and not await self.phones()
            and not any(call["ended_at"] is None for call in calls)
            and bot_id not in json.dumps(sessions)
        )


async def until(ask: Callable[[], Awaitable[Any]], *, within: float = 30) -> Any:
    """What is asked for, once there is something."""
    async with asyncio.timeout(within):
        while not (found := await ask()):
            await asyncio.sleep(0.1)
    return found


@asynccontextmanager
async def bridge(running: RunningPlatform) -> AsyncIterator[Bridge]:
    """A number of the running platform that asks for a PIN; it belongs to none of its projects."""
    ready = running.ready
    kept = json.loads((Path(ready["log_dir"]).parent / "secrets.json").read_text())
    room, number = f"bridge-{secrets.token_hex(4)}", f"+1800{secrets.randbelow(8_000_000) + 2_000_000}"
    keys = kept["livekit_api_key"], kept["livekit_api_secret"]
    headers = {"X-API-Key": ready["api_key"]}
    async with (
        api.LiveKitAPI(ready["livekit_url"].replace("ws", "http", 1), *keys) as server,
        httpx2.AsyncClient(base_url=ready["api_url"], headers=headers, timeout=30) as http,
    ):
        trunk = await server.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(name="Bridge", numbers=[number]))
        )
        direct = api.SIPDispatchRuleDirect(room_name=room, pin=PIN)
        rule = await server.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(
                name="Bridge", trunk_ids=[trunk.sip_trunk_id], rule=api.SIPDispatchRule(dispatch_rule_direct=direct)
            )
        )
        token = api.AccessToken(*keys).with_identity("ada").with_grants(api.VideoGrants(room_join=True, room=room))
        voice = Voice(MICROPHONE_RATE)
        try:
            async with Caller(ready["livekit_url"], token.to_jwt(), voice) as ada:
                speaking = asyncio.create_task(talk(ada))
                try:
                    yield Bridge(server, http, room, f"sip:{number}@{ready['sip']['address']}")
                finally:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
        finally:
            voice.close()
            await server.sip.delete_dispatch_rule(
                api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
            )
            await server.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id))


async def talk(caller: Caller) -> None:
    """Say something again and again."""
    while True:
        await caller.say("When does the restaurant open tomorrow?")
        await asyncio.sleep(1)


@pytest.mark.parametrize("view", ["speaker_view", "gallery_view"])
async def test_a_bot_with_the_right_pin_is_in_the_room_and_writes_down_what_it_hears(
    running: RunningPlatform, tmp_path: Path, view: str
) -> None:
    async with bridge(running) as line:
        bot_id = await line.send(PIN, recording_mode=view)
        assert len(await until(line.phones)) == 1

        async def is_understood() -> bool:
            lines = (await line.data(bot_id))["bot_data"]["transcripts"]
            said = " ".join(word["text"] for each in lines for word in each["words"])
            return "restaurant" in said.lower()

        await until(is_understood, within=60)
        (await line.http.delete(f"/bots/{bot_id}")).raise_for_status()
        data = await line.in_state(bot_id, "completed", "failed")
        assert data["bot_data"]["bot"]["errors"] is None
        assert data["bot_data"]["heard_as"] == "one_line"
        assert {each["speaker"] for each in data["bot_data"]["transcripts"]} == {"Meeting"}
        assert await until(lambda: line.is_over(bot_id))
        file = (await line.http.get(data["mp4"], timeout=60)).raise_for_status()
        (tmp_path / "meeting.mp4").write_bytes(file.content)
    with av.open(tmp_path / "meeting.mp4") as film:
        assert film.streams.video[0].codec_context.width == 1280
        assert [each.codec_context.name for each in film.streams.audio] == ["aac"]
        shades = next(film.decode(video=0)).to_ndarray(format="gray")
    assert shades.std() > 3, "a card is drawn, not a black screen"


async def test_a_bot_with_a_wrong_pin_has_failed_and_leaves_nothing_behind(running: RunningPlatform) -> None:
    async with bridge(running) as line:
        bot_id = await line.send("1234")
        data = await line.in_state(bot_id, "completed", "failed")
        assert data["bot_data"]["bot"]["errors"].startswith("CannotJoinMeeting")
        assert await until(lambda: line.is_over(bot_id))
        calls = (await line.http.get("/api/v1/sip/calls")).json()["calls"]
        call = next(call for call in calls if bot_id in call["room_name"])
        assert call["direction"] == "outbound"
        lasted = call["duration"]
        await asyncio.sleep(3)  # in which nothing must go on
        calls = (await line.http.get("/api/v1/sip/calls")).json()["calls"]
        assert next(each for each in calls if each["id"] == call["id"])["duration"] == lasted
        assert await line.is_over(bot_id)
