"""What every operation of the primary surface has around it: a caller, a scope, one transaction, replay, audit."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from control_plane.auth.callers import Caller
from control_plane.db.database import Database
from control_plane.errors import InvalidRequest, PlatformError
from control_plane.gate.idempotency import Answer, Replay, check_key, request_hash
from control_plane.gate.models import AuditEntry
from control_plane.gate.strict import QueryNames, StrictRequest
from control_plane.gate.transaction import Transaction
from control_plane.refusals import encode
from control_plane.wire import SURFACE

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SAFE: Final = ("GET", "HEAD")
READS: Final = {"x-reads": True}
"""`openapi_extra` of a POST that changes nothing."""
AUDITED: Final = {"x-audited": True}
"""`openapi_extra` of an operation that writes its audit entry itself."""
KEPT_ERRORS: Final = (403, 404, 409)
"""What was refused for good; other errors may be gone at the next try."""
NAMED_OTHERWISE: Final = {
    "deliveries": "webhooks",
    "knowledge": "knowledge-bases",
    "monitor": "events",
    "quota": "usage",
    "token": "tokens",
}
"""Areas of scopes (`auth.scopes.AREAS`) that are not called like the first part of their path."""


class Operation(APIRoute):
    """A route that needs a key.

    The order of checks: key and window (the gate), scope, `Idempotency-Key`, body, existence and ownership, quota.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.shown = self.path_format.removeprefix(SURFACE)
        first = self.shown.strip("/").partition("/")[0]
        self.area = NAMED_OTHERWISE.get(first, first)
        methods = self.methods or set()
        extra = self.openapi_extra or {}
        self.writes = methods.isdisjoint(SAFE) and not extra.get("x-reads")
        self.audited = bool(extra.get("x-audited"))
        self.query = QueryNames(self.dependant)
        self.openapi_extra = {**extra, "x-scope": f"{self.area}:{'write' if self.writes else 'read'}"}
        if "GET" in methods:
            methods.add("HEAD")

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def serve(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            caller = _caller(request)
            caller.demand(self.area, write=self.writes)
            self.query.check(request)
            given = _idempotency_key(request)
            database: Database = request.app.state.database
            async with Transaction(database, partial(database.tenant, caller.project_id)) as transaction:
                request.state.transaction = transaction
                if not self.writes:
                    return await handle(request)
                replay = await _replay(request, caller, given) if given else None
                return await self._change(request, transaction, caller, replay, handle)

        return serve

    async def _change(
        self, request: Request, transaction: Transaction, caller: Caller, replay: Replay | None, handle: Handler
    ) -> Response:
        if replay is not None:
            earlier = await replay.begin(await transaction.begin())
            if earlier is not None:
                return _again(earlier)
        try:
            response = await handle(request)
        except PlatformError as error:
            await transaction.rollback()
            if replay is not None and error.status in KEPT_ERRORS:
                await replay.refuse(Answer(error.status, encode(error)))
            elif replay is not None:
                await replay.release()
            raise
        if replay is not None:
            await replay.finish(await transaction.begin(), Answer(response.status_code, bytes(response.body)))
        if not self.audited:
            db = await transaction.begin()
            db.add(
                AuditEntry(
                    project_id=caller.project_id,
                    key_id=caller.key_id,
                    action=f"{request.method} {self.shown}",
                    target=dict(request.path_params),
                    status=response.status_code,
                    at=request.app.state.clock.now(),
                )
            )
        return response


def primary(prefix: str = "", *, route_class: type[APIRoute] = Operation, **options: Any) -> APIRouter:
    """A router of the primary surface. Its routes know their whole path: they are not included again."""
    return APIRouter(prefix=SURFACE + prefix, route_class=route_class, generate_unique_id_function=_name, **options)


def _name(route: APIRoute) -> str:
    return route.name


def _caller(request: Request) -> Caller:
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
    return Replay(state.database, state.clock, state.secrets, caller, key=key, hashed=hashed)


def _again(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"Idempotent-Replayed": "true"}, "application/json")
