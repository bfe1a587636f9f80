"""What the caller asks of a running platform: a token, and where the time of a turn went."""

import asyncio
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, SecretStr

from parley.client import Access, Api, PlatformError, Ready

_TURN_WAIT_S: Final = 3.0
_TURN_POLL_S: Final = 0.2


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
    """The primary API with one key. An asynchronous context manager."""

    def __init__(self, ready: Ready) -> None:
        self._api = Api(Access(api_url=ready.api_url, api_key=SecretStr(ready.api_key)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.__aexit__(kind, error, trace)

    async def token(self, *, identity: str, room: str, agent_id: int) -> Token:
        """A token that also calls the persona into the room."""
        body = {"identity": identity, "room": room, "agent_config_id": agent_id}
        return Token.model_validate(await self._api.send("POST", "/token", body))

    async def session_of(self, room: str) -> int | None:
        """The running session of a room; None when there is none, or the platform cannot say."""
        try:
            answer = await self._api.send("GET", "/sessions?status=active&per_page=100")
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
                answer = await self._api.send("GET", f"/sessions/{session_id}/turns")
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
            answer = await self._api.send("GET", f"/sessions/{session_id}/transcript")
        except PlatformError:
            return ""
        spoken = [line["content"] for line in answer.get("transcripts", []) if line.get("speaker") == "agent"]
        return str(spoken[-1]) if spoken else ""
