"""The server: OpenAI's routes in front of the models of this folder."""

import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
import numpy as np
import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI, File, Form, Request, UploadFile, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from knowledge.minilm import MiniLM
from parley.offline import realtime
from parley.offline.answering import Reply, Usage, estimated_usage, reply
from parley.offline.audio import RECOGNITION_RATE, WIRE_RATE, Samples, decode, encode
from parley.offline.catalogue import Model, require
from parley.offline.errors import InvalidRequest, ModelServerError, TooLarge
from parley.offline.flite import VOICE_SAMPLE, VOICES, load_flite
from parley.offline.recognition import Recognisers, Utterance
from parley.offline.schemas import ChatRequest, EmbeddingsRequest, SpeechRequest
from parley.offline.speech import Speaker

log = structlog.get_logger()

_LARGEST_UPLOAD: Final = 25 * 1024 * 1024  # OpenAI's limit
_WAIT_FOR_RECOGNISER_S: Final = 20.0
_WARM_DECODERS: Final = 2
_ENCODED_SENTENCES: Final = 2_000
_WORD: Final = re.compile(r"\S+\s*")
Granularities = list[Literal["word", "segment"]]
_STARTED: Final = int(time.time())


@dataclass(frozen=True)
class Options:
    """How the server was started."""

    streams: int = 6
    silence_ms: int = 120


class Encoder:
    """MiniLM in threads of its own; remembers the sentences it met lately, because a knowledge base repeats itself."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model
        self._known: dict[str, NDArray[np.float32]] = {}
        self._threads = CapacityLimiter(2)

    def remembered(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of sentences; blocks."""
        unknown = [text for text in texts if text not in self._known]
        fresh = dict(zip(unknown, self._model.encode(unknown), strict=True)) if unknown else {}
        vectors = np.stack([fresh[text] if text in fresh else self._known[text] for text in texts])
        if len(self._known) + len(fresh) > _ENCODED_SENTENCES:
            self._known = {}
        self._known = {**self._known, **fresh}
        return vectors

    async def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of any texts."""
        return await anyio.to_thread.run_sync(self._model.encode, texts, limiter=self._threads)

    async def reply(self, request: ChatRequest) -> Reply:
        """The answering model's next message."""
        return await anyio.to_thread.run_sync(partial(reply, request, self.remembered), limiter=self._threads)


@dataclass(frozen=True)
class Models:
    """Everything that was loaded."""

    encoder: Encoder
    speaker: Speaker
    recognisers: Recognisers


def create_app(options: Options) -> FastAPI:
    """The application. It accepts connections only when every model is loaded and warm."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        flite = await anyio.to_thread.run_sync(load_flite)
        samples = [await anyio.to_thread.run_sync(flite.speak, sentence) for sentence in VOICE_SAMPLE]
        encoder = Encoder(await anyio.to_thread.run_sync(MiniLM))
        await encoder.encode(["one two three"])
        recognisers = Recognisers(options.streams)
        await recognisers.warm(_WARM_DECODERS, samples)
        app.state.models = Models(encoder, Speaker(flite), recognisers)
        log.info("offline models ready", streams=options.streams, silence_ms=options.silence_ms)
        yield
        recognisers.close()

    app = FastAPI(title="Parley's offline models", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(ModelServerError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unknown_route)
    app.add_api_route("/v1/models", list_models, methods=["GET"])
    app.add_api_route("/v1/models/{model}", read_model, methods=["GET"])
    app.add_api_route("/v1/embeddings", embeddings, methods=["POST"])
    app.add_api_route("/v1/chat/completions", chat_completions, methods=["POST"], response_model=None)
    app.add_api_route("/v1/audio/speech", speech, methods=["POST"], response_model=None)
    app.add_api_route("/v1/audio/transcriptions", transcriptions, methods=["POST"], response_model=None)

    @app.websocket("/v1/realtime")
    async def realtime_socket(socket: WebSocket, intent: str = "", model: str = Model.RECOGNITION) -> None:
        models: Models = socket.app.state.models
        await realtime.serve(socket, models.recognisers, intent=intent, model=model, silence_ms=options.silence_ms)

    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelServerError)
    return JSONResponse(error.body(), error.status)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part != "body")
    refusal = InvalidRequest(f"{where or 'The body'}: {first['msg']}", param=where or None)
    return JSONResponse(refusal.body(), refusal.status)


async def _unknown_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}. GET /v1/models lists what is here."
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}}
    return JSONResponse(body, error.status_code, headers=error.headers)


def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


async def list_models() -> dict[str, Any]:
    """The models of this server."""
    return {"object": "list", "data": [await read_model(model) for model in Model]}


async def read_model(model: str) -> dict[str, Any]:
    """One model."""
    require(model, Model(model) if model in set(Model) else Model.ANSWERS)
    return {"id": model, "object": "model", "created": _STARTED, "owned_by": "parley"}


async def embeddings(body: EmbeddingsRequest, request: Request) -> dict[str, Any]:
    """Texts as vectors of 384 numbers and length 1."""
    require(body.model, Model.EMBEDDINGS)
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = (await _models(request).encoder.encode(texts)).astype("<f4")
    as_base64 = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": Model.EMBEDDINGS, "data": data, "usage": usage}


async def chat_completions(body: ChatRequest, request: Request) -> Response | dict[str, Any]:
    """The answering model's next message, whole or streamed word by word."""
    require(body.model, Model.ANSWERS)
    given = await _models(request).encoder.reply(body)
    usage = estimated_usage(body, given)
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": Model.ANSWERS}
    if given.extractive:
        head["system_fingerprint"] = "extractive"
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        chunks = _chunks(head, given, usage if with_usage else None)
        return StreamingResponse(chunks, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    message: dict[str, Any] = {"role": "assistant", "content": given.text or None, "refusal": None}
    if given.calls:
        message["tool_calls"] = _calls(given)
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(given), "logprobs": None}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": _usage(usage)}


