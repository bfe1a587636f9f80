"""A room of LiveKit in memory, where somebody is: as much of it as a conversation touches beside its sound."""

import asyncio
from types import SimpleNamespace
from typing import Any

from livekit.rtc import EventEmitter, ParticipantKind

WIRE = 0.01
"""Seconds that whatever is sent into the room takes."""


class _Writer:
    """A stream of text into the room."""

    def __init__(self, shown: list[str]) -> None:
        self._shown, self._text = shown, ""

    async def write(self, text: str) -> None:
        await asyncio.sleep(WIRE)
        self._text += text

    async def aclose(self, **_: Any) -> None:
        self._shown.append(self._text)


class _Ourselves:
    """The participant whose room it is."""

    def __init__(self, identity: str) -> None:
        self.identity, self.name, self.sid = identity, "Robin", "PA_agent"
        self.kind = ParticipantKind.PARTICIPANT_KIND_AGENT
        self.track_publications: dict[str, Any] = {}
        self.attributes: dict[str, str] = {}
        self.shown: list[str] = []
        """Texts that people in the room read."""

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        await asyncio.sleep(WIRE)
        self.attributes |= attributes

    async def stream_text(self, **_: Any) -> _Writer:
        await asyncio.sleep(WIRE)
        return _Writer(self.shown)


class MemoryRoom(EventEmitter[str]):
    """A room that is connected."""

    def __init__(self, person: str = "person", agent: str = "agent-1") -> None:
        super().__init__()
        self.name = "r"
        self.local_participant = _Ourselves(agent)
        self.remote_participants = {
            person: SimpleNamespace(
                identity=person,
                name=person.title(),
                sid="PA_person",
                kind=ParticipantKind.PARTICIPANT_KIND_STANDARD,
                attributes={},
                track_publications={},
                disconnect_reason=None,
                _info=SimpleNamespace(client_protocol=99),  # one that reads streams of text
            )
        }

    def isconnected(self) -> bool:
        return True

    def register_text_stream_handler(self, topic: str, handler: Any) -> None: ...

    def unregister_text_stream_handler(self, topic: str) -> None: ...
