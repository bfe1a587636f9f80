"""Before everything on the primary surface: who calls, and whether the window has room. Plain ASGI.

A request is refused here for its rate only. One without a good key goes on as a stranger, limited by its address: the
route it means refuses it, and a path that does not exist stays a 404.
"""

from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.auth.callers import Caller, key_hash
from control_plane.errors import Forbidden, PlatformError, RateLimited
from control_plane.gate.keys import KeyRing
from control_plane.gate.operator import RATE, OperatorKey
from control_plane.gate.signed import Claims, SignedToken
from control_plane.gate.window import RateLimiter, Taken
from control_plane.plans.catalogue import plans, strangers
from control_plane.refusals import refuse
from control_plane.secrets.box import SecretBox
from control_plane.wire import SIGNED, SURFACES

log = structlog.get_logger()


class Gate:
    """Admits requests below `SURFACES` and puts the rate-limit headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith((*SURFACES, SIGNED)):
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        signed = scope["path"].startswith(SIGNED)
        wanted = b"authorization" if signed else b"x-api-key"
        given = b",".join(value for name, value in scope["headers"] if name == wanted) or None  # of two none is obeyed
        if signed:
            admitted = await admit_signed(state.keys, state.limiter, state.secrets, given, scope["client"])
        else:
            admitted = await admit(state.keys, state.limiter, state.operator, given, scope["client"])
        taken = admitted.taken
        headers = taken.headers()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if not taken.admitted:
            await refuse(answer, RateLimited(limit=taken.limit, retry_after=taken.retry_after), scope["path"])
            return
        scope.setdefault("state", {}).update(
            caller=admitted.caller, claims=admitted.claims, operator=admitted.operator, refusal=admitted.refusal
        )
        await self.app(scope, receive, answer)


@dataclass(frozen=True, slots=True)
class Admission:
    """What the window says, who calls, and why routes of a project refuse whoever is no caller."""

    taken: Taken
    caller: Caller | None = None
    claims: Claims | None = None
    """What a signed token says beside whose it is."""
    operator: bool = False
    refusal: PlatformError | None = None


async def admit(
    keys: KeyRing, limiter: RateLimiter, operator: OperatorKey, header: bytes | None, client: tuple[str, int] | None
) -> Admission:
    """Take a request out of the window of whoever makes it."""
    try:
        if operator.opens(header):
            taken = await limiter.take("admin", RATE)
            return Admission(taken, operator=True, refusal=Forbidden("The operator's key opens only /api/v1/admin"))
        hashed = key_hash(header.decode("latin-1") if header else None)
        caller = keys.remembered(hashed) or await keys.look_up(hashed)
        taken = await limiter.take(f"key:{caller.key_id}", rate_of(caller), key_id=caller.key_id)
        if taken.changed:
            caller = await keys.look_up(hashed)
        keys.used(caller)
        return Admission(taken, caller)
    except PlatformError as error:  # no good key; or the database is away: nobody can be told from a stranger
        refusal = error
    return Admission(await take_of_stranger(limiter, client[0] if client else "unknown"), refusal=refusal)


async def admit_signed(
    keys: KeyRing, limiter: RateLimiter, box: SecretBox, header: bytes | None, client: tuple[str, int] | None
) -> Admission:
    """The same for a token that the secret of a key has signed."""
    try:
        token = SignedToken.read(header)
        caller = keys.remembered(token.key_hash) or await keys.look_up(token.key_hash)
        claims = token.verify(box, caller)
        taken = await limiter.take(f"key:{caller.key_id}", rate_of(caller), key_id=caller.key_id)
        if taken.changed:
            caller = await keys.look_up(token.key_hash)
        keys.used(caller)
        return Admission(taken, caller, claims)
    except PlatformError as error:
        refusal = error
    return Admission(await take_of_stranger(limiter, client[0] if client else "unknown"), refusal=refusal)


async def take_of_stranger(limiter: RateLimiter, address: str) -> Taken:
    """Take a request without a good key out of its address's window."""
    return await limiter.take(f"address:{address}", strangers())


def rate_of(caller: Caller) -> int:
    """Requests per minute that a caller may make."""
    return caller.requests_per_minute or plans()[caller.plan].requests
