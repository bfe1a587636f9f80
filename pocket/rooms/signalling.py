"""The signalling of rooms passes through this process, so that LiveKit's native library lets go of rooms.

The library keeps all of a room that is left, half a megabyte of connections, until the process ends, if somebody else
has a track there: the track holds whose it is, who holds the room, which holds the track. It lets go of people when
LiveKit says that they have gone, so it is told that of everybody before it leaves. And it keeps what it published where
LiveKit ends the room, not it: so that is said to the room's owner, who leaves. All else that the two say to each other
is handed on as it is, through a port of the loopback, where a line's secret key opens that line alone.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp import web
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import LeaveRequest, ParticipantUpdate, SignalResponse
from yarl import URL

HOST: Final = "127.0.0.1"
ANSWER_WITHIN: Final = 10.0
"""Seconds for LiveKit to take a connection, or to answer a request."""
CLOSE_WITHIN: Final = 1.0
"""Seconds for the library to hang up when the process ends."""
LEAVE_WITHIN: Final = 10.0
"""Seconds for a room's owner to leave it when LiveKit has ended it."""
LARGEST: Final = 16 * 2**20
"""Bytes of a message: of the first, which names everybody."""
_OURS: Final = ("connection", "content-length", "host", "sec-websocket-", "transfer-encoding", "upgrade")
"""How headers begin that are of one connection, and not handed on."""
_LEAVE: Final = LeaveRequest.Action.DISCONNECT
_GONE: Final = ParticipantInfo.State.DISCONNECTED


class Line:
    """The signalling of one participant: the library finds LiveKit at `url` until the line is closed."""

    def __init__(self, signalling: "Signalling", livekit: str, key: str) -> None:
        self.livekit = URL(livekit)
        self.url = f"ws://{HOST}:{signalling.port}/{key}"
        self.on_end: Callable[[int], None] | None = None
        """Called with LiveKit's reason when it ends the room, of which the library is then not told."""
        self._signalling, self._key = signalling, key
        self._library: web.WebSocketResponse | None = None
        self._others: dict[str, str] = {}
        """Identities, by id."""
        self._parted = self._ended = False

    async def part(self) -> bool:
        """Tell the library that everybody else has gone, and of nobody from now on; whether it hears."""
        self._parted = True
        everybody = [ParticipantInfo(sid=sid, identity=name, state=_GONE) for sid, name in self._others.items()]
        self._others.clear()
        if self._library is None or self._library.closed:
            return False
        if everybody:
            gone = SignalResponse(update=ParticipantUpdate(participants=everybody))
            with suppress(ConnectionError):
                await self._library.send_bytes(gone.SerializeToString())
        return True

    def close(self) -> None:
        """Take no connection any more."""
        self._signalling.lines.pop(self._key, None)

    async def carry(self, library: web.WebSocketResponse, livekit: aiohttp.ClientWebSocketResponse) -> None:
        """Hand on what both say, until one of them has hung up."""
        self._library = library
        asking = asyncio.create_task(_ask(library, livekit))
        ways = [asking, asyncio.create_task(self._tell(livekit, library))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self._ended:
                await asyncio.wait([asking], timeout=LEAVE_WITHIN)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _tell(self, livekit: aiohttp.ClientWebSocketResponse, library: web.WebSocketResponse) -> None:
        own = ""
        async for message in livekit:
            if message.type != aiohttp.WSMsgType.BINARY:
                continue
            said = SignalResponse.FromString(message.data)
            kind = said.WhichOneof("message")
            if kind == "join":
                own = said.join.participant.sid
                self._others = {each.sid: each.identity for each in said.join.other_participants}
            elif kind == "update":
                if self._parted:
                    continue
                for each in said.update.participants:
                    if each.state == _GONE:
                        self._others.pop(each.sid, None)
                    elif each.sid != own:
                        self._others[each.sid] = each.identity
            elif kind == "leave" and said.leave.action == _LEAVE and self.on_end is not None:
                self._ended = True
                self.on_end(said.leave.reason)
                return
            await library.send_bytes(message.data)


class Signalling:
    """The lines of a process, from `start` to `close`."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises `OSError`."""
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_WITHIN))
        application = web.Application()
        application.add_routes([web.get("/{key}/{rest:.*}", self._serve)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_WITHIN)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()
        await self._runner.cleanup()

    def line(self, livekit: str) -> Line:
        """A line to LiveKit, whose URL may begin with `ws` or `http`."""
        key = secrets.token_urlsafe()
        line = self.lines[key] = Line(self, livekit, key)
        return line

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        line = self.lines.get(request.match_info["key"])
        if line is None:
            raise web.HTTPNotFound
        target = line.livekit.joinpath(request.match_info["rest"]).with_query(request.query)
        headers = {name: value for name, value in request.headers.items() if not name.lower().startswith(_OURS)}
        try:
            if "upgrade" not in request.headers:
                return await self._fetch(target, headers)
            livekit = await self._client.ws_connect(target, headers=headers, max_msg_size=LARGEST)
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status)
        except (aiohttp.ClientError, TimeoutError):
            raise web.HTTPBadGateway from None
        async with livekit:
            library = web.WebSocketResponse(max_msg_size=LARGEST)
            await library.prepare(request)
            await line.carry(library, livekit)
            await library.close()
            return library

    async def _fetch(self, target: URL, headers: dict[str, str]) -> web.Response:
        """What the library asks when a connection was refused: why."""
        scheme = target.scheme.replace("ws", "http")
        async with self._client.get(target.with_scheme(scheme), headers=headers) as answer:
            return web.Response(status=answer.status, text=await answer.text())


async def _ask(library: web.WebSocketResponse, livekit: aiohttp.ClientWebSocketResponse) -> None:
    async for message in library:
        if message.type == aiohttp.WSMsgType.BINARY:
            with suppress(ConnectionError):  # LiveKit has ended the room
                await livekit.send_bytes(message.data)
