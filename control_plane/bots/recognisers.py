"""Who writes down recordings: servers of the OpenAI protocol, and Gladia by its documented API."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import openai

from control_plane.errors import Unavailable
from guard.outbound import Outbound, OutboundError, read_url

UPLOAD_WITHIN: Final = 40.0
"""Seconds of one request: less than a job may take."""
LATER: Final = (408, 409, 429)
"""Refusals that are none for ever."""
MOST_ANSWERED: Final = 64 * 1024 * 1024


class NotWritten(Exception):
    """Why a recording is not written down; another try does not help."""


class NotYet(Unavailable):
    """A recogniser does not answer now."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word in seconds of its file; the speaker is a number where voices were told apart."""

    text: str
    start: float
    end: float
    speaker: str = ""


async def hear_words(client: openai.AsyncOpenAI, model: str, wav: bytes, place: float) -> list[HeardWord]:
    """The words of a piece that begins at `place`. Raises `NotYet`, `NotWritten`."""
    try:
        answer: Any = await client.audio.transcriptions.create(
            model=model,
            file=("piece.wav", io.BytesIO(wav), "audio/wav"),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    except openai.OpenAIError as error:
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        if 400 <= status < 500 and status not in LATER:
            raise NotWritten(f"the recogniser refused: {status}") from error
        raise NotYet(type(error).__name__) from error
    try:
        words = [HeardWord(each.word.strip(), place + each.start, place + each.end) for each in answer.words or ()]
        if not words:
            words = [word for each in answer.segments or () for word in _spread(each.text, place + each.start, each)]
    except (AttributeError, TypeError) as error:
        raise NotWritten("the recogniser answered what nobody can read") from error
    return [word for word in words if word.text]


def _spread(text: str, start: float, segment: Any) -> list[HeardWord]:
    """A segment whose words nobody timed."""
    words = text.split()
    each = (segment.end - segment.start) / max(1, len(words))
    return [HeardWord(word, start + place * each, start + (place + 1) * each) for place, word in enumerate(words)]


class Gladia:
    """https://docs.gladia.io, version 2: upload, task, result."""

    def __init__(self, outbound: Outbound, url: str) -> None:
        self.outbound, self.url = outbound, url.rstrip("/")

    async def begin(self, key: str, file: Path, options: dict[str, Any]) -> str:
        """Upload a file and have it written down; the task's id. Raises `NotYet`, `NotWritten`."""
        with file.open("rb") as content:
            form = aiohttp.FormData()
            form.add_field("audio", content, filename=file.name, content_type="application/octet-stream")
            uploaded = await self._ask("POST", "/v2/upload", key, data=form)
        asked = {"diarization": True} | options | {"audio_url": uploaded.get("audio_url")}
        task = await self._ask("POST", "/v2/pre-recorded", key, json=asked)
        if not isinstance(task.get("id"), str):
            raise NotWritten("Gladia named no task")
        return str(task["id"])

    async def find(self, key: str, task: str) -> list[HeardWord] | None:
        """The words of a task; None while it runs. Raises `NotYet`, `NotWritten`."""
        answer = await self._ask("GET", f"/v2/pre-recorded/{task}", key)
        if answer.get("status") == "error":
            raise NotWritten(f"Gladia could not write it down: {answer.get('error_code')}")
        if answer.get("status") != "done":
            return None
        try:
            return [
                HeardWord(
                    str(word["word"]).strip(),
                    float(word["start"]),
                    float(word["end"]),
                    "" if said.get("speaker") is None else f"Speaker {int(said['speaker']) + 1}",
                )
                for said in answer["result"]["transcription"]["utterances"]
                for word in said["words"]
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NotWritten("Gladia answered what nobody can read") from error

    async def _ask(self, method: str, path: str, key: str, **content: Any) -> dict[str, Any]:
        try:
            async with self.outbound.http.request(
                method, read_url(self.url + path), headers={"x-gladia-key": key}, allow_redirects=False, **content
            ) as response:
                body = bytearray()
                while len(body) < MOST_ANSWERED and (part := await response.content.read(MOST_ANSWERED - len(body))):
                    body += part
        except (aiohttp.ClientError, OutboundError, OSError, TimeoutError) as error:
            raise NotYet("Gladia does not answer") from error
        if response.status >= 500 or response.status in LATER:
            raise NotYet(f"Gladia answered {response.status}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if response.status >= 400 or not isinstance(answer, dict):
            raise NotWritten(f"Gladia refused: {response.status}")
        return answer
