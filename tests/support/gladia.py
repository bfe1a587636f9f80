"""Gladia and a server of the OpenAI protocol on the loopback, as far as recordings of bots need them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = [{"word": " Good", "start": 0.1, "end": 0.4}, {"word": " morning", "start": 0.4, "end": 0.9}]


@dataclass
class Recognisers:
    """What they were sent; `refuse` is the status that Gladia answers instead."""

    url: str = ""
    refuse: int | None = None
    looks: int = 0
    keys: list[str] = field(default_factory=list)
    uploaded: list[int] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)

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
        result = {"transcription": {"utterances": [said]}}
        return web.json_response({"id": "task-1", "status": "done", "result": result})

    async def transcribe(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        await request.read()
        segments = [{"id": 0, "start": 0.1, "end": 0.9, "text": "Good morning"}]
        shown = {"text": "Good morning", "words": WORDS, "segments": segments}
        return web.Response(text=json.dumps(shown), content_type="application/json")


@asynccontextmanager
async def open_recognisers() -> AsyncIterator[Recognisers]:
    """Both, at one address, for the length of a block."""
    both = Recognisers()
    app = web.Application()
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
