"""A webhook receiver on the loopback that remembers what came and answers as it is told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

Script = Callable[["Received"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    request: web.Request = field(repr=False)

    @property
    def event(self) -> dict[str, Any]:
        """The body, read."""
        event: dict[str, Any] = json.loads(self.body)
        return event


async def accept(_received: Received) -> web.StreamResponse:
    """Answer 200."""
    return web.Response(text="thank you")


def status(code: int, **headers: str) -> Script:
    """Answer with this status, and with a body that PostgreSQL would not store."""

    async def answer(_received: Received) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text="x\x00y")

    return answer


async def hang(_received: Received) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("never")


@dataclass
class Receiver:
    """The server of one test."""

    url: str
    received: list[Received] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def answer(self, path: str, script: Script) -> str:
        """Let a script answer at a path; the URL to send to."""
        self.scripts[path] = script
        return self.url + path

    def at(self, path: str) -> list[Received]:
        """What came to one path."""
        return [each for each in self.received if each.path == path]

    async def wait_for(self, count: int, path: str = "/", within: float = 60) -> list[Received]:
        """The requests to a path, once there are so many."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Remember a request and answer it."""
        body = await request.read()
        received = Received(request.path, {**request.headers}, body, time.perf_counter(), request)
        async with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        return await self.scripts.get(request.path, accept)(received)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A running receiver."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    receiver = Receiver("")
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of one test."""
    async with receiving() as running:
        yield running
