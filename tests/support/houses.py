"""The services of other houses for tests, by their documented endpoints: what they are sent, and a tone as an answer.

ElevenLabs  WS   /v1/text-to-speech/{voice}/multi-stream-input · POST /v1/text-to-speech/{voice}/stream
Azure       POST /cognitiveservices/v1, SSML
Cartesia    WS   /tts/websocket · POST /tts/bytes
Deepgram    WS   /v1/listen
OpenAI      POST /v1/chat/completions, /v1/audio/speech, /v1/audio/transcriptions
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
from aiohttp import WSMsgType, web

RATE = 24_000
NAMESPACE = "{http://www.w3.org/2001/10/synthesis}"


def tone(hertz: int, seconds: float = 1.5) -> bytes:
    """Mono, 16 bits, at `RATE`."""
    moments = np.arange(int(RATE * seconds)) / RATE
    return (np.sin(2 * np.pi * hertz * moments) * 9000).astype("<i2").tobytes()


PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
TONES = {"elevenlabs": 400, "azure": 600, "cartesia": 800, "openai": 1000}
"""By which a voice is known."""


@dataclass
class Asked:
    """A request: whose, by which key, for what."""

    house: str
    key: str | None
    path: str
    query: Mapping[str, str]
    said: list[Any] = field(default_factory=list)


@dataclass
class Houses:
    """What was asked, and who does not answer."""

    url: str = ""
    away: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    """What OpenAI's models do instead of their work: error, limited, hang, drip, cut, garbage or empty, by model."""
    asked: list[Asked] = field(default_factory=list)
    heard: str = "two tickets please"

    def of(self, house: str) -> list[Asked]:
        """The requests of a house."""
        return [asked for asked in self.asked if asked.house == house]

    def _enter(self, request: web.Request, house: str, key: str | None) -> Asked:
        asked = Asked(house, key, request.path, dict(request.query))
        self.asked.append(asked)
        if house in self.away:
            raise web.HTTPServiceUnavailable
        if not key:
            raise web.HTTPUnauthorized
        return asked

    def _fault(self, asked: Asked) -> str:
        """What goes wrong with a model; the ends of those that hang are the test's."""
        fault = self.faults.get(asked.said[-1]["model"], "")
        match fault:
            case "error":
                raise web.HTTPInternalServerError
            case "limited":
                raise web.HTTPTooManyRequests(headers={"Retry-After": "30"})
        return fault

    async def elevenlabs(self, request: web.Request) -> web.StreamResponse:
        asked = self._enter(request, "elevenlabs", request.headers.get("xi-api-key"))
        if request.method == "POST":
            asked.said.append(await request.json())
            return web.Response(body=tone(TONES["elevenlabs"]), content_type="audio/pcm")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            packet = message.json()
            asked.said.append(packet)
            context = packet["context_id"]
            if packet.get("close_context"):
                await socket.send_json({"isFinal": True, "contextId": context})
            elif packet.get("text", "").strip():
                await socket.send_json(
                    {"audio": base64.b64encode(tone(TONES["elevenlabs"])).decode(), "contextId": context}
                )
        return socket

    async def azure(self, request: web.Request) -> web.Response:
        asked = self._enter(request, "azure", request.headers.get("Ocp-Apim-Subscription-Key"))
        try:
            voice = ElementTree.fromstring(await request.text()).find(f"{NAMESPACE}voice")
        except ElementTree.ParseError as error:
            raise web.HTTPBadRequest from error
        if voice is None or request.headers["X-Microsoft-OutputFormat"] != "raw-24khz-16bit-mono-pcm":
            raise web.HTTPBadRequest
        asked.said.append((voice.get("name"), voice.text))
        return web.Response(body=tone(TONES["azure"]), content_type="audio/pcm")

    async def cartesia(self, request: web.Request) -> web.StreamResponse:
        asked = self._enter(request, "cartesia", request.headers.get("X-API-Key"))
        if request.method == "POST":
            asked.said.append(await request.json())
            return web.Response(body=tone(TONES["cartesia"]), content_type="audio/pcm")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            packet = message.json()
            asked.said.append(packet)
            context = packet["context_id"]
            if packet["transcript"].strip():
                data = base64.b64encode(tone(TONES["cartesia"])).decode()
                await socket.send_json({"type": "chunk", "data": data, "done": False, "context_id": context})
            if not packet["continue"]:
                await socket.send_json({"type": "done", "done": True, "context_id": context})
        return socket

    async def deepgram(self, request: web.Request) -> web.WebSocketResponse:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        asked = self._enter(request, "deepgram", key if scheme == "Token" else None)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        size = 0
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                size += len(message.data)
                if size == len(message.data):
                    await socket.send_json({"type": "SpeechStarted", "channel": [0], "timestamp": 0.0})
                continue
            packet = message.json()
            asked.said.append(packet["type"])
            if packet["type"] == "CloseStream":
                break
            if packet["type"] == "Finalize" and size:
                size = 0
                await socket.send_json(self._result())
        return socket

    def _result(self) -> dict[str, Any]:
        words = [
            {"word": word, "start": n * 0.2, "end": n * 0.2 + 0.2, "confidence": 0.9, "punctuated_word": word}
            for n, word in enumerate(self.heard.split())
        ]
        return {
            "type": "Results",
            "is_final": True,
            "speech_final": True,
            "start": 0.0,
            "duration": 1.0,
            "metadata": {"request_id": "r-1"},
            "channel": {"alternatives": [{"transcript": self.heard, "confidence": 0.9, "words": words}]},
        }

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = self._enter(request, "openai", request.headers.get("Authorization", "").removeprefix("Bearer "))
        asked.said.append(await request.json())
        fault = self._fault(asked)
        if fault == "hang":
            await asyncio.sleep(60)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        while fault == "drip":
            await answer.write(b": still there\n\n")
            await asyncio.sleep(0.02)
        if fault == "garbage":
            await answer.write(PAGE)
        if fault in ("garbage", "empty"):
            return answer
        head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for delta, reason in (({"role": "assistant", "content": "Yes."}, None), ({}, "stop")):
            chunk = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
            if fault == "cut" and request.transport is not None:
                request.transport.abort()
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def speech(self, request: web.Request) -> web.Response:
        asked = self._enter(request, "openai", request.headers.get("Authorization", "").removeprefix("Bearer "))
        asked.said.append(await request.json())
        fault = self._fault(asked)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault in ("cut", "drip"):
            answer = web.StreamResponse(headers={"Content-Type": "audio/pcm", "Content-Length": "1000000"})
            await answer.prepare(request)
            await answer.write(tone(TONES["openai"], 0.3))
            while fault == "drip":
                await asyncio.sleep(0.02)
            if request.transport is not None:
                request.transport.abort()
            return answer
        if fault == "garbage":
            return web.Response(body=PAGE, content_type="text/html")
        return web.Response(body=b"" if fault == "empty" else tone(TONES["openai"]), content_type="audio/pcm")

    async def transcriptions(self, request: web.Request) -> web.Response:
        self._enter(request, "openai", request.headers.get("Authorization", "").removeprefix("Bearer "))
        await request.read()
        return web.json_response({"text": "three tickets please"})


@asynccontextmanager
async def open_houses(port: int = 0) -> AsyncIterator[Houses]:
    """All of them, at one address of the loopback, for the length of a block."""
    houses = Houses()
    app = web.Application()
    for path, handler in (
        ("/v1/text-to-speech/{voice}/multi-stream-input", houses.elevenlabs),
        ("/v1/text-to-speech/{voice}/stream", houses.elevenlabs),
        ("/cognitiveservices/v1", houses.azure),
        ("/tts/websocket", houses.cartesia),
        ("/tts/bytes", houses.cartesia),
        ("/v1/listen", houses.deepgram),
        ("/v1/chat/completions", houses.chat),
        ("/v1/audio/speech", houses.speech),
        ("/v1/audio/transcriptions", houses.transcriptions),
    ):
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, bound = runner.addresses[0][:2]
    houses.url = f"http://{host}:{bound}"
    try:
        yield houses
    finally:
        await runner.cleanup()
