"""Following the monitor: cuts, repeats, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve

from parley.client import Access, PlatformError
from parley.commands.monitor import follow

pytestmark = pytest.mark.anyio

Answer = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def a_platform(*answers: Answer) -> AsyncIterator[Access]:
    """A monitor whose connections are answered one after the other; the last answer serves all further ones."""
    left = list(answers)

    async def handle(socket: ServerConnection) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        await answer(socket, json.loads(await socket.recv()))

    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Access(api_url=f"http://127.0.0.1:{port}", api_key=SecretStr("pk_test"))


async def say(socket: ServerConnection, *ids: int | None, kind: str = "transcript.new") -> None:
    for number in ids:
        await socket.send(json.dumps({"type": kind, "id": number, "data": {}}))


async def test_after_a_cut_the_events_go_on_behind_the_last_one_and_none_comes_twice() -> None:
    asked: list[dict[str, Any]] = []

    async def breaks(socket: ServerConnection, request: dict[str, Any]) -> None:
        asked.append(request)
        await say(socket, 5, kind="subscribed")
        await say(socket, 7, None, 8)
        await socket.close(1011)

    async def goes_on(socket: ServerConnection, request: dict[str, Any]) -> None:
        asked.append(request)
        await say(socket, 8, kind="subscribed")
        await say(socket, 8, 9)
        await socket.wait_closed()

    cuts: list[str] = []
    seen: list[int | None] = []
    async with (
        a_platform(breaks, goes_on) as access,
        aclosing(follow(access, "rooms", lost=lambda: cuts.append("cut"))) as messages,
    ):
        async with asyncio.timeout(10):
            async for message in messages:
                if message["type"] == "transcript.new":
                    seen.append(message["id"])
                if message["id"] == 9:
                    break
    assert seen == [7, None, 8, 9]
    assert [request.get("after") for request in asked] == [None, 8]
    assert cuts == ["cut"]


async def test_a_cut_before_the_first_event_is_resumed_from_the_subscription() -> None:
    asked: list[Any] = []

    async def breaks(socket: ServerConnection, request: dict[str, Any]) -> None:
        await say(socket, 5, kind="subscribed")
        await socket.close(1012)

    async def goes_on(socket: ServerConnection, request: dict[str, Any]) -> None:
        asked.append(request.get("after"))
        await say(socket, 5, kind="subscribed")
        await say(socket, 6)
        await socket.wait_closed()

    async with a_platform(breaks, goes_on) as access, aclosing(follow(access, "rooms")) as messages:
        async with asyncio.timeout(10):
            async for message in messages:
                if message["id"] == 6:
                    break
    assert asked == [5]


async def test_a_key_that_is_revoked_ends_with_the_reason() -> None:
    async def revokes(socket: ServerConnection, request: dict[str, Any]) -> None:
        await say(socket, 5, kind="subscribed")
        await socket.close(4001, "The API key was revoked")

    async with a_platform(revokes) as access, aclosing(follow(access, "rooms")) as messages:
        await anext(messages)
        with pytest.raises(PlatformError, match="revoked"):
            await anext(messages)


async def test_a_channel_that_is_refused_ends_with_what_would_be_right() -> None:
    async def refuses(socket: ServerConnection, request: dict[str, Any]) -> None:
        problem = {"field": "channel", "problem": "must be one of rooms, calls"}
        details = {"fields": [problem]}
        await socket.send(json.dumps({"type": "error", "code": "INVALID_REQUEST", "error": "x", "details": details}))
        await socket.wait_closed()

    async with a_platform(refuses) as access, aclosing(follow(access, "nonsense")) as messages:
        with pytest.raises(PlatformError, match="channel must be one of rooms, calls"):
            await anext(messages)


async def test_where_nothing_answers_the_mend_is_named() -> None:
    access = Access(api_url="http://127.0.0.1:9", api_key=SecretStr("pk_test"))
    async with aclosing(follow(access, "rooms")) as messages:
        with pytest.raises(PlatformError, match="parley up"):
            await anext(messages)
