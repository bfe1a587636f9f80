"""Around every request: how long it takes, a limit on the body, one spelling of a path, an id for what nobody expected.

Plain ASGI.
"""

import re
import secrets
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane import metrics
from control_plane.errors import InternalError, PlatformError, TooLarge, Unreadable
from control_plane.refusals import refuse
from control_plane.wire import SOCKETS

JSON_LIMIT = 1024 * 1024
UPLOAD_LIMIT = 10 * 1024 * 1024 + 64 * 1024
"""Ten megabytes of file and the form around it."""

OWN: Final = ("autoplay", "camera", "clipboard-write", "display-capture", "fullscreen", "microphone")
OWN_TOO: Final = ("picture-in-picture", "screen-wake-lock")
NOBODYS: Final = (
    "accelerometer",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "midi",
    "payment",
    "serial",
    "usb",
)
PERMISSIONS: Final = ", ".join(
    [*(f"{name}=(self)" for name in (*OWN, *OWN_TOO)), *(f"{name}=()" for name in NOBODYS)]
).encode()
"""What our own pages may use, and what no page may."""

CHARSET = re.compile(rb"""(?i);\s*charset\s*=\s*["']?([^"';\s]*)""")

log = structlog.get_logger()


def what_browsers_are_told(public_url: str) -> list[tuple[bytes, bytes]]:
    """Headers of every answer that does not say otherwise itself: as of an API, whose answers are no pages, are kept by
    nobody, and are read by no other site but where CORS opens them."""
    told = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (
            b"content-security-policy",
            b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", PERMISSIONS),
        (b"cache-control", b"no-store"),
    ]
    if public_url.startswith("https://"):
        told.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
    return told


class Stopwatch:
    """The outermost layer: how long requests take, by their route, and what every answer tells browsers."""

    def __init__(self, app: ASGIApp, *, told: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.app, self.told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), 500  # of one that ends without an answer

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in self.told if each[0] not in said)]
            await send(message)

        try:
            await self.app(scope, receive, observe)
        finally:
            metrics.request_took(scope["method"], metrics.route_of(scope), status, perf_counter() - began)


class Frontier:
    """Refuses what no route could read, and answers for what no route foresaw.

    A trailing slash is accepted and never redirected: a redirect loses a POST's body.

    Socket.IO's path keeps its own, which is part of its name: clients that do not begin with a WebSocket ask for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        raw = scope["raw_path"]
        slashes = len(raw) - len(raw.rstrip(b"/"))  # an encoded one belongs to a name
        if slashes and not path.startswith(SOCKETS):
            scope["path"] = path[:-slashes] or "/"  # in its place: who stands outside reads its route there
        started = False
        meter = Meter(scope, receive)

        async def observe(message: Message) -> None:
            nonlocal started
            if meter.exceeded:  # whatever the application made of it, the answer is ours
                return
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            _check_encoding(scope)
            if not meter.exceeded:
                await self.app(scope, meter, observe)
        except PlatformError as error:
            if started:
                raise
            await refuse(send, error, path)
        except Exception:
            if meter.exceeded:  # the application was told that the client is gone
                await self._refuse_size(send, meter, path, started=started)
                return
            error_id = secrets.token_hex(8)
            log.exception("request failed", error_id=error_id, method=scope["method"], **{"pii.path": path})
            if not started:
                await refuse(send, InternalError(error_id), path)
        if meter.exceeded:
            await self._refuse_size(send, meter, path, started=started)

    @staticmethod
    async def _refuse_size(send: Send, meter: "Meter", path: str, *, started: bool) -> None:
        if not started:
            whole = TooLarge("The body is over 1 MiB")
            upload = meter.limit == UPLOAD_LIMIT
            await refuse(send, TooLarge.field("file", "is over 10 MiB") if upload else whole, path)


def _check_encoding(scope: Scope) -> None:
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Unreadable("Send bodies as they are, without Content-Encoding")
    charset = CHARSET.search(headers.get(b"content-type", b""))
    if charset and charset[1].lower() not in (b"utf-8", b"utf8"):
        raise Unreadable("Send text in UTF-8")


class Meter:
    """Receives a body up to its limit, whatever Content-Length says; beyond it the client is as good as gone."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        multipart = headers.get(b"content-type", b"").startswith(b"multipart/")
        self.limit = UPLOAD_LIMIT if multipart else JSON_LIMIT
        self._receive, self._seen = receive, 0
        length = headers.get(b"content-length", b"0")
        self.exceeded = length.isdigit() and int(length[:20]) > self.limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self.limit:
            self.exceeded = True
            return {"type": "http.disconnect"}
        return message
