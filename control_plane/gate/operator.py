"""The operator: a key `ak_…` of the settings, with a surface of its own."""

from hmac import compare_digest
from typing import Final

from fastapi import Request
from pydantic import SecretStr

from control_plane.auth.callers import key_hash
from control_plane.db.database import Database
from control_plane.errors import Forbidden, Unauthorized
from control_plane.gate.route import Door, Route

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


class OperatorOperation(Route):
    """A route of the operator. Its transaction sees all projects."""

    @property
    def scope(self) -> str:
        return "operator"

    def admit(self, request: Request, database: Database) -> Door:
        state = request.scope["state"]
        if state["caller"] is not None:
            raise Forbidden("This needs the operator's key (ak_…); a project's API key does not open it")
        if not state["operator"]:
            raise state["refusal"]
        return database.platform
