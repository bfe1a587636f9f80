"""Cross-origin requests: a page may call the API when its origin is among the project's `allowed_origins`. Plain ASGI.

A preflight carries no key, so it is granted to an origin that any project allows; the answer itself is readable only
where the caller's own project allows the origin. Below `EMBED` it is the embed key that names origins, for these paths
alone.
"""

from typing import Final

from sqlalchemy import text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.auth.callers import Caller
from control_plane.errors import Forbidden, PlatformError
from control_plane.gate.embed import Visit, is_named
from control_plane.refusals import refuse
from control_plane.wire import EMBED

_ALLOWED = text("select exists (select from project where allowed_origins ?| array[:origin, '*'])")
METHODS: Final = b"GET, POST, PUT, PATCH, DELETE, HEAD"
HEADERS: Final = b"x-api-key, authorization, content-type, idempotency-key"
EMBED_METHODS: Final = b"GET, POST"
EMBED_HEADERS: Final = b"x-embed-key, content-type"
SHOWN: Final = b"x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, retry-after, idempotent-replayed"
KEPT: Final = b"600"


class Cors:
    """Answers preflights and opens answers to the pages of a project. Behind the gate, which knows the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin = headers.get(b"origin")
        if origin is None or "caller" not in scope.get("state", {}):
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await self._preflight(scope, origin, send)
            return
        opened = _is_open(scope, origin.decode("latin-1"))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and opened:
                shown = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", SHOWN)]
                message = {**message, "headers": [*message["headers"], *shown, (b"vary", b"Origin")]}
            await send(message)

        await self.app(scope, receive, answer)

    async def _preflight(self, scope: Scope, origin: bytes, send: Send) -> None:
        embedded = scope["path"].startswith(EMBED)
        try:
            if embedded:
                await _demand_named(scope, origin.decode("latin-1"))
            else:
                await _demand_allowed(scope, origin.decode("latin-1"))
        except PlatformError as error:
            await refuse(send, error)
            return
        granted = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", EMBED_METHODS if embedded else METHODS),
            (b"access-control-allow-headers", EMBED_HEADERS if embedded else HEADERS),
            (b"access-control-max-age", KEPT),
            (b"vary", b"Origin"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": granted})
        await send({"type": "http.response.body", "body": b""})


def _is_open(scope: Scope, origin: str) -> bool:
    """Whether pages of an origin may read the answer."""
    if scope["path"].startswith(EMBED):
        visit: Visit | None = scope["state"]["visit"]
        return visit is not None and origin in visit.origins
    caller: Caller | None = scope["state"]["caller"]
    return caller is not None and not {origin, "*"}.isdisjoint(caller.allowed_origins)


async def _demand_allowed(scope: Scope, origin: str) -> None:
    async with scope["app"].state.database.platform() as db:
        allowed = await db.scalar(_ALLOWED, {"origin": origin})
    if not allowed:
        raise Forbidden("No project allows this origin; see `allowed_origins` of PATCH /projects/{id}")


async def _demand_named(scope: Scope, origin: str) -> None:
    if not await is_named(scope["app"].state.database, origin):
        raise Forbidden("No embed key names this origin; see `origins` of PATCH /embed-keys/{id}")
