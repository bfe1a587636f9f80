"""Whoever may only join a room may do nothing else to LiveKit: real tokens of every kind on a real livekit-server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from livekit import api, rtc
from websockets.asyncio.client import connect

from tests.integration.control_plane.test_supervision import a_call
from tests.support.calls import CALLEE, TRUNK
from tests.support.grantlike import claims_of
from tests.support.livekit import livekit_of
from tests.support.meetings import a_bot, make_scenario, meet_people
from tests.support.platform import Platform, Tenant
from tests.support.rooms import somebody
from tests.support.tried import tried
from tests.support.uplink import worker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

SHOP, CANARY = "https://shop.example.org", "CANARY-of-somebody-else"
ELSEWHERE, THEM = "proj_elsewhere", "them"
ROOMS, DISPATCHES, EGRESS = "RoomService", "AgentDispatchService", "Egress"

Call = tuple[str, str, dict[str, Any]]


def forbidden(room: str, me: str) -> list[Call]:
    """What somebody in a room might ask of LiveKit's API, there and in the room next door."""
    here: list[Call] = [
        (ROOMS, "UpdateParticipant", {"room": room, "identity": me, "metadata": "mine"}),
        (ROOMS, "UpdateParticipant", {"room": room, "identity": me, "permission": {"hidden": True}}),
    ]
    for where in (room, ELSEWHERE):
        here += [
            (DISPATCHES, "CreateDispatch", {"room": where, "agentName": "parley", "metadata": "{}"}),
            (DISPATCHES, "ListDispatch", {"room": where}),
            (ROOMS, "ListParticipants", {"room": where}),
            (ROOMS, "GetParticipant", {"room": where, "identity": THEM}),
            (ROOMS, "UpdateParticipant", {"room": where, "identity": THEM, "name": "Renamed"}),
            (ROOMS, "RemoveParticipant", {"room": where, "identity": THEM}),
            (ROOMS, "MutePublishedTrack", {"room": where, "identity": THEM, "trackSid": "TR_1", "muted": True}),
            (ROOMS, "UpdateSubscriptions", {"room": where, "identity": THEM, "trackSids": [], "subscribe": False}),
            (ROOMS, "SendData", {"room": where, "data": "aGk=", "kind": "RELIABLE"}),
            (ROOMS, "UpdateRoomMetadata", {"room": where, "metadata": "mine"}),
            (ROOMS, "DeleteRoom", {"room": where}),
            (EGRESS, "StartRoomCompositeEgress", {"roomName": where, "file": {"filepath": "x.mp4"}}),
        ]
    here += [
        (ROOMS, "ListRooms", {}),
        (ROOMS, "CreateRoom", {"name": "proj_mine"}),
        (ROOMS, "ForwardParticipant", {"room": room, "identity": me, "destinationRoom": ELSEWHERE}),
        (ROOMS, "MoveParticipant", {"room": room, "identity": me, "destinationRoom": ELSEWHERE}),
        (EGRESS, "ListEgress", {}),
        (EGRESS, "StopEgress", {"egressId": "EG_1"}),
    ]
    return here


REFUSED: Final = (401, 403)
DESTRUCTIVE: Final = ("DeleteRoom", "RemoveParticipant", "ForwardParticipant", "MoveParticipant")


@pytest.fixture
async def livekit(platform: Platform, tmp_path: Path) -> AsyncIterator[str]:
    """A livekit-server that the platform controls and hears of."""
    async with livekit_of(platform, tmp_path) as url:
        yield url


async def visitors(platform: Platform, tenant: Tenant) -> dict[str, str]:
    """A token of each kind that somebody is given."""
    agent = await tenant.make_agent(instructions=f"You know {CANARY}.")

    async def told(path: str, **body: Any) -> dict[str, Any]:
        headers = {"X-Embed-Key": key, "Origin": SHOP} if path.startswith("/embed/") else {}
        answer = await tenant.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        said: dict[str, Any] = answer.json()
        return said

    key = (await told("/embed-keys", agent_id=agent, origins=[SHOP]))["embed_key"]["key"]
    whose = {"scenario_id": (await make_scenario(tenant))["id"]}
    await told("/sip/trunks", **TRUNK)
    made = await meet_people(tenant)
    tokens = {
        "token": (await told("/token", identity="user1", room="own", no_agent=True))["token"],
        "token of its own metadata": (
            await told("/token", identity="u2", room="own2", no_agent=True, grants={"canUpdateOwnMetadata": True})
        )["token"],
        "embed": (await told("/embed/token", visitor="visitor-0001", mode="voice"))["token"],
        "trial": (await told(f"/agents/{agent}/try", mode="voice"))["token"],
        "meeting": (await told("/meetings", name="Ada", **whose))["room_token"],
        "waiting room": (await told("/meetings", name="Eve", **whose, enable_waiting_room=True))["room_token"],
        "supervisor": (await told("/rooms/r/supervise", mode="listen"))["token"],
        "supervisor's voice": (await told("/rooms/r/supervise", mode="barge"))["voice"]["token"],
        "dial": (await told("/sip/dial", phone_number=CALLEE))["token"],
    }
    async with a_bot(platform.url) as bot:
        tokens["people's meeting"] = (await bot.join(made, "Ada"))["livekit"]["token"]
    return tokens


