"""How a command runs: its options for finding the platform, its end by Ctrl-C, its errors in one line."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from parley.client import Access, PlatformError, Ready
from parley.stack.directories import default_data_dir
from parley.stack.errors import StackError
from parley.stack.services import python

PLATFORM: Final = "Which platform"
_PIPE_WIDTH: Final = 250
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ReadyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ready",
        metavar="FILE",
        help="What `parley up` wrote. Default: `ready.json` in its data directory.",
        rich_help_panel=PLATFORM,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="A platform elsewhere, with its --key.", rich_help_panel=PLATFORM),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        envvar="PARLEY_API_KEY",
        show_envvar=False,
        help="API key. Better in `$PARLEY_API_KEY`: other users of this machine see what is typed here.",
        rich_help_panel=PLATFORM,
    ),
]

OperatorKeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        envvar="PARLEY_ADMIN_KEY",
        show_envvar=False,
        help="The operator's key. Better in `$PARLEY_ADMIN_KEY`; default: that of the ready file.",
        rich_help_panel=PLATFORM,
    ),
]

# A pipe has no width: what is cut or wrapped there is harder to read for the next program.
console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = Console(stderr=True, highlight=False)


def find_platform(ready: Path | None, url: str | None, key: str | None) -> Access:
    """The platform that the options name. Ends the command where there is none."""
    try:
        return Access.find((ready or default_data_dir() / "ready.json").expanduser().absolute(), url=url, key=key)
    except PlatformError as error:
        fail(error)


def find_operator(ready: Path | None, url: str | None, key: str | None) -> Access:
    """The same with the operator's key: the one given, else the ready file's."""
    file = (ready or default_data_dir() / "ready.json").expanduser().absolute()
    try:
        if url is None and not key:
            key = Ready.read(file).admin_key
        return Access.find(file, url=url, key=key)
    except PlatformError as error:
        fail(error)


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do a command's work and leave with its status; Ctrl-C cancels it and is no failure."""
    try:
        status = asyncio.run(_until_signal(work))
    except PlatformError as error:
        fail(error)
    raise SystemExit(status)


def fail(error: PlatformError) -> NoReturn:
    """Say in one line what went wrong, and leave with status 1."""
    errors.print(Text(f"parley: {plain(str(error))}"), soft_wrap=True)
    raise SystemExit(1)


def plain(text: str) -> str:
    """Text of others on one line, without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def end(status: object) -> NoReturn:
    """End this process at once, with all that it has said: of one that was in a room. LiveKit's library has threads of
    its own, which now and then abort a process that is taken down around them.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(status if isinstance(status, int) else 1)


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def become(module: str, *arguments: str) -> NoReturn:
    """Turn this process into another command of Parley: its signals and its status are that command's own."""
    try:
        command = python(module, *arguments)
    except StackError as error:
        errors.print(Text(f"parley: {error}"), soft_wrap=True)
        raise SystemExit(1) from None
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - a fixed list, no shell
