"""The scripted conversation: ask, listen, check what was heard, and ask the platform where the time went."""

import io
import tomllib
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any

import httpx2

from parley.demo.caller import RATE, Caller, NotHeard, Samples, Voice

PATH = ("recognition", "endpointing", "retrieval", "model", "speech", "playout")
"""The worker's parts of an answer, in their order."""
REFUSAL = ("know", "sorry")
"""One of these is in every honest refusal, as recognised."""


@dataclass(frozen=True)
class Question:
    """Something to ask, and how to tell a right answer."""

    text: str
    expect: tuple[str, ...] = ()
    unknown: bool = False

    def accepts(self, heard: str) -> bool:
        """Whether the words that were heard answer it."""
        words = heard.lower().replace("'", " ").split()
        if self.unknown:
            return any(word in words for word in REFUSAL)
        return all(word in words for word in self.expect)


@dataclass
class Turn:
    """One question and what came of it. Times in milliseconds."""

    question: Question
    heard: str = ""
    answered_ms: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def right(self) -> bool:
        """Heard, and right."""
        return not self.problem and self.question.accepts(self.heard)


@dataclass
class Place:
    """Where to call: what `--ready` says."""

    api_url: str
    api_key: str
    models_url: str
    agent_id: int

    @classmethod
    def of(cls, ready: dict[str, Any]) -> "Place":
        """From the ready file's content."""
        return cls(ready["api_url"], ready["api_key"], ready["models_url"], ready["agent_id"])


def questions() -> list[Question]:
    """The demo's script."""
    script = tomllib.loads((resources.files(__package__) / "script.toml").read_text())
    return [
        Question(row["text"], tuple(row.get("expect", ())), bool(row.get("unknown", False)))
        for row in script["question"]
    ]


class Conversation:
    """One call by the script."""

    def __init__(self, place: Place, http: httpx2.AsyncClient, *, room: str) -> None:
        self.place, self.http, self.room = place, http, room
        self.greeting_ms: float | None = None
        self.session_id: int | None = None
        self._voice = Voice()

    async def run(self, script: list[Question]) -> AsyncIterator[Turn]:
        """Ask the questions one by one, after the greeting. Raises `NotHeard` where no persona answers the call."""
        speeches = {question.text: self._voice(question.text) for question in script}
        asked = datetime.now().timestamp()
        token = await self._post("/token", identity="caller", room=self.room, agent_config_id=self.place.agent_id)
        async with Caller(token["wsUrl"], token["token"]) as caller:
            greeted = await caller.sound_after(asked, within=20)
            self.greeting_ms = (greeted - asked) * 1000
            await caller.quiet()
            self.session_id = await self._find_session()
            for question in script:
                yield await self._ask(caller, question, speeches[question.text])

    async def _ask(self, caller: Caller, question: Question, speech: Samples) -> Turn:
        turn = Turn(question)
        ended = await caller.say(speech)
        try:
            answered = await caller.sound_after(ended, within=10)
            turn.answered_ms = (answered - ended) * 1000
            await caller.quiet()
        except NotHeard as error:
            turn.problem = str(error)
            return turn
        turn.heard = await self._recognise(caller.between(answered - 0.1, caller.last_sound + 0.2))
        turn.parts = await self._parts(ended, answered)
        return turn

    async def _recognise(self, sound: Samples) -> str:
        """What the received audio says, by the model server's recognition."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(sound.tobytes())
        answer = await self.http.post(
            f"{self.place.models_url}/audio/transcriptions",
            files={"file": ("heard.wav", buffer.getvalue(), "audio/wav")},
            data={"model": "pocketsphinx-en"},
        )
        answer.raise_for_status()
        return str(answer.json()["text"])

    async def _parts(self, ended: float, answered: float) -> dict[str, float]:
        """Where the time went: transport at the caller, everything else as the worker measured it."""
        if self.session_id is None:
            return {}
        turns = (await self._get(f"/sessions/{self.session_id}/turns"))["turns"]
        if not turns or turns[-1]["speech_ended_at"] is None:
            return {}
        last = turns[-1]
        noticed = datetime.fromisoformat(last["speech_ended_at"]).timestamp()
        played = datetime.fromisoformat(last["audio_started_at"]).timestamp()
        if not ended - 1 < played < answered + 1:
            return {}  # another turn's figures
        parts = {"to the worker": (noticed - ended) * 1000}
        parts |= {name: value for name in PATH if (value := last["parts"].get(f"{name}_ms")) is not None}
        return parts | {"to the caller": (answered - played) * 1000}

    async def _find_session(self) -> int | None:
        listed = await self._get("/sessions?status=active")
        found = [row["id"] for row in listed["sessions"] if row["room_name"].endswith(f"_{self.room}")]
        return found[0] if found else None

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get(f"{self.place.api_url}/api/v1{path}", headers={"X-API-Key": self.place.api_key})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(
            f"{self.place.api_url}/api/v1{path}", json=body, headers={"X-API-Key": self.place.api_key}
        )
        if answer.is_error:
            raise NotHeard(f"{path} answered {answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found
