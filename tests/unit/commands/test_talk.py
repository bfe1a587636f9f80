"""The other side of `parley talk`: who has hung up, and who was only lost for a moment."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc

from agents.contract import AGAIN
from parley.commands import talk
from parley.commands.talk import Persona

pytestmark = pytest.mark.anyio


class FakeRoom:
    """Tells what it is told to tell."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.remote_participants: dict[str, Any] = {}
        self.typed: list[tuple[str, dict[str, str]]] = []
        self.local_participant = self

    async def send_text(self, text: str, *, topic: str, attributes: dict[str, str] | None = None) -> None:
        assert topic == "lk.chat"
        self.typed.append((text, attributes or {}))

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        self.handlers[event] = handler

    def register_text_stream_handler(self, topic: str, handler: Callable[..., Any]) -> None:
        self.handlers[topic] = handler


class Shown:
    """What is shown of the persona's words."""

    def __init__(self) -> None:
        self.text = ""

    def begin(self) -> None:
        self.text += "("

    def write(self, piece: str) -> None:
        self.text += piece

    def end(self) -> None:
        self.text += ")"


def agent(state: str) -> Any:
    kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    return SimpleNamespace(identity="agent-1", kind=kind, attributes={"lk.agent.state": state})


async def there() -> tuple[Persona, FakeRoom]:
    room: Any = FakeRoom()
    room.remote_participants["agent-1"] = agent("listening")
    persona = Persona(room, Shown())
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


async def says(persona: Persona, room: FakeRoom, text: str) -> None:
    """The persona that is there says something, to its end."""

    async def pieces() -> AsyncIterator[str]:
        yield text

    room.handlers["lk.transcription"](pieces(), "agent-1")
    for _ in range(5):
        await asyncio.sleep(0)


def another_comes(room: FakeRoom) -> None:
    room.handlers["participant_disconnected"](agent("listening"))
    room.handlers["participant_connected"](agent("speaking"))


async def test_a_line_that_nobody_began_to_answer_is_typed_again_to_who_comes_in_their_stead() -> None:
    persona, room = await there()
    await persona.hear("Are you there?")
    another_comes(room)
    await says(persona, room, "I was gone for a moment.")
    assert room.typed == [("Are you there?", {}), ("Are you there?", {AGAIN: "yes"})]

    answered = asyncio.create_task(persona.finishes_writing())
    await asyncio.sleep(0)
    assert not answered.done(), "an excuse is no answer"
    await says(persona, room, "Yes.")
    async with asyncio.timeout(10):
        await answered
    await persona.close()


async def test_a_line_that_is_typed_while_nobody_is_there_is_typed_again() -> None:
    persona, room = await there()
    room.handlers["participant_disconnected"](agent("listening"))
    await persona.hear("Hello?")
    room.handlers["participant_connected"](agent("listening"))
    await says(persona, room, "I was gone for a moment.")
    assert room.typed[1:] == [("Hello?", {AGAIN: "yes"})]
    await persona.close()


async def test_a_line_that_was_being_answered_is_not_typed_again() -> None:
    persona, room = await there()
    await persona.hear("How long is the warranty?")
    await says(persona, room, "Six mon")
    another_comes(room)
    await says(persona, room, "I was gone for a moment.")
    assert [text for text, _ in room.typed] == ["How long is the warranty?"]
    await persona.close()


TALK = """
import atexit, os
atexit.register(print, "taken down")
os.environ["PARLEY_API_KEY"] = "pk_x"
from parley.commands.talk import main
main("http://127.0.0.1:9")
"""


def test_the_command_ends_at_once_and_is_not_taken_down_around_the_librarys_threads() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("parley: ")
