"""`/openapi.json`, `/postman.json` and `/realtime.json`."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from control_plane.reference.collection import collect
from control_plane.reference.document import describe
from control_plane.reference.realtime import describe_realtime


def install(app: FastAPI, public_url: str) -> None:
    """Add the reference; it describes the operations that are there when it is first asked for."""
    router = APIRouter(include_in_schema=False)
    alone = asyncio.Lock()  # the first reader's thread writes it for all

    @cache
    def document() -> dict[str, Any]:
        return describe(app)

    @cache
    def collection() -> dict[str, Any]:
        return collect(document(), base_url=public_url)

    async def answer(make: Callable[[], dict[str, Any]]) -> JSONResponse:
        async with alone:
            return JSONResponse(await asyncio.to_thread(make))

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        """The OpenAPI 3.1 document."""
        return await answer(document)

    @router.get("/postman.json")
    async def postman() -> JSONResponse:
        """The Postman collection, ready to be imported."""
        return await answer(collection)

    @router.get("/realtime.json")
    async def realtime() -> JSONResponse:
        """The events of the sockets."""
        return JSONResponse(describe_realtime())

    app.include_router(router)
