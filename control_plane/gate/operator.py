"""The operator: a key `ak_…` of the settings, with a surface of its own."""

from collections.abc import Callable, Coroutine
from hmac import compare_digest
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import SecretStr

from control_plane.auth.callers import key_hash
from control_plane.db.database import Database
from control_plane.errors import Forbidden, Unauthorized
from control_plane.gate.strict import QueryNames, StrictRequest
from control_plane.gate.transaction import Transaction

PREFIX: Final = b"ak_"
RATE: Final = 300
"""Requests per minute of the operator."""
KEY_ID: Final = "operator"
"""What audit entries call the operator's key."""


class OperatorKey:
    """Recognises the operator's key."""

    def __init__(self, key: SecretStr | None) -> None:
        self._hash = key_hash(key.get_secret_value()) if key else b""

    def opens(self, header: bytes | None) -> bool:
        """Whether the operator calls; False for keys of projects. Raises `Unauthorized` for a wrong `ak_…`."""
        if header is None or not header.startswith(PREFIX):
            return False
        if not compare_digest(key_hash(header.decode("latin-1")), self._hash):
            raise Unauthorized("Invalid or deactivated API key")
        return True


class OperatorOperation(APIRoute):
    """A route of the operator. Its transaction sees all projects."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.query = QueryNames(self.dependant)
        self.openapi_extra = {**(self.openapi_extra or {}), "x-scope": "operator"}
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def serve(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            state = request.scope["state"]
            if state["caller"] is not None:
                raise Forbidden("This needs the operator's key (ak_…); a project's API key does not open it")
            if not state["operator"]:
                raise state["refusal"]
            self.query.check(request)
            database: Database = request.app.state.database
            async with Transaction(database, database.platform) as transaction:
                request.state.transaction = transaction
                return await handle(request)

        return serve
