"""Rooms by the VideoSDK's reference, over HTTP."""

import re
import time
from typing import Any

import httpx2
import jwt
import pytest

from tests.support.platform import Platform
from tests.support.videosdk import AUTO_START, Hooks, make_room, token, v2
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def test_a_room_is_made_found_validated_and_listed(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http, customRoomId="aaa-bbb-ccc")
        assert set(room) == {
            "roomId", "customRoomId", "userId", "disabled", "createdAt", "updatedAt", "id", "links",
        }  # fmt: skip
        assert re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{4}", room["roomId"])
        assert re.fullmatch(r"[0-9a-f]{24}", room["id"])
        assert re.fullmatch(r"[0-9a-f]{24}", room["userId"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", room["createdAt"])
        assert room["disabled"] is False
        assert room["links"]["get_room"].endswith(f"/v2/rooms/{room['roomId']}")
        assert await make_room(http, customRoomId="aaa-bbb-ccc", geoFence="us002") == room
        for known in (room["roomId"], "aaa-bbb-ccc", room["id"]):
            assert (await http.get(f"/rooms/{known}")).json() == room
            assert (await http.get(f"/rooms/validate/{known}")).json() == room
        other = await make_room(http)
        assert other["customRoomId"] is None
        listed = (await http.get("/rooms/?page=1&perPage=1")).json()
        assert listed == {"pageInfo": {"currentPage": 1, "perPage": 1, "lastPage": 2, "total": 2}, "data": [other]}
        assert (await http.get("/rooms", params={"query": "aaa-bbb-ccc"})).json()["data"] == [room]


async def test_what_a_room_was_told_is_given_back_as_it_was_sent(platform: Platform) -> None:
    tenant = await platform.tenant()
    told = {
        "webhook": {"endPoint": "https://example.com/hook", "events": ["session-started", "recording*"]},
        "autoCloseConfig": {"type": "session-end-and-deactivate", "duration": 60},
        "autoStartConfig": AUTO_START,
        "multiComposition": {"recording": True},
        "geoFence": "us002",
    }
    async with v2(platform, tenant) as http:
        room = await make_room(http, **told)
        read = (await http.get(f"/rooms/{room['roomId']}")).json()
    assert {name: read[name] for name in told} == told
    assert (await tenant.http.get("/webhooks")).json()["webhooks"] == []


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("customRoomId", {"customRoomId": ""}),
        ("customRoomId", {"customRoomId": "a\u0000b"}),
        ("webhook.endPoint", {"webhook": {"endPoint": "ftp://x", "events": []}}),
        ("webhook.endPoint", {"webhook": {"endPoint": "http://169.254.169.254/", "events": []}}),
        ("webhook.events", {"webhook": {"endPoint": "https://example.com"}}),
        ("autoCloseConfig.type", {"autoCloseConfig": {"type": "never"}}),
        ("autoCloseConfig.duration", {"autoCloseConfig": {"duration": 0}}),
        ("autoCloseConfig.duration", {"autoCloseConfig": {"duration": "60"}}),
        ("autoStartConfig.recording.config.layout.gridSize", {"recording": {"config": {"layout": {"gridSize": 5}}}}),
        ("autoStartConfig.recording.config.layout.type", {"recording": {"config": {"layout": {"type": "WALL"}}}}),
        ("autoStartConfig.recording.config.layout.priority", {"recording": {"config": {"layout": {"priority": 1}}}}),
        ("autoStartConfig.recording.config.theme", {"recording": {"config": {"theme": "PINK"}}}),
        ("autoStartConfig.recording.config.mode", {"recording": {"config": {"mode": "smell"}}}),
        ("autoStartConfig.recording.config.quality", {"recording": {"config": {"quality": "best"}}}),
        ("autoStartConfig.recording.config.orientation", {"recording": {"config": {"orientation": "up"}}}),
        ("autoStartConfig.recording.awsDirPath", {"recording": {"awsDirPath": "../x\n"}}),
        ("autoStartConfig.recording.transcription.enabled", {"recording": {"transcription": {"enabled": "yes"}}}),
        ("autoStartConfig.recording.transcription.summary.prompt", {
            "recording": {"transcription": {"summary": {"prompt": 5}}}}),
        ("autoStartConfig.hls.config.recording.enabled", {"hls": {"config": {"recording": {"enabled": 2}}}}),
        ("autoStartConfig.hls.config.layout.gridSize", {"hls": {"config": {"layout": {"gridSize": 25}}}}),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named_and_nothing_is_made(platform: Platform, field: str, body: dict[str, Any]) -> None:
    tenant = await platform.tenant()
    sent = {"autoStartConfig": body} if field.startswith("autoStart") else body
    async with v2(platform, tenant) as http:
        answer = await http.post("/rooms", content=httpx2.Request("POST", "http://x", json=sent).content,
                                 headers={"content-type": "application/json"})  # fmt: skip
        assert (answer.status_code, answer.json()["statusCode"]) == (400, 400), answer.text
        assert answer.json()["message"].startswith(field + ":"), answer.text
        assert (await http.get("/rooms")).json()["data"] == []


async def test_an_unknown_room_is_402_also_for_another_project(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    async with v2(platform, tenant) as http, v2(platform, other) as stranger:
        room = await make_room(http, customRoomId="mine")
        for given in (room["roomId"], "mine", room["id"], "nobody", "f" * 24):
            for path in (f"/rooms/{given}", f"/rooms/validate/{given}"):
                answer = await stranger.get(path)
                assert answer.status_code == 402
                assert answer.json() == {"statusCode": 402, "message": "Please provide a valid roomId"}
        assert (await stranger.post("/rooms/deactivate", json={"roomId": room["roomId"]})).status_code == 402
        assert (await http.post("/rooms/deactivate", json={"roomId": "mine"})).status_code == 402
        assert (await stranger.get("/rooms")).json()["pageInfo"]["total"] == 0
        assert (await make_room(stranger, customRoomId="mine"))["roomId"] != room["roomId"]


async def test_only_a_good_token_opens(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    good = token(tenant)
    forged = jwt.encode({"apikey": tenant.key, "exp": time.time() + 60}, other.secret, algorithm="HS256")
    unsigned = jwt.encode({"apikey": tenant.key, "exp": time.time() + 60}, "", algorithm="none")
    bad = [
        None, "", "x", "a.b.c", tenant.key, f"Bearer {good}", good[:-4] + "AAAA", forged, unsigned,
        token(tenant, exp=int(time.time()) - 60), token(tenant, exp=None), token(tenant, exp="soon"),
        token(tenant, apikey="pk_unknown"), token(tenant, apikey=None), token(tenant, apikey=["x"]),
        token(tenant, version=7), token(tenant, permissions="all"), token(tenant, roles={"a": 1}), "x" * 5000,
    ]  # fmt: skip
    async with httpx2.AsyncClient(base_url=f"{platform.url}/v2", timeout=30) as http:
        for each in bad:
            answer = await http.get("/rooms", headers={} if each is None else {"Authorization": each})
            assert answer.status_code == 401, each
            assert answer.json()["statusCode"] == 401
            assert set(answer.json()) == {"statusCode", "message"}
        assert (await http.get("/rooms", headers={"X-API-Key": tenant.key})).status_code == 401
        assert (await http.get("/rooms", headers={"Authorization": good})).status_code == 200


@pytest.mark.parametrize(
    "claims", [{"roles": ["rtc"]}, {"permissions": ["ask_join"]}], ids=["participant", "asks to be let in"]
)
async def test_a_participants_token_manages_nothing(platform: Platform, claims: dict[str, Any]) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant, **claims) as http:
        assert (await http.post("/rooms", json={})).status_code == 403


async def test_a_token_for_one_room_opens_that_room_alone(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room, other = await make_room(http, customRoomId="mine"), await make_room(http, customRoomId="other")
    async with v2(platform, tenant, roomId=room["roomId"]) as http:
        assert (await http.get(f"/rooms/{room['roomId']}")).status_code == 200
        assert (await http.get(f"/rooms/{other['roomId']}")).status_code == 402
        assert (await http.get("/rooms")).json()["data"] == [room]
        assert (await http.post("/rooms", json={"customRoomId": "mine"})).json() == room
        for body in ({}, {"customRoomId": "new"}, {"customRoomId": "other"}):
            assert (await http.post("/rooms", json=body)).status_code == 403
    async with v2(platform, tenant) as http:
        assert (await http.get("/rooms")).json()["pageInfo"]["total"] == 2


async def test_a_token_of_the_primary_surface_joins_the_room(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http)
    answer = await tenant.http.post("/token", json={"room": room["roomId"], "identity": "ada", "no_agent": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["room"] == f"proj_{room['roomId']}"


async def test_a_deactivated_room_is_refused_on_every_surface(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        full = f"proj_{room['roomId']}"
        for _ in range(2):
            gone = await http.post("/rooms/deactivate", json={"roomId": room["roomId"]})
            assert (gone.status_code, gone.json()["disabled"]) == (200, True)
        assert (await http.get(f"/rooms/{room['roomId']}")).json()["disabled"] is True
    assert ("close_room", full) in platform.media.calls
    for name in (room["roomId"], full):
        for path, body in (
            ("/token", {"room": name, "identity": "ada"}),
            ("/token", {"room": name, "identity": "ada", "no_agent": True}),
            ("/rooms", {"name": name}),
            ("/sessions", {"room_name": name}),
        ):
            answer = await tenant.http.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT"), (path, answer.text)


async def test_who_comes_by_an_older_token_is_sent_away(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        await http.post("/rooms/deactivate", json={"roomId": room["roomId"]})
    platform.media.calls.clear()
    await Hooks(platform, f"proj_{room['roomId']}").joins("ada")

    async def closed() -> bool:
        return ("close_room", f"proj_{room['roomId']}") in platform.media.calls

    async with platform.jobs():
        await until(closed)


async def test_errors_have_one_shape_whatever_is_wrong(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        for answer, status in (
            (await http.get("/nothing"), 404),
            (await http.put("/rooms", json={}), 405),
            (await http.post("/rooms", content=b"{", headers={"content-type": "application/json"}), 400),
            (await http.post("/rooms", content=b"x" * 2_000_000), 413),
            (await http.get("/rooms?page=0"), 400),
            (await http.get("/rooms?perPage=1000"), 400),
        ):
            assert answer.status_code == status, answer.text
            assert set(answer.json()) == {"statusCode", "message"}


async def test_the_window_of_a_key_counts_signed_requests(platform: Platform) -> None:
    tenant = await platform.tenant(rate=2)
    async with v2(platform, tenant) as http:
        first = await http.get("/rooms")
        assert first.headers["x-ratelimit-limit"] == "2"
        await http.get("/rooms")
        third = await http.get("/rooms")
        assert (third.status_code, third.json()["statusCode"]) == (429, 429)
        assert int(third.headers["retry-after"]) >= 1