def _calls(given: Reply) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{uuid.uuid4().hex[:20]}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(given.calls)
    ]


def _finish_reason(given: Reply) -> str:
    return "tool_calls" if given.calls else "stop"


def _usage(usage: Usage) -> dict[str, int]:
    return {**asdict(usage), "total_tokens": usage.total_tokens}


async def _chunks(head: dict[str, Any], given: Reply, usage: Usage | None) -> AsyncIterator[str]:
    def event(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"

    yield event({"role": "assistant", "content": None if given.calls else ""})
    if given.calls:
        yield event({"tool_calls": _calls(given)})
    for word in _WORD.findall(given.text):
        yield event({"content": word})
    yield event({}, _finish_reason(given))
    if usage is not None:
        last = {**head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(usage)}
        yield f"data: {json.dumps(last)}\n\n"
    yield "data: [DONE]\n\n"


async def speech(body: SpeechRequest, request: Request) -> Response:
    """Spoken text: `pcm` (24 kHz) is streamed phrase by phrase, `wav` and `mp3` come whole."""
    require(body.model, Model.SPEECH)
    if body.voice not in VOICES:
        raise InvalidRequest(f"The voice '{body.voice}' is not here; use one of {', '.join(VOICES)}.", param="voice")
    spoken = _models(request).speaker.speak(body.input, voice=body.voice, speed=body.speed, rate=WIRE_RATE)
    if body.response_format == "pcm":
        return StreamingResponse(_as_pcm(spoken), media_type="audio/pcm")
    pieces = [np.zeros(0, np.int16), *[piece async for piece in spoken]]
    file = await anyio.to_thread.run_sync(encode, np.concatenate(pieces), WIRE_RATE, body.response_format)
    return Response(file, media_type="audio/wav" if body.response_format == "wav" else "audio/mpeg")


async def _as_pcm(spoken: AsyncIterator[Samples]) -> AsyncIterator[bytes]:
    async for piece in spoken:
        yield encode(piece, WIRE_RATE, "pcm")


async def transcriptions(
    request: Request,
    file: Annotated[UploadFile, File()],
    model: Annotated[str, Form()] = Model.RECOGNITION,
    response_format: Annotated[Literal["json", "text", "verbose_json"], Form()] = "json",
    granularities: Annotated[Granularities | None, Form(alias="timestamp_granularities[]")] = None,
) -> Response | dict[str, Any]:
    """The words of a recording in any usual container; English only."""
    require(model, Model.RECOGNITION)
    if file.size is not None and file.size > _LARGEST_UPLOAD:
        raise TooLarge(
            f"The file has {file.size:,} bytes; the limit is {_LARGEST_UPLOAD:,}. Send it in parts.", param="file"
        )
    samples = await anyio.to_thread.run_sync(decode, await file.read())
    utterances = await _models(request).recognisers.transcribe(samples, timeout=_WAIT_FOR_RECOGNISER_S)
    text = " ".join(utterance.text for utterance in utterances if utterance.text)
    if response_format == "text":
        return PlainTextResponse(text + "\n")
    if response_format == "json":
        return {"text": text, "usage": {"type": "duration", "seconds": round(len(samples) / RECOGNITION_RATE)}}
    return _verbose(text, utterances, len(samples) / RECOGNITION_RATE, granularities or ["segment"])


def _verbose(text: str, utterances: list[Utterance], duration: float, wished: Sequence[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": duration, "text": text}
    if "word" in wished:
        answer["words"] = [
            {"word": word.text, "start": round(word.start, 2), "end": round(word.end, 2)}
            for utterance in utterances
            for word in utterance.words
        ]
    if "segment" in wished:
        answer["segments"] = [
            {
                "id": index,
                "seek": 0,
                "start": round(utterance.start, 2),
                "end": round(utterance.end, 2),
                "text": utterance.text,
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0,
            }
            for index, utterance in enumerate(utterances)
        ]
    return answer
