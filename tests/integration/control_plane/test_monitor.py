"""The monitor socket: keys, channels, order, resuming."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from control_plane.gate.middleware import take_of_stranger
from control_plane.gate.window import RateLimiter
from tests.support.platform import Platform, Tenant
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def monitor(platform: Platform, key: str) -> AsyncIterator[ClientConnection]:
    url = platform.url.replace("http", "ws") + f"/ws/monitor?api_key={key}"
    async with connect(url, proxy=None) as socket:
        yield socket


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


async def subscribe(socket: ClientConnection, channel: str, **more: Any) -> None:
    await socket.send(json.dumps({"action": "subscribe", "channel": channel, **more}))
    await hear(socket, "subscribed")


async def talk(tenant: Tenant, room: str, *lines: str) -> None:
    await tenant.http.post("/sessions", json={"room_name": room})
    for line in lines:
        await tenant.http.post(f"/sessions/{room}/transcript", json={"speaker": "user", "content": line})


async def closed_with(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(60):
        await socket.wait_closed()
    return socket.close_code


async def test_a_wrong_key_is_closed_with_4001(platform: Platform) -> None:
    async with monitor(platform, "pk_wrong") as socket:
        assert await closed_with(socket) == 4001


async def test_who_tries_many_keys_is_told_to_come_later(platform: Platform) -> None:
    async with monitor(platform, "") as socket:
        await closed_with(socket)
        assert "api_key" in (socket.close_reason or "")
    tenant = await platform.tenant()
    whole, alone = platform.app.state.limiter, RateLimiter("redis://127.0.0.1:1")
    platform.app.state.limiter = alone  # its windows are nobody else's
    while (await take_of_stranger(alone, "127.0.0.1")).admitted:
        pass
    async with monitor(platform, "pk_wrong") as socket:
        assert await closed_with(socket) == 1013
    async with monitor(platform, tenant.key) as socket:
        await subscribe(socket, "rooms")
    platform.app.state.limiter = whole


async def test_an_id_beyond_the_log_is_refused_and_nothing_is_subscribed(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with monitor(platform, tenant.key) as socket:
        await socket.send('{"action":"subscribe","channel":"rooms","after":9}')
        error = await hear(socket, "error")
        assert error["details"]["fields"] == [{"field": "after", "problem": "is beyond the log; the last id is 0"}]
        (watcher,) = platform.app.state.monitor._watchers
        assert watcher.channels == set()


async def test_a_spoken_line_is_shown_with_both_names_of_its_room(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.jobs(), monitor(platform, tenant.key) as socket:
        await subscribe(socket, "room:r")
        await talk(tenant, "r", "Hello")
        message = await hear(socket, "transcript.new")
    assert message["channel"] == "room:r"
    data = message["data"]
    assert (data["room_name"], data["full_room_name"]) == ("r", "proj_r")
    assert (data["speaker"], data["content"], data["is_final"]) == ("user", "Hello", True)
    assert isinstance(message["id"], int)


async def test_the_channel_of_all_rooms_shows_what_belongs_to_none(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = (await tenant.http.post("/knowledge-bases", json={"name": "Library"})).json()["knowledge_base"]["id"]
    async with platform.jobs(), monitor(platform, tenant.key) as socket:
        await subscribe(socket, "rooms")
        await tenant.http.post(f"/knowledge-bases/{base}/ingest", json={"content": "Closed in winter."})
        message = await hear(socket, "knowledge.document_uploaded")
    assert (message["channel"], message["data"]["knowledge_base_id"]) == ("rooms", base)


async def test_another_projects_lines_are_never_shown(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    async with platform.jobs(), monitor(platform, mine.key) as socket:
        for channel in ("rooms", "sessions", "room:r"):
            await subscribe(socket, channel)
        await socket.send('{"action":"subscribe","channel":"room:theirs_r"}')
        assert (await hear(socket, "error"))["code"] == "FORBIDDEN"
        await talk(theirs, "r", "secret canary")
        await talk(mine, "r", "mine")
        texts = [await hear(socket, "transcript.new")]
    assert [message["data"]["content"] for message in texts] == ["mine"]


async def test_resuming_shows_everything_after_an_id_once_and_in_order(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.jobs():
        async with monitor(platform, tenant.key) as first:
            await subscribe(first, "rooms")
            await talk(tenant, "r", "0")
            last = (await hear(first, "transcript.new"))["id"]
        stop = asyncio.Event()

        async def keep_talking() -> int:
            number = 0
            while not stop.is_set():
                number += 1
                await tenant.http.post("/sessions/r/transcript", json={"speaker": "user", "content": str(number)})
            return number

        talking = asyncio.create_task(keep_talking())
        seen: list[int] = []
        async with monitor(platform, tenant.key) as second:
            await subscribe(second, "rooms", after=last)
            while len(seen) < 30:
                seen.append(int((await hear(second, "transcript.new"))["data"]["content"]))
            stop.set()
            spoken = await talking
            while seen[-1] < spoken:
                seen.append(int((await hear(second, "transcript.new"))["data"]["content"]))
    assert seen == list(range(1, spoken + 1))


async def test_a_client_that_was_cut_off_before_the_first_event_resumes_from_where_it_subscribed(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    async with platform.jobs():
        await talk(tenant, "r", "before")
        async with monitor(platform, tenant.key) as settled:
            await subscribe(settled, "rooms", after=0)
            await hear(settled, "transcript.new")
        async with monitor(platform, tenant.key) as first:
            await first.send('{"action":"subscribe","channel":"rooms"}')
            subscribed_at = (await hear(first, "subscribed"))["id"]
        await talk(tenant, "r", "while away")
        async with monitor(platform, tenant.key) as second:
            await subscribe(second, "rooms", after=subscribed_at)
            message = await hear(second, "transcript.new")
    assert message["data"]["content"] == "while away"


async def test_a_revoked_key_closes_its_socket_within_a_second(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/api-keys", json={"label": "short"})).json()["api_key"]
    async with monitor(platform, made["key"]) as socket:
        await subscribe(socket, "rooms")
        await tenant.http.delete(f"/api-keys/{made['id']}")
        async with Stopwatch() as watch:
            assert await closed_with(socket) == 4001
            assert watch.seconds < 1.5


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "[" * 4000,
        '{"action":"dance"}',
        '{"action":"subscribe","channel":"room:a b"}',
        '{"action":"subscribe","channel":"rooms","after":"x"}',
    ],
)
async def test_a_wrong_message_is_answered_and_the_socket_stays(platform: Platform, message: str) -> None:
    tenant = await platform.tenant()
    async with monitor(platform, tenant.key) as socket:
        await socket.send(message)
        assert (await hear(socket, "error"))["code"] == "INVALID_REQUEST"
        await subscribe(socket, "rooms")
