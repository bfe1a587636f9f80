"""Before everything on the primary surface: who calls, and whether the window has room. Plain ASGI.

A request is refused here for its rate only. One without a good key goes on as a stranger, limited by its address: the
route it means refuses it, and a path that does not exist stays a 404.
"""

from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.auth.callers import Caller, key_hash
from control_plane.errors import PlatformError, RateLimited, Unauthorized
from control_plane.gate.keys import KeyRing
from control_plane.gate.window import RateLimiter, Taken
from control_plane.plans.catalogue import plans, strangers
from control_plane.refusals import refuse

SURFACE: Final = "/api/v1/"

log = structlog.get_logger()


class Gate:
    """Admits requests below `/api/v1` and puts the rate-limit headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(SURFACE):
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        key = next((value for name, value in scope["headers"] if name == b"x-api-key"), None)
        taken, caller, error = await admit(state.keys, state.limiter, key, scope["client"])
        headers = taken.headers()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if not taken.admitted:
            await refuse(answer, RateLimited(limit=taken.limit, retry_after=taken.retry_after))
            return
        scope.setdefault("state", {}).update(caller=caller, refusal=error)
        await self.app(scope, receive, answer)


async def admit(
    keys: KeyRing, limiter: RateLimiter, header: bytes | None, client: tuple[str, int] | None
) -> tuple[Taken, Caller | None, PlatformError | None]:
    """What the window says, the caller, and why there is none."""
    try:
        hashed = key_hash(header.decode("latin-1") if header else None)
        caller = keys.remembered(hashed) or await keys.look_up(hashed)
        taken = await limiter.take(f"key:{caller.key_id}", rate_of(caller), key_id=caller.key_id)
        if taken.changed:
            caller = await keys.look_up(hashed)
        keys.used(caller)
        return taken, caller, None
    except Unauthorized as error:
        refusal: PlatformError = error
    except PlatformError as error:  # the database is away: nobody can be told from a stranger
        refusal = error
    address = client[0] if client else "unknown"
    return await limiter.take(f"address:{address}", strangers()), None, refusal


def rate_of(caller: Caller) -> int:
    """Requests per minute that a caller may make."""
    return caller.requests_per_minute or plans()[caller.plan].requests
