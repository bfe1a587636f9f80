"""The lines between LiveKit's native library and its signalling, with stand-ins for both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.protocol.models import DisconnectReason, ParticipantInfo
from livekit.protocol.rtc import (
    JoinResponse,
    LeaveRequest,
    ParticipantUpdate,
    Pong,
    SignalRequest,
    SignalResponse,
)

from pocket.rooms.signalling import Line, Signalling

pytestmark = pytest.mark.anyio
GONE: Final = ParticipantInfo.State.DISCONNECTED


class LiveKit:
    """Says what it is told to, and keeps what it hears and how it was asked."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.asked: list[web.Request] = []
        self.socket: asyncio.Future[web.WebSocketResponse] = asyncio.get_running_loop().create_future()

    async def say(self, **what: object) -> None:
        """Say one thing to the library."""
        await (await self.socket).send_bytes(SignalResponse(**what).SerializeToString())  # type: ignore[arg-type]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        self.asked.append(request)
        if request.query.get("token") == "wrong":
            return web.Response(status=401, text="invalid token")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.socket.set_result(socket)
        async for message in socket:
            self.heard.put_nowait(message.data)
        return socket


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[LiveKit, Signalling, Line, aiohttp.ClientSession]]:
    """A line, and the library's means to use it."""
    livekit, signalling = LiveKit(), Signalling()
    application = web.Application()
    application.add_routes([web.get("/behind/{rest:.*}", livekit.answer)])
    async with TestServer(application) as server, aiohttp.ClientSession() as library, asyncio.timeout(10):
        await signalling.start()
        try:
            yield livekit, signalling, signalling.line(f"ws://127.0.0.1:{server.port}/behind"), library
        finally:
            await signalling.close()


async def hear(library: aiohttp.ClientWebSocketResponse) -> SignalResponse:
    """The next thing that LiveKit says, for all the library knows."""
    return SignalResponse.FromString(await library.receive_bytes())


def somebody(sid: str, **more: object) -> ParticipantInfo:
    """A participant."""
    return ParticipantInfo(sid=sid, identity=f"who is {sid}", **more)  # type: ignore[arg-type]


async def test_before_a_room_is_left_the_library_is_told_that_everybody_else_has_gone() -> None:
    async with connected() as (livekit, _, line, client), client.ws_connect(f"{line.url}/rtc/v1") as library:
        join = JoinResponse(participant=somebody("PA_me"), other_participants=[somebody("PA_1"), somebody("PA_2")])
        await livekit.say(join=join)
        update = [somebody("PA_me"), somebody("PA_1", state=GONE), somebody("PA_3")]
        await livekit.say(update=ParticipantUpdate(participants=update))
        assert await hear(library) == SignalResponse(join=join)
        assert await hear(library) == SignalResponse(update=ParticipantUpdate(participants=update))
        assert await line.part()
        told = (await hear(library)).update.participants
        assert [(each.sid, each.identity, each.state) for each in told] == [
            ("PA_2", "who is PA_2", GONE),
            ("PA_3", "who is PA_3", GONE),
        ]
        await livekit.say(update=ParticipantUpdate(participants=[somebody("PA_4")]))
        await livekit.say(pong_resp=Pong(timestamp=1))
        assert (await hear(library)).pong_resp.timestamp == 1  # of whoever comes now it hears nothing


async def test_the_end_of_a_room_is_told_to_its_owner_who_leaves_while_the_library_is_still_connected() -> None:
    async with connected() as (livekit, _, line, client), client.ws_connect(f"{line.url}/rtc/v1") as library:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        line.on_end = ended.set_result
        await livekit.say(join=JoinResponse(participant=somebody("PA_me"), other_participants=[somebody("PA_1")]))
        await livekit.say(leave=LeaveRequest(reason=DisconnectReason.ROOM_DELETED))
        await (await livekit.socket).close()
        assert (await hear(library)).WhichOneof("message") == "join"
        assert await ended == DisconnectReason.ROOM_DELETED
        assert await line.part()
        assert [each.sid for each in (await hear(library)).update.participants] == ["PA_1"]
        await library.send_bytes(b"goodbye")


async def test_what_asks_to_connect_anew_is_handed_on() -> None:
    async with connected() as (livekit, _, line, client), client.ws_connect(f"{line.url}/rtc") as library:
        line.on_end = lambda reason: None
        anew = SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT))
        await livekit.say(leave=anew.leave)
        assert await hear(library) == anew


async def test_what_the_library_says_and_how_it_asks_reach_livekit_as_they_are() -> None:
    async with connected() as (livekit, _, line, client):
        headers = {"Authorization": "Bearer abc"}
        async with client.ws_connect(f"{line.url}/rtc/v1?a=b%2Bc%3D&d=", headers=headers) as library:
            said = SignalRequest(ping=7).SerializeToString()
            await library.send_bytes(said)
            assert await livekit.heard.get() == said
        (asked,) = livekit.asked
        assert (asked.path, dict(asked.query)) == ("/behind/rtc/v1", {"a": "b+c=", "d": ""})
        assert asked.headers["Authorization"] == "Bearer abc"


async def test_a_refusal_and_its_reason_reach_the_library() -> None:
    async with connected() as (_, _, line, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{line.url}/rtc?token=wrong")
        assert refused.value.status == 401
        async with client.get(f"{line.url}/rtc/validate?token=wrong".replace("ws", "http")) as answer:
            assert (answer.status, await answer.text()) == (401, "invalid token")


async def test_nobody_gets_through_without_an_open_line() -> None:
    async with connected() as (livekit, signalling, line, client):
        line.close()
        for url in (line.url, f"ws://127.0.0.1:{signalling.port}/other"):
            async with client.get(f"{url}/rtc/validate".replace("ws", "http")) as answer:
                assert answer.status == 404
        assert not livekit.asked
        assert not await line.part()