async def everything_told(url: str, token: str) -> bytes:
    """All bytes that LiveKit tells somebody who joins, up to its answer to their first ping."""
    ping = bytes.fromhex("70ffffffffff1f")  # SignalRequest.ping, a time of the client
    said = b""
    address = f"{url}/rtc?access_token={token}&auto_subscribe=1&protocol=15&sdk=python"
    async with connect(address, proxy=None) as socket, asyncio.timeout(60):
        said += _bytes(await socket.recv())
        await socket.send(ping)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    said += _bytes(await socket.recv())
    return said


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


async def test_a_visitor_joins_and_can_do_nothing_else(platform: Platform, tenant: Tenant, livekit: str) -> None:
    secret = platform.settings.livekit_api_secret.get_secret_value()
    await platform.add_worker()
    base = livekit.replace("ws", "http", 1) + "/twirp/livekit."
    count, wrong = 0, list[Any]()
    them = api.AccessToken("devkey", secret).with_identity(THEM).with_metadata(CANARY).with_name(CANARY)
    them = them.with_grants(api.VideoGrants(room_join=True, room=ELSEWHERE)).with_ttl(timedelta(minutes=5))
    async with worker(platform) as at, httpx2.AsyncClient(timeout=20) as http:
        await a_call(platform, tenant, at)
        tokens = await visitors(platform, tenant)
        await platform.app.state.media.create_room(ELSEWHERE, empty_timeout=60, max_participants=0, metadata=CANARY)
        async with somebody(livekit, them.to_jwt()):
            everything = api.VideoGrants(
                room_admin=True, room_create=True, room_list=True, room_record=True, room=ELSEWHERE
            )
            root = api.AccessToken("devkey", secret).with_grants(everything).to_jwt()
            may = [call for call in forbidden(ELSEWHERE, "nobody") if call[1] not in DESTRUCTIVE]
            asked = (_ask(http, base, root, *call, within=1.0) for call in may)
            for call, answer in zip(may, await asyncio.gather(*asked), strict=True):
                assert answer is None or answer.status_code not in REFUSED, (call, "is refused to anybody")
            before = await _state(platform)
            for kind, token in tokens.items():
                claims = claims_of(token)
                said = await everything_told(livekit, token)
                assert claims["sub"].encode() in said, f"{kind} is in"
                wrong += [(kind, "is told of others")] * (CANARY.encode() in said)
                for service, method, body in forbidden(claims["video"]["room"], claims["sub"]):
                    answer = await _ask(http, base, token, service, method, body)
                    count += 1
                    if answer is None or answer.status_code not in REFUSED:
                        wrong.append((kind, method, body, answer and answer.text))
            assert await _state(platform) == before, "nothing was renamed, removed or muted"
    tried("visitors: forbidden calls on a real server", count, len(wrong))
    assert wrong == []


async def _ask(
    http: httpx2.AsyncClient, base: str, token: str, service: str, method: str, body: dict[str, Any], within: float = 20
) -> httpx2.Response | None:
    """LiveKit's answer; None where it went to work and did not answer in so many seconds."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return await http.post(
            f"{base}{service}/{method}", json=body, headers=headers, timeout=httpx2.Timeout(20, read=within)
        )
    except httpx2.ReadTimeout:
        return None


async def _state(platform: Platform) -> Any:
    person = await platform.app.state.media.find_participant(ELSEWHERE, THEM)
    return person.name, person.metadata, person.attributes, person.permission


async def test_a_visitor_cannot_rename_itself_nor_send_where_it_may_not(
    platform: Platform, tenant: Tenant, livekit: str
) -> None:
    body = {"identity": "user1", "room": "r", "name": "Ada", "metadata": "given", "no_agent": True}
    grants = {"canPublishData": False, "canPublishSources": ["camera"]}
    mine = (await tenant.http.post("/token", json=body | {"grants": grants})).json()["token"]
    watch = (await tenant.http.post("/token", json=body | {"identity": "watcher"})).json()["token"]
    wrong = list[Any]()
    async with somebody(livekit, watch) as watcher, somebody(livekit, mine) as me:
        heard = list[Any]()
        watcher.room.on("data_received", heard.append)
        await watcher.until("joined", "user1")
        local = me.room.local_participant
        for change in (local.set_name("agent-1"), local.set_metadata("mine"), local.set_attributes({"parley.x": "y"})):
            with suppress(Exception):
                async with asyncio.timeout(1):
                    await change
        with suppress(Exception):
            async with asyncio.timeout(1):
                await local.publish_data(b"hello", reliable=True)
        with suppress(Exception):
            track = rtc.LocalAudioTrack.create_audio_track("voice", rtc.AudioSource(16_000, 1))
            async with asyncio.timeout(1):
                await local.publish_track(track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
        person = await platform.app.state.media.find_participant("proj_r", "user1")
        seen = (person.name, person.metadata, dict(person.attributes), person.tracks, heard)
        wrong += [seen] * (seen != ("Ada", "given", {}, [], []))
    tried("visitors: forbidden calls on a real server", 5, len(wrong))
    assert wrong == []
