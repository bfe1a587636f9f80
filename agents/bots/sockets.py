"""A customer's WebSocket: connected by the address policy, connected again when it breaks."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import structlog

from guard.outbound import SOCKET, BadAddress, Outbound, read_url

BACK_OFF: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts to connect; the last one is repeated."""
STEADY: Final = 10.0
"""Seconds of a connection after which the pauses begin anew."""
ALIVE: Final = 20.0
"""Seconds between signs of life that the other side has to answer within half of it."""
LARGEST: Final = 2**20
"""Bytes of a message."""
CLOSE_WITHIN: Final = 2.0

log = structlog.get_logger()


class Socket:
    """Sends sound and what is to be known of it, and hears sound; while it is away, what it is sent is lost."""

    def __init__(
        self,
        outbound: Outbound,
        url: str,
        session: int,
        *,
        greeting: Callable[[], Any] | None,
        most_waiting: int,
        on_sound: Callable[[bytes], Awaitable[None]] | None,
    ) -> None:
        """`greeting` is the first message; `most_waiting` are frames that a slow receiver may be behind."""
        self._outbound, self._url, self._session = outbound, url, session
        self._greeting, self._on_sound = greeting, on_sound
        self._sound: deque[bytes] = deque(maxlen=most_waiting)
        self._state: Any = None
        self._news = asyncio.Event()
        self._connected = False

    async def run(self) -> None:
        """Be connected until cancelled. Returns where the address is not to be called at all."""
        attempt = 0
        while True:
            try:
                read_url(self._url, SOCKET)
                async with self._outbound.http.ws_connect(
                    self._url,
                    heartbeat=ALIVE,
                    max_msg_size=LARGEST,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN),
                ) as socket:
                    began = time.monotonic()
                    await self._converse(socket)
                if time.monotonic() - began > STEADY:
                    attempt = 0
                reason = "closed"
            except BadAddress as error:
                log.warning("socket of a bot refused", session=self._session, reason=error.reason)
                return
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                reason = type(error).__name__
            log.info("socket of a bot interrupted", session=self._session, reason=reason)
            await asyncio.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
            attempt += 1

    def send(self, sound: bytes) -> None:
        """Send a frame, after those that wait; the oldest are lost where the other side is too slow."""
        if self._connected:
            self._sound.append(sound)
            self._news.set()

    def tell(self, state: Any) -> None:
        """Say what is true now, as JSON; of several that wait only the last is sent."""
        self._state = state
        self._news.set()

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._sound.clear()
        self._connected = True
        sending = asyncio.create_task(self._send(socket))
        hearing = asyncio.create_task(self._hear(socket))
        try:
            await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connected = False
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self._greeting is not None:
            await socket.send_str(json.dumps(self._greeting()))
        told: Any = None
        while True:
            if self._state is not told:
                told = self._state
                await socket.send_str(json.dumps(told))
            elif self._sound:
                await socket.send_bytes(self._sound.popleft())
            else:
                self._news.clear()
                await self._news.wait()

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type == aiohttp.WSMsgType.BINARY and self._on_sound is not None:
                await self._on_sound(message.data)
