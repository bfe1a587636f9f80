"""Calls that do in a hall what no call should. Halls import this by name."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from livekit import rtc

from pocket.rooms.joining import connect


def prepare(process: Any) -> None:
    """Once for a hall."""
    process.userdata["prepared"] = os.getpid()


@asynccontextmanager
async def share(process: Any) -> AsyncIterator[None]:
    """Once for a hall, on its loop."""
    process.userdata["shared"] = asyncio.get_running_loop()
    yield


async def entrypoint(context: Any) -> None:
    """One call: it does what it is told to, says that it lives, and ends when there is a file that says so."""
    told = json.loads(context.job.metadata)
    folder = Path(told["folder"])
    assert context.proc.userdata["prepared"] == os.getpid()
    assert context.proc.userdata["shared"] is asyncio.get_running_loop()
    (folder / f"{context.job.id}.began").write_text(str(os.getpid()))
    await DOES[told["does"]](told)
    beats = 0
    while not (folder / f"{context.job.id}.end").exists():
        beats += 1
        (folder / f"{context.job.id}.beats").write_text(str(beats))
        await asyncio.sleep(0.05)
    context.shutdown("over")


async def nothing(_: Any) -> None:
    """A good call."""


async def fail(_: Any) -> None:
    """It has a fault."""
    raise ValueError("a fault of this call")


async def leave_early(_: Any) -> None:
    """It would end its process."""
    sys.exit(3)


_LEFT: list[asyncio.Task[None]] = []


async def leave_early_aside(_: Any) -> None:
    """A task of it would end the process."""

    async def leave() -> None:
        sys.exit(3)

    _LEFT.append(asyncio.create_task(leave()))


async def forget(told: dict[str, Any]) -> None:
    """It leaves something running, and has a fault."""

    async def run_on() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            (Path(told["folder"]) / "forgotten").write_text("ended")

    _LEFT.append(asyncio.create_task(run_on()))
    await asyncio.sleep(0)
    raise ValueError("a fault of this call")


async def stay(_: Any) -> None:
    """It does not end when it is told to."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def block(_: Any) -> None:
    """It lets no other have the processor."""
    time.sleep(3600)


async def crash(_: Any) -> None:
    """Its native code has a fault."""
    os.kill(os.getpid(), signal.SIGSEGV)
    await asyncio.sleep(3600)


async def vanish(_: Any) -> None:
    """Native code of it ends the process."""
    os._exit(9)


async def panic(_: Any) -> None:
    """What LiveKit's library does that cannot go on."""
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(3600)


async def join(told: dict[str, Any]) -> None:
    """It enters a room where nobody answers."""
    await connect(rtc.Room(), told["url"], "token", rtc.RoomOptions(connect_timeout=2))


DOES: dict[str, Callable[[Any], Coroutine[Any, Any, None]]] = {
    each.__name__: each
    for each in (nothing, fail, leave_early, leave_early_aside, forget, stay, block, crash, vanish, panic, join)
}
