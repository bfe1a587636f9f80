"""Operations that a signed token opens."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from control_plane.db.database import Database
from control_plane.errors import Forbidden
from control_plane.gate.operation import Operation, primary_at
from control_plane.gate.route import Door
from control_plane.gate.signed import Claims

PREFIX: Final = "/v2"
MANAGES: Final = "crawler"
"""The role of a server's token; one that names other roles only is a participant's."""
ADMITTED: Final = frozenset({"allow_join", "allow_mod"})
AREAS: Final = ("rooms", "sessions")
"""First parts of paths that are areas of scopes; everything else makes recordings."""


class SignedOperation(Operation):
    """A route that needs a project's token. Answers leave out what they do not say."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options | {"response_model_exclude_unset": True})

    @property
    def area(self) -> str:
        first = self.shown.split("/")[2]
        return first if first in AREAS else "recordings"

    def admit(self, request: Request, database: Database) -> Door:
        claims: Claims | None = request.scope["state"]["claims"]
        door = super().admit(request, database)
        assert claims is not None
        if claims.roles is not None and MANAGES not in claims.roles:
            raise Forbidden("This token is a participant's: it lacks the role crawler")
        if claims.permissions and ADMITTED.isdisjoint(claims.permissions):
            raise Forbidden("This token permits neither allow_join nor allow_mod")
        return door


def signed() -> APIRouter:
    """A router of this surface."""
    return primary_at(PREFIX, route_class=SignedOperation, tags=["VideoSDK"])


async def find_claims(request: Request) -> Claims:
    """What this request's token says."""
    claims: Claims = request.state.claims
    return claims


ClaimsDep = Annotated[Claims, Depends(find_claims)]
