"""Models of OpenAI's protocol that know the script: each answer has a number of its own and names what it answers."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiohttp import web

RATE: Final = 24_000
SPOKEN: Final = 1.0
"""Seconds of every sentence, whatever it says."""
PIECES: Final = 3
"""In which an answer comes."""
ANSWER: Final = re.compile(r"Answer (\d+) to: (.+)")
BEGUN: Final = re.compile(r"Answer (\d+) to:")
HEARD: Final = "chaos-heard"
"""Name of the recognition of voice callers; each has its own, which ends in its name."""


@dataclass
class Script:
    """What the models were asked, and what voice callers are saying."""

    url: str = ""
    port: int = 0
    answered: int = 0
    """Answers that were given; the last one's number."""
    saying: dict[str, str] = field(default_factory=dict)
    """By the name of their recognition: what a caller says, until it was recognised."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer the last thing that a person said."""
        body = await request.json()
        said = next((_text(each) for each in reversed(body["messages"]) if each["role"] == "user"), "nothing")
        self.answered += 1
        text = f"Answer {self.answered} to: {said}"
        head = {"id": f"c-{self.answered}", "created": int(time.time()), "model": body.get("model", "")}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return web.json_response(head | {"object": "chat.completion", "choices": [choice]})
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with suppress(ConnectionResetError):  # whoever asked is dead
            await self._stream(answer, head, text)
        return answer

    async def _stream(self, answer: web.StreamResponse, head: dict[str, Any], text: str) -> None:
        for delta, reason in [*(({"role": "assistant", "content": piece}, None) for piece in _cut(text)), ({}, "stop")]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            chunk = head | {"object": "chat.completion.chunk", "choices": [choice]}
            await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await asyncio.sleep(0.02)
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        chunk = head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}
        await answer.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    async def speech(self, request: web.Request) -> web.Response:
        """A tone."""
        await request.read()
        moments = np.arange(int(RATE * SPOKEN)) / RATE
        return web.Response(
            body=(np.sin(2 * np.pi * 300 * moments) * 9000).astype("<i2").tobytes(), content_type="audio/pcm"
        )

    async def transcriptions(self, request: web.Request) -> web.Response:
        """What the caller with this recognition says, once; nothing where no more was said."""
        form = await request.post()
        return web.json_response({"text": self.saying.pop(str(form.get("model", "")), "")})

    async def models(self, _request: web.Request) -> web.Response:
        """That they are there."""
        return web.json_response({"object": "list", "data": []})


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _cut(text: str) -> list[str]:
    words = text.split(" ")
    each = max(1, -(-len(words) // PIECES))
    pieces = [" ".join(words[place : place + each]) for place in range(0, len(words), each)]
    return [*(f"{piece} " for piece in pieces[:-1]), pieces[-1]]


@asynccontextmanager
async def scripted_models(port: int = 0) -> AsyncIterator[Script]:
    """The server, for the length of a block."""
    script, app = Script(), web.Application()
    app.router.add_post("/v1/chat/completions", script.chat)
    app.router.add_post("/v1/audio/speech", script.speech)
    app.router.add_post("/v1/audio/transcriptions", script.transcriptions)
    app.router.add_get("/v1/models", script.models)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    script.port = runner.addresses[0][1]
    script.url = f"http://127.0.0.1:{script.port}/v1"
    try:
        yield script
    finally:
        await runner.cleanup()
