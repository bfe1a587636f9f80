"""`parley tail`: the monitor on a terminal."""

import json
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from parley.client import Access
from parley.commands.lines import line_of
from parley.commands.monitor import Message, follow

_MOST_INTERIM: Final = 5
"""Lines being spoken that are shown at once."""


async def tail(access: Access, channel: str, *, after: int | None, as_json: bool, console: Console) -> int:
    """Print a line for each event until cancelled."""
    with _Screen(console, channel, as_json=as_json) as screen:
        async with aclosing(follow(access, channel, after=after, lost=screen.lost)) as messages:
            async for message in messages:
                screen.show(message)
    return 0


class _Screen:
    """Events go by; below them, on a terminal, what is being said at this moment."""

    def __init__(self, console: Console, channel: str, *, as_json: bool) -> None:
        self._console, self._channel, self._as_json = console, channel, as_json
        self._interim: dict[tuple[Any, Any], Message] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shows_interim = console.is_terminal and not as_json
        self._is_lost = False

    def __enter__(self) -> Self:
        if self._shows_interim:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shows_interim:
            self._live.stop()

    def lost(self) -> None:
        """The connection is gone and is being made again."""
        self._interim.clear()
        if not self._is_lost:
            self._is_lost = True
            self._note("connection lost; trying again")

    def show(self, message: Message) -> None:
        """Print a message, or put it below the others while it is not final."""
        if message["type"] == "subscribed":
            self._note(
                "connected again" if self._is_lost else f"following {self._channel} from {message['id']}, Ctrl-C ends"
            )
            self._is_lost = False
            return
        voice = (message["data"].get("session_id"), message["data"].get("speaker"))
        self._interim.pop(voice, None)
        if message["id"] is None and message["data"].get("content"):
            self._interim[voice] = message
        if self._shows_interim:
            newest = list(self._interim.values())[-_MOST_INTERIM:]
            self._live.update(Group(*(self._interim_line(line) for line in newest)), refresh=True)
        if message["id"] is not None:
            self._print(message)

    def _print(self, message: Message) -> None:
        if self._as_json:
            line = json.dumps(message, separators=(",", ":"))
            self._console.out(line, highlight=False)
        else:
            self._console.print(line_of(message), soft_wrap=True)
        self._console.file.flush()

    @staticmethod
    def _interim_line(message: Message) -> Text:
        line = line_of(message)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _note(self, sentence: str) -> None:
        """Say something of our own: on a terminal only, so that a pipe holds events and nothing else."""
        if self._console.is_terminal:
            self._console.print(Text(sentence, style="dim"))
