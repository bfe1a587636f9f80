"""The realtime transcription socket: `/v1/realtime?intent=transcription`.

The client sends 24 kHz samples as they are spoken and never commits; this side finds the end of speech by itself::

    ← session.created
    → session.update              model, format, turn detection
    ← session.updated
    → input_audio_buffer.append   base64 pcm16, again and again
    ← input_audio_buffer.speech_started
    ← conversation.item.input_audio_transcription.delta      while speaking
    ← input_audio_buffer.speech_stopped, input_audio_buffer.committed
    ← conversation.item.input_audio_transcription.completed
    → input_audio_buffer.commit   ends an utterance at once
"""

import asyncio
import base64
import binascii
import uuid
from functools import partial
from typing import Annotated, Any, Final, Literal

import numpy as np
import structlog
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from parley.offline.audio import RECOGNITION_RATE, WIRE_RATE, Resampler, Samples, from_pcm
from parley.offline.catalogue import Model, require
from parley.offline.errors import InvalidRequest, ModelServerError
from parley.offline.recognition import (
    Finished,
    Interim,
    Recognised,
    Recognisers,
    SpeechStream,
    Started,
    Stopped,
)

log = structlog.get_logger()

_WAIT_FOR_RECOGNISER_S: Final = 2.0
_MESSAGES_WAITING: Final = 200  # of 50 ms each; beyond it the socket itself makes the client wait
_LONGEST_PIECE_S: Final = 15
_SHORTEST_SILENCE_MS: Final = 60  # stop consonants are silent for up to 70 ms
_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class AudioFormat(_Lenient):
    """How the samples are sent."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class Transcription(_Lenient):
    """What recognises them."""

    model: str = Model.RECOGNITION
    language: str | None = None


class TurnDetection(_Lenient):
    """How the end of speech is found."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    silence_duration_ms: int = Field(default=500, ge=0, le=10_000)


class AudioInput(_Lenient):
    """`session.audio.input`."""

    format: AudioFormat | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class Audio(_Lenient):
    """`session.audio`."""

    input: AudioInput = Field(default_factory=AudioInput)


