"""Health and figures of a service over HTTP: `/` says whether it takes work, `/metrics` is for Prometheus."""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

STATES: Final = {"ok": 200, "full": 429, "draining": 503, "away": 503}
"""As LiveKit's own services answer."""


async def serve(
    host: str, port: int, figures: Collector, look: Callable[[], dict[str, Any]]
) -> tuple[web.AppRunner, int]:
    """Listen; the runner that ends it, and the port.

    `look` says how the service is: `status`, one of `STATES`, and whatever else is worth knowing.
    """
    registry = CollectorRegistry()
    registry.register(figures)

    async def health(_: web.Request) -> web.Response:
        found = look()
        return web.json_response(found, status=STATES[found["status"]])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), content_type="text/plain")

    application = web.Application()
    application.add_routes([web.get("/", health), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]
