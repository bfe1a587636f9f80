"""Operations of this surface: a project's, opened by the header `x-meeting-baas-api-key`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from control_plane.gate.operation import primary_at

KEY_HEADER: Final = "x-meeting-baas-api-key"


def baas(prefix: str, **options: Any) -> APIRouter:
    """A router of this surface."""
    return primary_at(prefix, include_in_schema=False, tags=["Bots and calendars"], **options)


async def find_key(request: Request) -> str:
    """The key that this request shows; empty where a browser's session asks."""
    return request.headers.get(KEY_HEADER) or request.headers.get("x-api-key") or ""


KeyDep = Annotated[str, Depends(find_key)]
"""Kept encrypted with a bot: its webhooks carry it."""
