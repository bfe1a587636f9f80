"""A search server as SearXNG is one, for tests: its JSON format, and what it was asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

RESULTS: list[dict[str, Any]] = [
    {
        "url": "https://www.harbour-museum.example/visit",
        "title": "Visit the harbour museum",
        "content": "The museum is open daily from nine until five.",
        "engine": "duckduckgo",
        "score": 4.0,
    },
    {"url": "https://tides.example/", "title": "Tides", "content": "High water at noon.", "engine": "bing", "score": 1},
]


@dataclass
class SearchServer:
    """What it answers, and the queries it got."""

    url: str = ""
    results: list[dict[str, Any]] = field(default_factory=lambda: list(RESULTS))
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    async def search(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if request.query.get("format") != "json":
            return web.Response(text="<html></html>", content_type="text/html")
        body = {"query": request.query.get("q"), "number_of_results": 0, "results": self.results, "answers": []}
        return web.json_response(body, status=self.status)


@asynccontextmanager
async def search_server(port: int = 0) -> AsyncIterator[SearchServer]:
    """One that runs for the length of a block."""
    server = SearchServer()
    app = web.Application()
    app.router.add_get("/search", server.search)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    server.url = f"http://{host}:{bound}"
    try:
        yield server
    finally:
        await runner.cleanup()
