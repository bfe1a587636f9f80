"""`/openapi.json` and `/postman.json`."""

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from control_plane.reference.collection import collect
from control_plane.reference.document import describe


def install(app: FastAPI, public_url: str) -> None:
    """Add the reference; it describes the operations that are there when it is first asked for."""
    router = APIRouter(include_in_schema=False)

    @cache
    def document() -> dict[str, Any]:
        return describe(app)

    @cache
    def collection() -> dict[str, Any]:
        return collect(document(), base_url=public_url)

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        """The OpenAPI 3.1 document."""
        return JSONResponse(document())

    @router.get("/postman.json")
    async def postman() -> JSONResponse:
        """The Postman collection, ready to be imported."""
        return JSONResponse(collection())

    app.include_router(router)
