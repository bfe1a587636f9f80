"""Operations of this surface: a project's, opened by the header `x-meeting-baas-api-key`."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request

from control_plane.gate.operation import primary_at

KEY_HEADER: Final = "x-meeting-baas-api-key"


def baas(prefix: str) -> APIRouter:
    """A router of this surface."""
    return primary_at(prefix, tags=["Bots and calendars"])


async def find_key(request: Request) -> str:
    """The key that this request shows; empty where a browser's session asks."""
    return request.headers.get(KEY_HEADER) or request.headers.get("x-api-key") or ""


KeyDep = Annotated[str, Depends(find_key)]
"""Kept encrypted with a bot: its webhooks carry it."""
