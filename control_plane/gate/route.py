"""What every operation of the primary surface is: strictly read, within one transaction of whoever is admitted."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from control_plane.db.database import Database, Db
from control_plane.gate.models import AuditEntry
from control_plane.gate.strict import QueryNames, StrictRequest
from control_plane.gate.transaction import Transaction
from control_plane.wire import SURFACE

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Door = Callable[[], AbstractAsyncContextManager[Db]]


class Route(APIRoute):
    """A route that serves whom `admit` lets in."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.shown = self.path_format.removeprefix(SURFACE)
        self.query = QueryNames(self.dependant)
        self.openapi_extra = {**(self.openapi_extra or {}), **({"x-scope": self.scope} if self.scope else {})}
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the framework does; but what is a word of the API in one path is nothing's id in another."""
        match, child = super().matches(scope)
        if match is not Match.NONE and self.param_convertors and scope["path"] in scope["app"].state.plain_paths:
            return Match.NONE, {}
        return match, child

    @property
    def scope(self) -> str:
        """What a key needs, as the reference shows it; empty: no key."""
        raise NotImplementedError

    def admit(self, request: Request, database: Database) -> Door:
        """The door of the request's transaction. Raises `PlatformError` for whom the route is not for."""
        raise NotImplementedError

    async def answer(self, request: Request, _transaction: Transaction, handle: Handler) -> Response:
        """Serve a request that was admitted."""
        return await handle(request)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def serve(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            database: Database = request.app.state.database
            door = self.admit(request, database)
            self.query.check(request)
            async with Transaction(database, door) as transaction:
                request.state.transaction = transaction
                return await self.answer(request, transaction, handle)

        return serve


def audit_values(
    request: Request, *, project_id: int, key_id: str, target: dict[str, Any], status: int
) -> dict[str, Any]:
    """The trace of a request that changed something, as its row's values."""
    route: Route = request.scope["route"]
    return {
        "project_id": project_id,
        "key_id": key_id,
        "action": f"{request.method} {route.shown}",
        "target": target,
        "status": status,
        "at": request.app.state.clock.now(),
    }


def audit_entry(request: Request, *, project_id: int, key_id: str, target: dict[str, Any], status: int) -> AuditEntry:
    """The same as an entry to be added."""
    return AuditEntry(**audit_values(request, project_id=project_id, key_id=key_id, target=target, status=status))
