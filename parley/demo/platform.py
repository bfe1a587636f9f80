"""What the caller asks of a running platform: a token, and where the time of a turn went."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

_TURN_WAIT_S: Final = 3.0
_TURN_POLL_S: Final = 0.2


class PlatformError(Exception):
    """The platform did not do what the demo needs: what, why, and what to try."""


class Ready(BaseModel):
    """What the demo needs of the file that `parley up --ready` writes."""

    model_config = ConfigDict(extra="ignore")

    api_url: str
    livekit_url: str
    api_key: str
    agent_id: int
    log_dir: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file's content."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise PlatformError(
                f"{path} cannot be read ({error.strerror}). Start the platform first: parley up --ready {path}"
            ) from error
        except ValidationError as error:
            missing = ", ".join(str(part["loc"][0]) for part in error.errors() if part["loc"])
            raise PlatformError(
                f"{path} is not a ready file of this version ({missing or 'no JSON object'}). "
                f"Stop the platform and start it again: parley up --ready {path}"
            ) from error


class Token(BaseModel):
    """A way into a room."""

    model_config = ConfigDict(extra="ignore")

    token: str
    room: str
    wsUrl: str


class Turn(BaseModel):
    """Where the platform says that the time went, in milliseconds."""

    model_config = ConfigDict(extra="ignore")

    sequence: int
    speech_ended_at: datetime | None = None
    audio_started_at: datetime | None = None
    parts: dict[str, float | None] = {}
    chunks: list[Any] = []


class Platform:
    """The primary API with one key."""

    def __init__(self, ready: Ready) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"{ready.api_url}/api/v1", headers={"X-API-Key": ready.api_key}, timeout=10
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def token(self, *, identity: str, room: str, agent_id: int) -> Token:
        """A token that also calls the persona into the room."""
        body = {"identity": identity, "room": room, "agent_config_id": agent_id}
        return Token.model_validate(await self._send("POST", "/token", body))

    async def session_of(self, room: str) -> int | None:
        """The running session of a room; None when there is none, or the platform cannot say."""
        try:
            answer = await self._send("GET", "/sessions?status=active&per_page=100")
        except PlatformError:
            return None
        for session in answer.get("sessions", []):
            if room in (session.get("room_name"), session.get("full_room_name")):
                return int(session["id"])
        return None

    async def turn_after(self, session_id: int, sequence: int, speech_ended_at: float) -> Turn | None:
        """The turn that follows `sequence` and answers what ended at this moment; None when it is not reported soon."""
        earliest = datetime.fromtimestamp(speech_ended_at - 1.0, UTC)
        deadline = time.monotonic() + _TURN_WAIT_S
        while time.monotonic() < deadline:
            try:
                answer = await self._send("GET", f"/sessions/{session_id}/turns")
            except PlatformError:
                return None
            for raw in answer.get("turns", []):
                turn = Turn.model_validate(raw)
                if turn.sequence > sequence and (turn.speech_ended_at is None or turn.speech_ended_at > earliest):
                    return turn
            await asyncio.sleep(_TURN_POLL_S)
        return None

    async def last_words(self, session_id: int) -> str:
        """What the persona said last, as the transcript has it; empty when the platform cannot say."""
        try:
            answer = await self._send("GET", f"/sessions/{session_id}/transcript")
        except PlatformError:
            return ""
        spoken = [line["content"] for line in answer.get("transcripts", []) if line.get("speaker") == "agent"]
        return str(spoken[-1]) if spoken else ""

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise PlatformError(
                f"{self._client.base_url} does not answer ({error}). Is the platform running?"
            ) from error
        if response.is_error:
            raise PlatformError(f"{method} {path} answered {response.status_code}: {response.text[:300]}")
        try:
            content: dict[str, Any] = response.json()
        except json.JSONDecodeError as error:
            raise PlatformError(f"{method} {path} answered something that is not JSON.") from error
        return content
