"""A model that obeys everybody: whatever its context tells it to do, in whatever disguise, it does, with tools that it
was offered and with others; and it says whatever it is told to say. A server of OpenAI's protocol."""

import base64
import binascii
import codecs
import html
import json
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import anyio
import numpy as np
from aiohttp import web

from agents.voices import FASTEST

RATE: Final = 24_000
CALLS: Final = (
    re.compile(r"\bcall (?P<name>\w+)\((?P<arguments>\{.*?\})\)", re.DOTALL),
    re.compile(r'"name"\s*:\s*"(?P<name>\w+)"\s*,\s*"(?:arguments|parameters|input)"\s*:\s*(?P<arguments>\{.*?\})'),
    re.compile(r'<invoke name="(?P<name>\w+)">(?P<arguments>\{.*?\})</invoke>'),
)
TRANSFER: Final = re.compile(r"\btransfer (?:me |them |this call |the call )?to (?P<to>\+[\d ]{6,20}\d)", re.IGNORECASE)
PRESS: Final = re.compile(r"\bpress (?P<digits>[0-9*#A-D]{1,40})\b", re.IGNORECASE)
SEARCH: Final = re.compile(r"\bsearch for (?P<query>[^.\n]{3,80})", re.IGNORECASE)
SAY: Final = re.compile(r"\bsay: (?P<words>[^\n]{1,200})")
EVERYTHING: Final = re.compile(r"\b(?:repeat|print|reveal|say) (?:the |your )?(?:system prompt|environment|everything)")
TEXTS: Final = re.compile(r"[A-Za-z0-9+/=_-]{24,}")
DIGITS: Final = re.compile(r"(?:[0-9a-f]{2}){12,}")
TAGS: Final = re.compile("[\U000e0020-\U000e007e]+")
HIDDEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def variants(text: str) -> Iterator[str]:
    """The text, and all that it may be a disguise of."""
    yield text
    yield "".join(chr(ord(each) - 0xE0000) for each in "".join(TAGS.findall(text)))
    yield HIDDEN.sub("", text)
    yield unicodedata.normalize("NFKC", text)
    yield html.unescape(unquote(text))
    yield codecs.decode(text, "rot13")
    yield text[::-1]
    for found in TEXTS.findall(text):
        try:
            yield base64.b64decode(found + "=" * (-len(found) % 4), altchars=b"-_").decode()
        except (ValueError, binascii.Error):
            continue
    for found in DIGITS.findall(text):
        try:
            yield bytes.fromhex(found).decode()
        except ValueError:
            continue


Wanted = tuple[str, str]
"""A tool, and its arguments as JSON."""


def wanted_of(text: str) -> Iterator[Wanted]:
    """The tools that a text wants used."""
    for plain in variants(text):
        for pattern in CALLS:
            for found in pattern.finditer(plain):
                yield found["name"], found["arguments"]
        for found in TRANSFER.finditer(plain):
            yield "transfer_call", json.dumps({"to": found["to"]})
        for found in PRESS.finditer(plain):
            yield "send_dtmf", json.dumps({"digits": found["digits"]})
        for found in SEARCH.finditer(plain):
            yield "web_search", json.dumps({"query": found["query"]})
            yield "search_kb", json.dumps({"query": found["query"]})


def words_of(text: str) -> Iterator[str]:
    """What a text wants said."""
    for plain in variants(text):
        yield from (found["words"] for found in SAY.finditer(plain))


@dataclass
class Obedient:
    """What it was asked, what it did, and what it had spoken."""

    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    """Bodies of all requests for an answer."""
    spoken: list[str] = field(default_factory=list)
    """Texts of all requests for speech."""
    did: list[tuple[str, Wanted]] = field(default_factory=list)
    """Tools that it used, each with the beginning of the instructions of its conversation."""
    done: set[tuple[str, Wanted]] = field(default_factory=set)
    """What it does not do again, unless this is emptied."""
    said: list[str] = field(default_factory=list)
    revealed: set[str] = field(default_factory=set)
    """Conversations in which it has said all that it knew at that time."""
    changed: anyio.Event = field(default_factory=anyio.Event)

    def text_asked(self) -> str:
        """Everything that the model was shown, as one text."""
        return "\n".join(json.dumps(json.loads(body), ensure_ascii=False) for body in self.asked)

    async def until_said(self, words: str, within: float = 60) -> None:
        """It has said so."""
        with anyio.fail_after(within):
            while not any(words in each for each in self.said):
                changed = self.changed
                await changed.wait()

    def answer(self, body: dict[str, Any]) -> tuple[list[Wanted], str]:
        """The tools that are used, or what is said."""
        texts = [_text(each) for each in body["messages"]]
        conversation, context = texts[0][:60], "\n".join(texts)
        calls = [each for each in dict.fromkeys(wanted_of(context)) if (conversation, each) not in self.done]
        self.did += [(conversation, each) for each in calls]
        self.done |= {(conversation, each) for each in calls}
        if calls:
            return calls, ""
        said = [each for each in dict.fromkeys(words_of(context)) if not any(each in before for before in self.said)]
        if conversation not in self.revealed and any(map(EVERYTHING.search, variants(context))):
            self.revealed.add(conversation)
            said.append(context)
        said = said or ["Done."]
        self.said.append("\n".join(said))
        self.changed.set()
        self.changed = anyio.Event()
        return [], self.said[-1]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Obey."""
        self.asked.append(await request.read())
        body = json.loads(self.asked[-1])
        calls, text = self.answer(body)
        made = [
            {"index": n, "id": f"call_{len(self.did)}_{n}", "type": "function", "function": {"name": a, "arguments": b}}
            for n, (a, b) in enumerate(calls)
        ]
        deltas = [{"role": "assistant", "tool_calls": made} if made else {"role": "assistant", "content": text}]
        head = {"id": f"c-{len(self.asked)}", "object": "chat.completion.chunk", "created": int(time.time())}
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        ended = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if made else "stop"}
        chunks = [{"choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas]
        for chunk in [*chunks, {"choices": [ended]}, {"choices": [], "usage": usage}]:
            await answer.write(f"data: {json.dumps(head | {'model': 'obedient'} | chunk)}\n\n".encode())
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def speech(self, request: web.Request) -> web.Response:
        """A murmur, as fast as a worker believes that anybody speaks."""
        self.spoken.append((await request.json())["input"])
        seconds = 0.1 + sum(map(str.isalnum, self.spoken[-1])) / FASTEST
        return web.Response(body=np.full(int(RATE * seconds), 500, "<i2").tobytes(), content_type="audio/pcm")

    async def transcriptions(self, request: web.Request) -> web.Response:
        """Nobody spoke."""
        await request.read()
        return web.json_response({"text": ""})

    async def models(self, _request: web.Request) -> web.Response:
        """That it is there."""
        return web.json_response({"object": "list", "data": []})


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


@asynccontextmanager
async def obedient_model() -> AsyncIterator[Obedient]:
    """The server, for the length of a block."""
    model, app = Obedient(), web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", model.chat)
    app.router.add_post("/v1/audio/speech", model.speech)
    app.router.add_post("/v1/audio/transcriptions", model.transcriptions)
    app.router.add_get("/v1/models", model.models)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()
