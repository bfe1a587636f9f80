"""What every operation of the primary surface has around it: a caller, a scope, one transaction, replay, audit."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.errors import PlatformError, Unauthorized
from control_plane.gate.idempotency import Answer, Replay, check_key, request_hash
from control_plane.gate.models import AuditEntry

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SAFE: Final = ("GET", "HEAD")
READS: Final = {"x-reads": True}
"""`openapi_extra` of a POST that changes nothing."""
AUDITED: Final = {"x-audited": True}
"""`openapi_extra` of an operation that writes its audit entry itself."""
KEPT_ERRORS: Final = (403, 404, 409)
"""What was refused for good; other errors may be gone at the next try."""
AREAS: Final = {"knowledge": "knowledge-bases", "quota": "usage", "token": "tokens"}
"""Areas of scopes that are not called like the first part of their path."""


class Operation(APIRoute):
    """A route that needs a key.

    The order of checks: key and window (the gate), scope, `Idempotency-Key`, body, existence and ownership, quota.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        first = self.path_format.removeprefix("/api/v1").strip("/").partition("/")[0]
        self.area = AREAS.get(first, first)
        methods = self.methods or set()
        extra = self.openapi_extra or {}
        self.writes = methods.isdisjoint(SAFE) and not extra.get("x-reads")
        self.audited = bool(extra.get("x-audited"))

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def serve(request: Request) -> Response:
            caller = _caller(request)
            caller.demand(self.area, write=self.writes)
            async with request.app.state.database.tenant(caller.project_id) as db:
                request.state.db = db
                if not self.writes:
                    return await handle(request)
                return await self._change(request, db, caller, handle)

        return serve

    async def _change(self, request: Request, db: Db, caller: Caller, handle: Handler) -> Response:
        replay = await _replay(request, caller)
        if replay is not None:
            earlier = await replay.begin(db)
            if earlier is not None:
                return _again(earlier)
        try:
            response = await handle(request)
        except PlatformError as error:
            await db.rollback()
            if replay is not None and error.status in KEPT_ERRORS:
                await replay.refuse(Answer(error.status, json.dumps(error.body()).encode()))
            elif replay is not None:
                await replay.release()
            raise
        if replay is not None:
            await replay.finish(db, Answer(response.status_code, bytes(response.body)))
        if not self.audited:
            db.add(
                AuditEntry(
                    project_id=caller.project_id,
                    key_id=caller.key_id,
                    action=f"{request.method} {self.path_format}",
                    target=dict(request.path_params),
                    status=response.status_code,
                    at=request.app.state.clock.now(),
                )
            )
        return response


def _caller(request: Request) -> Caller:
    state = request.scope["state"]
    caller: Caller | None = state["caller"]
    if caller is None:
        raise state["refusal"] or Unauthorized("Missing X-API-Key header")
    return caller


async def _replay(request: Request, caller: Caller) -> Replay | None:
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    state = request.app.state
    hashed = request_hash(request.method, request.url.path, request.scope["query_string"], await request.body())
    return Replay(state.database, state.clock, state.secrets, caller, key=check_key(key), hashed=hashed)


def _again(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"Idempotent-Replayed": "true"}, "application/json")
