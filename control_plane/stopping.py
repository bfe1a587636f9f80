"""A process that is being stopped: what runs is finished, and nothing new begins here. Plain ASGI."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.errors import Unavailable
from control_plane.refusals import refuse
from control_plane.wire import SAFE, SOCKETS

HOOKS: Final = "/livekit/"
"""What LiveKit tells is taken to the end: it tells it once."""


class Stopping:
    """Whether this process is being stopped."""

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        """From now on nothing new begins here."""
        self.begun = True

    @staticmethod
    def refusal() -> Unavailable:
        """What whoever asks for something new is told."""
        return Unavailable("This process is being stopped; ask again, and another one answers", retry_after=1)


class LastOrders:
    """Refuses what is new while the process is being stopped, and has every client come back by another connection."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stopping: Stopping = scope["app"].state.stopping
        if scope["type"] not in ("http", "websocket") or not stopping.begun:
            await self.app(scope, receive, send)
            return

        async def farewell(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        if scope["type"] == "websocket":

            async def deny(message: Message) -> None:
                await farewell({**message, "type": f"websocket.{message['type']}"})

            await receive()  # that somebody wants to connect
            await refuse(deny, stopping.refusal(), scope["path"])
        elif _is_new(scope):
            await refuse(farewell, stopping.refusal(), scope["path"])
        else:
            await self.app(scope, receive, farewell)


def _is_new(scope: Scope) -> bool:
    """Whether a request begins or changes something, or is the first of a Socket.IO connection without a WebSocket."""
    if scope["path"].startswith(SOCKETS):
        return b"sid=" not in scope["query_string"]
    return scope["method"] not in SAFE and not scope["path"].startswith(HOOKS)
