"""The built pages of `web/`. They use the public API and nothing else."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

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


PAGES = {
    "/": "home",
    "/login": "entry",
    "/signup": "entry",
    "/account": "account",
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
    app.mount("/assets", StaticFiles(directory=pages / "assets", check_dir=False), name="assets")


def _page(path: Path, *, ancestors: str, status: int = 200) -> FileResponse:
    if not path.is_file():
        raise NotFound("The pages are not built: run `make web`")
    headers = {name: value.format(ancestors=ancestors) for name, value in SECURITY.items()}
    return FileResponse(path, status, headers=headers | {"Cache-Control": "no-cache"})
