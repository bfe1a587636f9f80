"""`parley talk`: talk to a persona in text. It hears typed lines and its words come as they are written.

`python -m parley.commands.talk API_URL [AGENT_ID]`, with the key in `PARLEY_API_KEY`.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from livekit import rtc
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from agents.contract import AGAIN, PERSONA_PREFIX
from parley.client import Access, Api, PlatformError
from parley.commands.running import console, end, plain, run
from parley.commands.typed_lines import TypedLines
from pocket.rooms.joining import connect

_CHAT: Final = "lk.chat"
_TRANSCRIPTION: Final = "lk.transcription"
_STATE: Final = "lk.agent.state"
_BUSY: Final = ("thinking", "speaking")
_CONNECT_WITHIN_S: Final = 15.0
_LEAVE_WITHIN_S: Final = 5.0
_COMES_WITHIN_S: Final = 20.0
_ANSWERS_WITHIN_S: Final = 60.0
_BACK_WITHIN_S: Final = 20.0
"""A persona that is gone so long, in a room that stands, does not come back."""
_WORDLESS_S: Final = 2.0
"""A persona that listens again and has written nothing for so long has nothing to say."""


class Words(Protocol):
    """Who shows what the persona writes."""

    def begin(self) -> None:
        """It begins to speak."""

    def write(self, piece: str) -> None:
        """The next words."""

    def end(self) -> None:
        """It has said what it had to say."""


class Persona:
    """The persona of a room: what it writes, and whether it listens."""

    def __init__(self, room: rtc.Room, words: Words) -> None:
        self._room, self._words = room, words
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._identity: str | None = None
        self._state = ""
        self._was_busy = False
        self._wrote = False
        self._writing = 0
        self._line: str | None = None
        """What was typed last, until something is written after it."""
        self._is_lost = False
        """Whether whom it was typed to has died since: the next words are those of another, who does not know it."""
        self.has_left = False
        room.on("participant_connected", self._on_joined)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("participant_disconnected", self._on_left)
        room.on("disconnected", self._on_disconnected)
        room.register_text_stream_handler(_TRANSCRIPTION, self._on_text)

    async def comes(self) -> None:
        """Wait until it is there and listens, or speaks already. Raises `PlatformError`."""
        for participant in self._room.remote_participants.values():
            self._on_joined(participant)
        problem = f"the persona did not come within {_COMES_WITHIN_S:.0f} s. Is a worker running? See `parley doctor`"
        await self._until(lambda: self._state in ("listening", *_BUSY), _COMES_WITHIN_S, problem)

    async def hear(self, text: str) -> None:
        """Type a line to it. Where it dies before it begins to answer, the one that comes in its stead is told."""
        self.expect()
        self._line, self._is_lost = text, not self._state
        await self._room.local_participant.send_text(text, topic=_CHAT)

    def expect(self) -> None:
        """What it writes from now on is the answer."""
        self._was_busy, self._wrote = self._state in _BUSY, False

    async def finishes_writing(self) -> None:
        """Wait until its answer is written; it may still be speaking it."""
        await self._until(lambda: self._wrote and not self._writing, _ANSWERS_WITHIN_S, _no_answer())

    async def finishes(self) -> None:
        """Wait until its answer is written and spoken, and it listens again."""
        await self._until(
            lambda: (self._was_busy or self._wrote) and self._state == "listening" and not self._writing,
            _ANSWERS_WITHIN_S,
            _no_answer(),
        )
        if not self._wrote:
            with suppress(PlatformError):
                await self._until(lambda: self._wrote and not self._writing, _WORDLESS_S, "")

    async def leaves(self) -> None:
        """Wait until it has left, or the room is gone."""
        while not self.has_left:
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Stop reading what it writes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until(self, is_so: Callable[[], bool], seconds: float, problem: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not is_so() and not self.has_left:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise PlatformError(problem) from None

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            self._identity = participant.identity
            self._on_attributes(dict(participant.attributes), participant)

    def _on_attributes(self, changed: dict[str, str], participant: rtc.Participant) -> None:
        if participant.identity == self._identity and _STATE in changed:
            self._state = changed[_STATE]
            self._was_busy = self._was_busy or self._state in _BUSY
            self._changed.set()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._identity:
            # Who hangs up closes the room with it. This one may have died, and another comes in its stead.
            self._state, self._was_busy = "", False
            self._is_lost = self._line is not None
            self._own(self._comes_back())

    async def _comes_back(self) -> None:
        try:
            await self._until(lambda: bool(self._state), _BACK_WITHIN_S, "")
        except PlatformError:
            self._on_disconnected()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_disconnected(self, *_: object) -> None:
        self.has_left = True
        self._changed.set()

    def _on_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._own(self._read(reader, identity))

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        """Show one segment of its speech; what it hears of others is written by it, too, in their name."""
        if not identity.startswith(PERSONA_PREFIX):  # its words may outrun its arrival
            reader.close()
            return
        excuses = self._is_lost
        self._line = self._line if excuses else None
        self._writing += 1
        self._words.begin()
        try:
            async for piece in reader:
                self._words.write(piece)
        except rtc.StreamError:
            pass  # cut short: what came is what was said
        finally:
            self._words.end()
            self._writing -= 1
            self._wrote = self._wrote or not excuses
            self._changed.set()
        if excuses and self._is_lost and self._line is not None:
            self._is_lost = self._was_busy = False
            # It may have been heard before: whoever knows it drops what is marked so.
            with suppress(rtc.StreamError):
                await self._room.local_participant.send_text(self._line, topic=_CHAT, attributes={AGAIN: "yes"})


class Screen:
    """The conversation on the terminal; its prompt gives way when the persona speaks first."""

    def __init__(self, console: Console, persona: str) -> None:
        self._console, self._persona = console, plain(persona)
        self._is_asking = False

    def ask(self) -> None:
        """It is the person's turn to type."""
        self._is_asking = True
        self._write(("You: ", "bold yellow"))

    def typed(self, text: str, *, is_shown: bool) -> None:
        """The person has typed a line, which a terminal shows by itself."""
        self._is_asking = False
        if text and not is_shown:
            self._write((f"You: {plain(text)}\n", ""))

    def begin(self) -> None:
        """The persona begins to speak."""
        if self._is_asking:
            self._write(("\n", ""))
        self._write((f"{self._persona}: ", "bold cyan"))

    def write(self, piece: str) -> None:
        """The next words."""
        self._write((plain(piece), ""))

    def end(self) -> None:
        """The persona has said what it had to say."""
        self._write(("\n", ""))
        if self._is_asking:
            self.ask()

    def note(self, sentence: str) -> None:
        """Something beside the conversation."""
        if self._is_asking:
            self._write(("\n", ""))
        self._write((f"{sentence}\n", "dim"))

    def _write(self, *parts: tuple[str, str]) -> None:
        self._console.print(Text.assemble(*parts), end="", soft_wrap=True)
        self._console.file.flush()


