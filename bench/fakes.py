"""Models of OpenAI's protocol whose answers take a fixed time: what they cost a worker is the worker's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from aiohttp import web


@dataclass(frozen=True)
class Times:
    """Seconds that they take."""

    hears: float = 0.2
    """To recognise what was said."""
    first: float = 0.3
    """To the first word of an answer."""
    between: float = 0.03
    """From a word to the next."""
    voice: float = 0.3
    """To the first sound of a sentence."""


SPOKEN: Final = 1.5
"""Seconds of a sentence, whatever it says."""
RATE: Final = 24_000
ANSWER: Final = "Yes, we are open from nine to five, and on Saturdays until noon."
HEARD: Final = "When are you open?"
TIMES: Final = web.AppKey("times", Times)


@cache
def _sentence() -> bytes:
    """A tone, which a caller can hear."""
    moments = np.arange(round(RATE * SPOKEN)) / RATE
    return (np.sin(2 * np.pi * 440 * moments) * 9000).astype("<i2").tobytes()


async def _chat(request: web.Request) -> web.StreamResponse:
    await request.read()
    times = request.app[TIMES]
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    await asyncio.sleep(times.first)
    with suppress(ConnectionResetError):  # an answer that nobody waits for any more
        for word in ANSWER.split(" "):
            choice = {"index": 0, "delta": {"role": "assistant", "content": f"{word} "}, "finish_reason": None}
            await answer.write(f"data: {json.dumps(head | {'choices': [choice]})}\n\n".encode())
            await asyncio.sleep(times.between)
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await answer.write(f"data: {json.dumps(head | {'choices': [end]})}\n\ndata: [DONE]\n\n".encode())
    return answer


async def _speech(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(request.app[TIMES].voice)
    return web.Response(body=_sentence(), content_type="audio/pcm")


async def _transcriptions(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(request.app[TIMES].hears)
    return web.json_response({"text": HEARD})


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": []})


@asynccontextmanager
async def fixed_models(times: Times | None = None) -> AsyncIterator[str]:
    """The server, for the length of a block; its base URL."""
    app = web.Application()
    app[TIMES] = times or Times()
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
