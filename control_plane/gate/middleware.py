"""Before everything on the primary surface: who calls, and whether the window has room. Plain ASGI.

A request is refused here for its rate only. One without a good key goes on as a stranger, limited by its address: the
route it means refuses it, and a path that does not exist stays a 404.
"""

from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.auth.callers import PROJECT_HEADER, Caller, Credential, key_hash, read_project, read_session
from control_plane.auth.sessions import SessionCookie
from control_plane.errors import Forbidden, PlatformError, RateLimited
from control_plane.gate.embed import Visit, find_visit
from control_plane.gate.keys import KeyRing
from control_plane.gate.operator import RATE, OperatorKey
from control_plane.gate.signed import Claims, SignedToken
from control_plane.gate.window import RateLimiter, Taken, whence
from control_plane.plans.catalogue import plans, strangers
from control_plane.refusals import refuse
from control_plane.wire import BAAS, EMBED, SIGNED, SURFACES

KEY_HEADERS = (b"x-api-key", b"x-meeting-baas-api-key")
"""The second is that of one surface."""

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
        if scope["path"].startswith(SIGNED):
            admitted = await admit_signed(state, Headers(scope=scope).getlist("authorization"), scope["client"])
        elif scope["path"].startswith(EMBED):
            admitted = await admit_visitor(state, scope)
        else:
            admitted = await admit(state, Shown.read(scope, state.cookie), scope["client"])
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
            caller=admitted.caller,
            claims=admitted.claims,
            operator=admitted.operator,
            visit=admitted.visit,
            refusal=admitted.refusal,
        )
        await self.app(scope, receive, answer)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of who calls: a key, or else the cookie of a browser's session."""

    key: bytes | None
    session: str | None
    foreign: bool
    """The cookie came along with a request that another site began."""
    projects: tuple[str, ...] = ()
    """What `X-Project` says."""

    @classmethod
    def read(cls, scope: Scope, cookie: SessionCookie) -> "Shown":
        """What stands in the headers. A key goes before a cookie: it was written by who sends the request."""
        headers = Headers(scope=scope)
        names = KEY_HEADERS if scope["path"].startswith(BAAS) else KEY_HEADERS[:1]
        keys = {value for name, value in headers.raw if name in names}
        projects = tuple(headers.getlist(PROJECT_HEADER))
        if keys:
            return cls(b",".join(sorted(keys)), None, foreign=False, projects=projects)  # of two keys neither is obeyed
        session = cookie.find(headers) if "cookie" in headers else None
        foreign = session is not None and cookie.is_foreign(scope["method"], headers)
        return cls(None, session, foreign=foreign, projects=projects)

    def credential(self) -> Credential:
        """What the caller is looked up by. Raises `Unauthorized`, `Forbidden`, `InvalidRequest`."""
        if self.session is None:
            hashed = key_hash(self.key.decode("latin-1") if self.key else None)
            return Credential(hashed, project_id=read_project(self.projects))
        if self.foreign:
            raise Forbidden("A page of another site cannot use your session; it needs an API key")
        return read_session(self.session, read_project(self.projects))


@dataclass(frozen=True, slots=True)
class Admission:
    """What the window says, who calls, and why routes of a project refuse whoever is no caller."""

    taken: Taken
    caller: Caller | None = None
    claims: Claims | None = None
    """What a signed token says beside whose it is."""
    operator: bool = False
    visit: Visit | None = None
    """What an embed key opens."""
    refusal: PlatformError | None = None


async def admit(state: State, shown: Shown, client: tuple[str, int] | None) -> Admission:
    """Take a request out of the window of whoever makes it."""
    operator: OperatorKey = state.operator
    try:
        if operator.opens(shown.key):
            taken = await state.limiter.take("admin", RATE)
            return Admission(taken, operator=True, refusal=Forbidden("The operator's key opens only /api/v1/admin"))
        return await _admit_caller(state, shown.credential())
    except PlatformError as error:  # no good key; or the database is away: nobody can be told from a stranger
        refusal = error
    return Admission(await take_of_stranger(state.limiter, client[0] if client else None), refusal=refusal)


async def admit_signed(state: State, tokens: list[str], client: tuple[str, int] | None) -> Admission:
    """The same for a token that the secret of a key has signed; of two neither is obeyed."""
    try:
        token = SignedToken.read(",".join(tokens).encode("latin-1") or None)
        return await _admit_caller(state, Credential(token.key_hash), token)
    except PlatformError as error:
        refusal = error
    return Admission(await take_of_stranger(state.limiter, client[0] if client else None), refusal=refusal)


async def _admit_caller(state: State, credential: Credential, token: SignedToken | None = None) -> Admission:
    """Take a request out of the window of its key or session, whose secret has signed the token that came with it.
    Raises `Unauthorized`, `Forbidden`, `Unavailable`."""
    keys: KeyRing = state.keys
    limiter: RateLimiter = state.limiter
    caller = keys.remembered(credential) or await keys.look_up(credential)
    claims = token.verify(state.secrets, caller) if token is not None else None
    taken = await limiter.take(f"key:{caller.key_id}", rate_of(caller), key_id=caller.key_id)
    if taken.changed:
        caller = await keys.look_up(credential)
    keys.used(caller)
    return Admission(taken, caller, claims)


async def admit_visitor(state: State, scope: Scope) -> Admission:
    """The same for a page of another site: it is limited by its address, as everybody knows its key."""
    client = scope["client"]
    taken = await take_of_stranger(state.limiter, client[0] if client else None)
    if not taken.admitted or scope["method"] == "OPTIONS":  # a preflight shows no key
        return Admission(taken)
    try:
        return Admission(taken, visit=await find_visit(state.database, Headers(scope=scope)))
    except PlatformError as error:
        return Admission(taken, refusal=error)


async def take_of_stranger(limiter: RateLimiter, host: str | None) -> Taken:
    """Take a request without a good key out of its address's window."""
    return await limiter.take(f"address:{whence(host)}", strangers())


def rate_of(caller: Caller) -> int:
    """Requests per minute that a caller may make."""
    return caller.requests_per_minute or plans()[caller.plan].requests
