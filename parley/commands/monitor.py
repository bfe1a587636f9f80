"""Following `/ws/monitor`: kept open and resumed, so that no event is missing and none comes twice."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from parley.client import Access, PlatformError
from parley.stack.backoff import Backoff

WRONG_KEY: Final = 4001
SILENCE_S: Final = 45.0
"""The platform pings every 20 s; silence for longer than two of them is a dead line."""
_OPEN_WITHIN_S: Final = 10.0

Message = dict[str, Any]


class _Cut(Exception):
    """The connection is gone; another one may go on."""


async def follow(
    access: Access, channel: str, *, after: int | None = None, lost: Callable[[], None] = lambda: None
) -> AsyncGenerator[Message, None]:
    """The messages of a channel, `subscribed` first and again after each cut, until closed.

    With `after` the events behind that id come first. `lost` is called at each cut. Raises `PlatformError` where the
    first connection does not come about, or the key or the channel is refused.
    """
    position = after
    backoff = Backoff(forgiven_after=0.0)
    begun = False
    while True:
        try:
            async with connect(
                access.monitor_url, additional_headers=access.headers, open_timeout=_OPEN_WITHIN_S, max_size=2**21
            ) as socket:
                resume = {} if position is None else {"after": position}
                await socket.send(json.dumps({"action": "subscribe", "channel": channel, **resume}))
                while True:
                    message = await _next(socket)
                    if message["type"] == "subscribed":
                        begun = True
                        backoff.started()
                        position = message["id"] if position is None else position
                    elif message["id"] is not None:
                        if position is not None and message["id"] <= position:
                            continue
                        position = message["id"]
                    yield message
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, InvalidURI, _Cut) as error:
            if not begun:
                raise PlatformError(
                    f"{access.api_url} does not answer. Is the platform running? Start it with `parley up`"
                ) from error
        lost()
        await asyncio.sleep(backoff.died())


async def _next(socket: ClientConnection) -> Message:
    """The next message that is no ping. Raises `PlatformError` where the platform says no."""
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                message: Message = json.loads(await socket.recv())
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == WRONG_KEY:
                raise PlatformError(
                    f"{error.rcvd.reason}. Give an active key with --key, or in PARLEY_API_KEY"
                ) from error
            raise
        if message["type"] == "error":
            if message.get("code") == "UNAVAILABLE":
                raise _Cut
            raise PlatformError(_told(message))
        if message["type"] != "ping":
            return message


def _told(message: Message) -> str:
    details = message.get("details")
    fields = details.get("fields", []) if isinstance(details, dict) else []
    problems = "; ".join(f"{field['field']} {field['problem']}" for field in fields)
    return problems or str(message.get("error", "the monitor refused"))
