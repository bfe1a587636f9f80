"""The built pages of `web/`. They use the public API and nothing else."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from control_plane.errors import NotFound
from control_plane.gate.embed import find_framing
from control_plane.settings import Settings

CHECKOUT_PAGES = Path(__file__).parent.parent / "web" / "dist"

POLICY: Final = (
    "default-src 'self'; connect-src 'self'{connect}; img-src 'self' data:; media-src 'self' blob:; "
    "style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {ancestors}"
)
"""Nothing is loaded from elsewhere, and nothing sent elsewhere but to LiveKit, which may be another host."""

ABROAD = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
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


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the pages and their assets, if they were built."""
    pages = Path(settings.web_dir) if settings.web_dir else CHECKOUT_PAGES
    policy = POLICY.replace("{connect}", "".join(f" {each}" for each in reached(settings)))
    router = APIRouter(include_in_schema=False)

    def _page(path: Path, *, ancestors: str = "'none'", status: int = 200) -> FileResponse:
        if not path.is_file():
            raise NotFound("The pages are not built: run `make web`")
        headers = {"Content-Security-Policy": policy.format(ancestors=ancestors), "Cache-Control": "no-cache"}
        return FileResponse(path, status, headers=headers)

    @router.get("/talk")
    async def talk(request: Request, embed: str | None = None, origin: str = "") -> FileResponse:
        """Talk to a persona; `?embed` is the form for frames of other sites, which an embed key or a project names:
        `?embed=ek_…`, or `?embed&origin=https://…`."""
        if embed is None:
            return _page(pages / "talk.html")
        framing = await find_framing(request.app.state.database, embed, origin)
        return _page(pages / "talk.html", ancestors=" ".join(("'self'", *framing)))

    def serve(path: str, name: str) -> None:
        """A page that is shown in no frame."""

        async def page() -> FileResponse:
            return _page(pages / f"{name}.html")

        router.add_api_route(path, page, methods=["GET"])

    for path, name in PAGES.items():
        serve(path, name)

    def missing() -> Response:
        """What a browser is shown where there is nothing."""
        return _page(pages / "missing.html", status=404)

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


def reached(settings: Settings) -> list[str]:
    """The origins that pages connect to besides the one they come from: LiveKit's, by socket and for what a client
    asks when that fails, and this server's public one."""
    found = []
    for url in (settings.livekit_public_url, settings.public_url):
        scheme, _, rest = url.partition("://")
        host = rest.partition("/")[0]
        secure = "s" if scheme in ("wss", "https") else ""
        found += [f"ws{secure}://{host}", f"http{secure}://{host}"]
    return list(dict.fromkeys(found))
