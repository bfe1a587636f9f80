"""The built pages of `web/`. They use the public API and nothing else."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from control_plane.errors import NotFound

CHECKOUT_PAGES = Path(__file__).parent.parent / "web" / "dist"

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss: http: https:; img-src 'self' data:; media-src 'self' blob:; "
        "style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""`connect-src` is open to any LiveKit address, which may be another host; nothing is loaded from elsewhere."""

ABROAD = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Scripts that pages of other sites may load: they are the same for everybody and hold nothing of anybody."""
SCRIPTS = ("embed.js", "embed.mjs")
"""At addresses that stay, so that browsers ask again before long; what they load has its content in its name."""


class Scripts(StaticFiles):
    """Built files for pages of this site and of others."""

    def __init__(self, folder: Path, *, kept: str) -> None:
        super().__init__(directory=folder, check_dir=False)
        self.kept = kept

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, as the framework serves it, open to all origins."""
        response = await super().get_response(path, scope)
        response.headers.update(ABROAD | {"Cache-Control": self.kept})
        return response


PAGES = {
    "/": "home",
    "/login": "entry",
    "/signup": "entry",
    "/reset": "entry",
    "/account": "console",
    "/console": "console",
    "/console/{path:path}": "console",
    "/monitor": "monitor",
    "/replay": "replay",
    "/docs": "docs",
    "/docs/realtime": "realtime",
    "/join/{code}": "meeting",
    "/s/{scenario}": "meeting",
}
"""Built pages by where they are served; `/talk` besides."""


def install(app: FastAPI, folder: str | None) -> None:
    """Serve the pages and their assets, if they were built."""
    pages = Path(folder) if folder else CHECKOUT_PAGES
    router = APIRouter(include_in_schema=False)

    @router.get("/talk")
    async def talk(embed: str | None = None) -> FileResponse:
        """Talk to a persona; `?embed` is the form for frames of other sites."""
        return _page(pages / "talk.html", ancestors="*" if embed is not None else "'none'")

    def serve(path: str, name: str) -> None:
        """A page that is shown in no frame."""

        async def page() -> FileResponse:
            return _page(pages / f"{name}.html", ancestors="'none'")

        router.add_api_route(path, page, methods=["GET"])

    for path, name in PAGES.items():
        serve(path, name)

    def missing() -> Response:
        """What a browser is shown where there is nothing."""
        return _page(pages / "missing.html", ancestors="'none'", status=404)

    app.state.missing_page = missing
    app.include_router(router)
    scripts = Scripts(pages, kept="public, max-age=600, stale-while-revalidate=86400")
    for name in SCRIPTS:
        app.add_route(f"/{name}", _script(scripts, name), methods=["GET"], include_in_schema=False)
    app.mount("/assets", Scripts(pages / "assets", kept="public, max-age=31536000, immutable"), name="assets")


def _script(scripts: Scripts, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        if not (Path(str(scripts.directory)) / name).is_file():
            raise NotFound("The pages are not built: run `make web`")
        return await scripts.get_response(name, request.scope)

    return serve


def _page(path: Path, *, ancestors: str, status: int = 200) -> FileResponse:
    if not path.is_file():
        raise NotFound("The pages are not built: run `make web`")
    headers = {name: value.format(ancestors=ancestors) for name, value in SECURITY.items()}
    return FileResponse(path, status, headers=headers | {"Cache-Control": "no-cache"})