class Session(_Lenient):
    """`session`."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Field(default_factory=Audio)


class SessionUpdate(_Lenient):
    """Settings; what is left out stays as it was."""

    type: Literal["session.update"]
    session: Session


class Append(_Lenient):
    """More samples."""

    type: Literal["input_audio_buffer.append"]
    audio: str = Field(max_length=_LONGEST_PIECE_S * WIRE_RATE * 2 * 4 // 3 + 4)


class Commit(_Lenient):
    """End the utterance now."""

    type: Literal["input_audio_buffer.commit"]


Message = Annotated[SessionUpdate | Append | Commit, Field(discriminator="type")]
_MESSAGE: Final[TypeAdapter[SessionUpdate | Append | Commit]] = TypeAdapter(Message)


class Conversation:
    """One socket: a reader that never waits for decoding, and a decoder that takes all that has arrived at once."""

    def __init__(self, socket: WebSocket, stream: SpeechStream, recognisers: Recognisers, *, silence_ms: int) -> None:
        self._socket, self._stream, self._recognisers = socket, stream, recognisers
        self._longest_silence_ms = silence_ms
        self._stream.listener.silence_ms = silence_ms
        self._detects_turns = True
        self._resampler = Resampler(WIRE_RATE, RECOGNITION_RATE)
        self._messages: asyncio.Queue[Append | Commit | None] = asyncio.Queue(_MESSAGES_WAITING)
        self._item = _new_id("item")

    async def run(self) -> None:
        """Serves the socket until the client leaves."""
        await self._send("session.created", session=self._description())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            await self._decode()

    async def _read(self) -> None:
        while (text := await self._receive()) is not None:
            try:
                message = _MESSAGE.validate_json(text)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"]) or "message"
                await self._refuse(InvalidRequest(f"{where}: {first['msg']}", param=where))
                continue
            if isinstance(message, SessionUpdate):
                await self._update(message.session.audio.input)
            else:
                await self._messages.put(message)
        await self._messages.put(None)

    async def _receive(self) -> str | None:
        try:
            return await self._socket.receive_text()
        except (WebSocketDisconnect, KeyError):  # KeyError: a binary frame, which this protocol does not have
            return None

    async def _update(self, wished: AudioInput) -> None:
        if wished.transcription is not None:
            try:
                require(wished.transcription.model, Model.RECOGNITION)
            except ModelServerError as error:
                await self._refuse(error)
                return
        if "turn_detection" in wished.model_fields_set:
            self._detects_turns = wished.turn_detection is not None
        if wished.turn_detection is not None:
            silence_ms = min(wished.turn_detection.silence_duration_ms, self._longest_silence_ms)
            self._stream.listener.silence_ms = max(silence_ms, _SHORTEST_SILENCE_MS)
        if not self._detects_turns:
            self._stream.listener.silence_ms = self._stream.listener.longest_ms
        await self._send("session.updated", session=self._description())

    async def _decode(self) -> None:
        """Decodes all that has arrived in one go, so that a decoder that fell behind catches up."""
        closed = False
        while not closed:
            waiting = [await self._messages.get()]
            while not self._messages.empty():
                waiting.append(self._messages.get_nowait())
            closed = waiting[-1] is None
            pieces: list[Samples] = []
            for message in waiting:
                if isinstance(message, Append):
                    pieces.append(await self._samples(message))
                elif isinstance(message, Commit):
                    await self._push(pieces)
                    pieces = []
                    results = await self._recognisers.run(self._stream.finish)
                    await self._tell(results or [Finished("")])  # the client waits for an answer to its commit
            await self._push(pieces)

    async def _push(self, pieces: list[Samples]) -> None:
        if pieces:
            await self._tell(await self._recognisers.run(partial(self._stream.push, np.concatenate(pieces))))

    async def _samples(self, message: Append) -> Samples:
        try:
            return self._resampler.push(from_pcm(base64.b64decode(message.audio, validate=True)))
        except binascii.Error:
            await self._refuse(InvalidRequest("audio: this is not base64", param="audio"))
            return np.zeros(0, np.int16)

    async def _tell(self, results: list[Recognised]) -> None:
        for recognised in results:
            match recognised:
                case Started(at_ms=at_ms):
                    await self._send("input_audio_buffer.speech_started", item_id=self._item, audio_start_ms=at_ms)
                case Interim(added=added):
                    await self._send(f"{_TRANSCRIPTION}.delta", item_id=self._item, content_index=0, delta=added)
                case Stopped(at_ms=at_ms):
                    await self._send("input_audio_buffer.speech_stopped", item_id=self._item, audio_end_ms=at_ms)
                case Finished(text=text):
                    await self._complete(text)

    async def _complete(self, text: str) -> None:
        item, self._item = self._item, _new_id("item")
        tokens = len(text.split())
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        await self._send(
            f"{_TRANSCRIPTION}.completed",
            item_id=item,
            content_index=0,
            transcript=text,
            usage={"type": "tokens", "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens},
        )

    def _description(self) -> dict[str, Any]:
        detection = {"type": "server_vad", "silence_duration_ms": self._stream.listener.silence_ms}
        return {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": AudioFormat().model_dump(),
                    "transcription": {"model": Model.RECOGNITION, "language": "en"},
                    "turn_detection": detection if self._detects_turns else None,
                }
            },
        }

    async def _refuse(self, error: ModelServerError) -> None:
        await self._send("error", **error.body())

    async def _send(self, type_: str, **fields: Any) -> None:
        try:
            await self._socket.send_json({"type": type_, "event_id": _new_id("event"), **fields})
        except (WebSocketDisconnect, RuntimeError):  # the client left; the reader sees it too and ends the conversation
            log.debug("realtime client left before an event", type=type_)


async def serve(socket: WebSocket, recognisers: Recognisers, *, intent: str, model: str, silence_ms: int) -> None:
    """Accepts the socket and serves it; a refusal is told as an `error` event before the socket is closed."""
    await socket.accept()
    try:
        if intent != "transcription":
            raise InvalidRequest("Only intent=transcription is served here.", param="intent")
        require(model, Model.RECOGNITION)
        async with recognisers.stream(timeout=_WAIT_FOR_RECOGNISER_S) as stream:
            await Conversation(socket, stream, recognisers, silence_ms=silence_ms).run()
    except ModelServerError as error:
        await socket.send_json({"type": "error", "event_id": _new_id("event"), **error.body()})
        await socket.close(1008 if error.status < 500 else 1013)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:20]}"
