"""What an operation for projects has around it: a caller, a scope, replay, audit."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import insert

from control_plane.auth.callers import Caller
from control_plane.db.database import Database
from control_plane.errors import InvalidRequest, PlatformError
from control_plane.gate.idempotency import Answer, Attempt, Replay, check_key, request_hash
from control_plane.gate.models import AuditEntry
from control_plane.gate.route import Door, Handler, Route, audit_values
from control_plane.gate.transaction import Transaction
from control_plane.gate.turns import Turns
from control_plane.refusals import encode
from control_plane.wire import SAFE, SURFACE

_WRITE_ENTRY: Final = insert(AuditEntry.metadata.tables["audit_entry"])
"""Every change writes one: the statement alone takes half the time of a row that is tracked."""
READS: Final = {"x-reads": True}
"""`openapi_extra` of a POST that changes nothing."""
CONFLICTS: Final = {"x-conflicts": True}
"""`openapi_extra` of a GET that may answer 409."""
USED_UP: Final = {"x-used-up": True}
"""`openapi_extra` of an operation that may answer 410."""
MAY_LACK: Final = {"x-may-lack": True}
"""`openapi_extra` of an operation that may answer 404 for what its body names by something else than an id."""
AUDITED: Final = {"x-audited": True}
"""`openapi_extra` of an operation that writes its audit entry itself."""
KEPT_ERRORS: Final = (403, 404, 409)
"""What was refused for good; other errors may be gone at the next try."""
NAMED_OTHERWISE: Final = {
    "api": "meetings",
    "calendar_events": "calendars",
    "deliveries": "webhooks",
    "knowledge": "knowledge-bases",
    "monitor": "events",
    "overview": "usage",
    "quota": "usage",
    "token": "tokens",
    "zoom_oauth_connections": "bots",
}
"""Areas of scopes (`auth.scopes.AREAS`) that are not called like the first part of their path."""


class Operation(Route):
    """A route that needs a project's key.

    The order of checks: key and window (the gate), scope, `Idempotency-Key`, body, existence and ownership, quota.
    """

    @property
    def area(self) -> str:
        """The area of scopes it belongs to."""
        first = self.shown.strip("/").partition("/")[0]
        return NAMED_OTHERWISE.get(first, first)

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return (self.methods or set()).isdisjoint(SAFE) and not self._is("x-reads")

    @property
    def scope(self) -> str:
        return f"{self.area}:{'write' if self.writes else 'read'}"

    def admit(self, request: Request, database: Database) -> Door:
        caller = caller_of(request)
        caller.demand(self.area, write=self.writes)
        door = self.door(caller, database)
        turns: Turns = request.app.state.turns
        return partial(turns.take, caller.account_id, door) if self.writes else door

    def door(self, caller: Caller, database: Database) -> Door:
        """The rows it sees."""
        return partial(database.tenant, caller.project_id)

    async def answer(self, request: Request, transaction: Transaction, handle: Handler) -> Response:
        given = _idempotency_key(request)
        if not self.writes:
            return await handle(request)
        caller = caller_of(request)
        replay = await _replay(request, caller, given) if given else None
        request.state.attempt = Attempt(replay)
        if replay is not None:
            earlier = await replay.begin(transaction)
            if earlier is not None:
                return _again(earlier)
        try:
            response = await handle(request)
        except PlatformError as error:
            await transaction.rollback()
            if replay is not None and error.status in KEPT_ERRORS:
                await replay.refuse(Answer(error.status, encode(error, request.url.path)))
            elif replay is not None:
                await replay.release()
            raise
        if replay is not None:
            await replay.finish(await transaction.begin(), Answer(response.status_code, bytes(response.body)))
        if not self._is("x-audited"):
            target, status = dict(request.path_params), response.status_code
            entry = audit_values(
                request, project_id=caller.project_id, key_id=caller.key_id, target=target, status=status
            )
            await (await transaction.begin()).execute(_WRITE_ENTRY, entry)
        return response

    def _is(self, mark: str) -> bool:
        return bool((self.openapi_extra or {}).get(mark))


async def find_attempt(request: Request) -> Attempt:
    """Which try of a request this is."""
    return getattr(request.state, "attempt", None) or Attempt()


AttemptDep = Annotated[Attempt, Depends(find_attempt)]


def primary(prefix: str = "", *, route_class: type[Route] = Operation, **options: Any) -> APIRouter:
    """A router of the primary surface."""
    return primary_at(SURFACE + prefix, route_class=route_class, **options)


def primary_at(prefix: str, *, route_class: type[Route] = Operation, **options: Any) -> APIRouter:
    """A router of operations at one of `wire.SURFACES`. Its routes know their whole path: they are not
    included again."""
    return APIRouter(prefix=prefix, route_class=route_class, generate_unique_id_function=_name, **options)


def _name(route: APIRoute) -> str:
    return route.name


def caller_of(request: Request) -> Caller:
    """Who calls. Raises why they are no caller."""
    state = request.scope["state"]
    caller: Caller | None = state["caller"]
    if caller is None:
        raise state["refusal"]
    return caller


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys or request.method != "POST":
        return None
    if len(keys) > 1:
        raise InvalidRequest.field("Idempotency-Key", "must occur once")
    return check_key(keys[0])


async def _replay(request: Request, caller: Caller, key: str) -> Replay:
    state = request.app.state
    hashed = request_hash(request.method, request.url.path, request.scope["query_string"], await request.body())
    return Replay(state.database, state.clock, state.secrets, state.waiters, caller, key=key, hashed=hashed)


def _again(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"Idempotent-Replayed": "true"}, "application/json")