async def talk(access: Access, console: Console, *, agent_id: int | None) -> int:
    """Talk until an empty line, the end of standard input, or until the persona hangs up.

    On a terminal a line may interrupt; from a pipe each line waits until the one before was answered to its end.
    Status 1 where the persona leaves a line unanswered.
    """
    async with Api(access) as api:
        persona = await _choose(api, agent_id)
        body = {
            "identity": f"terminal-{secrets.token_hex(4)}",
            "room": f"talk-{secrets.token_hex(4)}",
            "agent_config_id": persona["id"],
        }
        admitted = await api.send("POST", "/token", body)
    room, screen = rtc.Room(), Screen(console, persona["name"])
    listener = Persona(room, screen)
    try:
        screen.note(f"Calling {plain(persona['name'])}. An empty line or Ctrl-D hangs up.")
        await _connect(room, admitted)
        await listener.comes()
        if persona["greeting"]:
            await (listener.finishes_writing() if sys.stdin.isatty() else listener.finishes())
        return await _converse(listener, screen, TypedLines(sys.stdin.fileno()), is_terminal=sys.stdin.isatty())
    finally:
        await listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                await room.disconnect()


async def _connect(room: rtc.Room, admitted: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            # Its voice is taken though nobody plays it: a persona speaks only to those who hear it.
            options = rtc.RoomOptions(connect_timeout=_CONNECT_WITHIN_S)
            await connect(room, admitted["wsUrl"], admitted["token"], options)
    except (rtc.ConnectError, TimeoutError) as error:
        raise PlatformError(
            f"{admitted['wsUrl']} could not be joined. A firewall may block it; voice needs WebSockets and UDP or TCP"
        ) from error


async def _converse(persona: Persona, screen: Screen, lines: TypedLines, *, is_terminal: bool) -> int:
    gone = asyncio.create_task(persona.leaves())
    try:
        while not persona.has_left:
            if is_terminal:
                screen.ask()
            typing = asyncio.create_task(lines.next())
            await asyncio.wait({typing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not typing.done():
                typing.cancel()
                break
            line = typing.result()
            text = (line or "").strip()
            screen.typed(text, is_shown=is_terminal)
            if not text:
                if line is None and is_terminal:
                    console.print()
                return 0
            await persona.hear(text)
            await (persona.finishes_writing() if is_terminal else persona.finishes())
        screen.note("The persona hung up.")
        return 0 if is_terminal else 1
    finally:
        gone.cancel()


async def _choose(api: Api, agent_id: int | None) -> dict[str, Any]:
    """The persona of that id, or the first active one."""
    if agent_id is not None:
        chosen: dict[str, Any] = (await api.send("GET", f"/agents/{agent_id}"))["agent"]
        return chosen
    for agent in (await api.send("GET", "/agents"))["agents"]:
        if agent["is_active"]:
            first: dict[str, Any] = agent
            return first
    raise PlatformError("this project has no active persona. Create one with POST /api/v1/agents")


def _no_answer() -> str:
    return f"the persona did not answer within {_ANSWERS_WITHIN_S:.0f} s. Look at the worker's log"


def main(api_url: str, agent_id: str | None = None) -> None:
    """Talk, and leave with the status."""
    access = Access(api_url=api_url, api_key=SecretStr(os.environ["PARLEY_API_KEY"]))
    try:
        run(talk(access, console, agent_id=None if agent_id is None else int(agent_id)))
    except SystemExit as ended:
        end(ended.code)


if __name__ == "__main__":
    main(*sys.argv[1:])
