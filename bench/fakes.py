"""Models of OpenAI's protocol whose answers take a fixed time: what they cost a worker is the worker's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

FIRST: Final = 0.3
"""Seconds to the first word, or to the first sound."""
BETWEEN: Final = 0.03
"""Seconds from a word to the next."""
HEARS: Final = 0.2
"""Seconds to recognise what was said."""
SPOKEN: Final = 1.5
"""Seconds of a sentence, whatever it says."""
RATE: Final = 24_000
ANSWER: Final = "Yes, we are open from nine to five, and on Saturdays until noon."
HEARD: Final = "When are you open?"


async def _chat(request: web.Request) -> web.StreamResponse:
    await request.read()
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    await asyncio.sleep(FIRST)
    for word in ANSWER.split(" "):
        choice = {"index": 0, "delta": {"role": "assistant", "content": f"{word} "}, "finish_reason": None}
        await answer.write(f"data: {json.dumps(head | {'choices': [choice]})}\n\n".encode())
        await asyncio.sleep(BETWEEN)
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    await answer.write(f"data: {json.dumps(head | {'choices': [end]})}\n\ndata: [DONE]\n\n".encode())
    return answer


async def _speech(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(FIRST)
    return web.Response(body=bytes(2 * int(RATE * SPOKEN)), content_type="audio/pcm")


async def _transcriptions(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(HEARS)
    return web.json_response({"text": HEARD})


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": []})


@asynccontextmanager
async def fixed_models() -> AsyncIterator[str]:
    """The server, for the length of a block; its base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/audio/speech", _speech)
    app.router.add_post("/v1/audio/transcriptions", _transcriptions)
    app.router.add_get("/v1/models", _models)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
