"""The other side of `parley talk`: who has hung up, and who was only lost for a moment."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc

from parley.commands import talk
from parley.commands.talk import Persona

pytestmark = pytest.mark.anyio


class FakeRoom:
    """Tells what it is told to tell."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.remote_participants: dict[str, Any] = {}

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        self.handlers[event] = handler

    def register_text_stream_handler(self, topic: str, handler: Callable[..., Any]) -> None:
        self.handlers[topic] = handler


def agent(state: str) -> Any:
    kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    return SimpleNamespace(identity="agent-1", kind=kind, attributes={"lk.agent.state": state})


async def there() -> tuple[Persona, FakeRoom]:
    room: Any = FakeRoom()
    room.remote_participants["agent-1"] = agent("listening")
    words: Any = None
    persona = Persona(room, words)
    await persona.comes()
    return persona, room


async def test_a_persona_that_was_lost_and_comes_again_has_not_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    persona, room = await there()
    room.handlers["participant_disconnected"](agent("listening"))
    room.handlers["participant_connected"](agent("speaking"))
    monkeypatch.setattr(talk, "_BACK_WITHIN_S", 0.0)  # nobody is waited for any more
    for _ in range(5):
        await asyncio.sleep(0)
    assert not persona.has_left
    await persona.close()


async def test_a_persona_that_does_not_come_again_has_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "_BACK_WITHIN_S", 0.0)
    persona, room = await there()
    room.handlers["participant_disconnected"](agent("listening"))
    async with asyncio.timeout(10):
        await persona.leaves()
    await persona.close()


async def test_a_room_that_is_closed_is_left_at_once() -> None:
    persona, room = await there()
    room.handlers["participant_disconnected"](agent("listening"))
    room.handlers["disconnected"]()
    async with asyncio.timeout(10):
        await persona.leaves()
    await persona.close()
