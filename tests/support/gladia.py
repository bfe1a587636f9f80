"""Gladia and a server of the OpenAI protocol on the loopback, as far as recordings of bots need them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = [{"word": " Good", "start": 0.1, "end": 0.4}, {"word": " morning", "start": 0.4, "end": 0.9}]


@dataclass
class Recognisers:
    """What they were sent; `refuse` is the status that Gladia answers instead.

    The other answers 500 to its requests of these numbers, and says nothing before it is let go on.
    """

    url: str = ""
    refuse: int | None = None
    looks: int = 0
    length: int = 1
    keys: list[str] = field(default_factory=list)
    uploaded: list[int] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    faults: set[int] = field(default_factory=set)
    pieces: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def upload(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["x-gladia-key"])
        if self.refuse is not None:
            return web.json_response({"message": "no"}, status=self.refuse)
        part = (await request.post())["audio"]
        assert isinstance(part, web.FileField)
        self.uploaded.append(len(part.file.read()))
        return web.json_response({"audio_url": f"{self.url}/file/1"})

    async def begin(self, request: web.Request) -> web.Response:
        self.tasks.append(await request.json())
        return web.json_response({"id": "task-1", "result_url": f"{self.url}/v2/pre-recorded/task-1"}, status=201)

    async def find(self, _request: web.Request) -> web.Response:
        self.looks += 1
        if self.looks < 2:
            return web.json_response({"id": "task-1", "status": "processing"})
        said = {"speaker": 0, "start": 0.1, "end": 0.9, "text": "Good morning", "words": WORDS}
        result = {"transcription": {"utterances": [said]}, "metadata": "long " * self.length}
        return web.json_response({"id": "task-1", "status": "done", "result": result})

    async def transcribe(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        await request.read()
        self.pieces += 1
        if self.pieces in self.faults:
            return web.json_response({"error": {"message": "not now"}}, status=500)
        await self.go_on.wait()
        segments = [{"id": 0, "start": 0.1, "end": 0.9, "text": "Good morning"}]
        shown = {"text": "Good morning", "words": WORDS, "segments": segments}
        return web.Response(text=json.dumps(shown), content_type="application/json")


@asynccontextmanager
async def open_recognisers() -> AsyncIterator[Recognisers]:
    """Both, at one address, for the length of a block."""
    both = Recognisers()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v2/upload", both.upload)
    app.router.add_post("/v2/pre-recorded", both.begin)
    app.router.add_get("/v2/pre-recorded/{task}", both.find)
    app.router.add_post("/v1/audio/transcriptions", both.transcribe)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    both.url = f"http://{host}:{port}"
    try:
        yield both
    finally:
        await runner.cleanup()
