"""Workers that are measured beside each other: ours, those of peers, and the least that can be in a room.

All are asked in the same way, for somebody in a room of a livekit-server, with the same models (`bench.fakes`).
"""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from livekit import api, rtc

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from bench.cores import begun_on
from bench.environments import THEIRS, python_of
from bench.platform import end
from bench.rows import NotHere
from tests.support.bots import Media, media_server
from tests.support.database import CHECKOUT
from tests.support.jobs import persona_job
from tests.support.studio import KEY, SECRET
from tests.support.workers import AGENT, call_worker

KINDS: Final = ("bare", "stock", "cold", "openrtc", "pipecat", "isolated", "dense")
"""`stock` is livekit-agents as it comes, `cold` the same with no process that waits."""
RATE: Final = 24_000
HERE_WITHIN: Final = 120.0
"""Seconds for somebody to be there."""
ASKED_AGAIN: Final = 5.0
"""Seconds after which a worker is asked once more, and twice as long each time."""
COMES_WITHIN: Final = 30.0
"""Seconds for an agent whose coming is timed."""

Ask = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Worker:
    """A worker that is there."""

    pid: int
    """Of its first process, whose session (setsid(2)) all of them share."""
    ask: Ask
    """Have somebody sent to a room."""
    media: Media
    """A livekit-server of its own: workers of one name would be sent each other's calls."""
    server: api.LiveKitAPI


@asynccontextmanager
async def worker(
    kind: str,
    folder: Path,
    models: str,
    *,
    places: int,
    waiting: int = 1,
    interpreter: str = sys.executable,
    core: int | None = None,
) -> AsyncIterator[Worker]:
    """One of `KINDS` with room for so many calls, which has served one; so many processes wait for calls where each has
    its own. All its processes are on one `core`, if it is said. Raises `NotHere`.
    """
    own = folder / kind
    own.mkdir()
    async with AsyncExitStack() as stack:
        media = stack.enter_context(media_server(own))
        server = await stack.enter_async_context(media.api())
        if kind in ("isolated", "dense"):
            settings = {
                "PARLEY_MAX_CALLS": str(places),
                "PARLEY_CALLS_PER_PROCESS": str(places if kind == "dense" else 1),
                "PARLEY_IDLE_PROCESSES": str(waiting),
            }
            starting = _ours(media, server, own, models, settings)
        else:
            starting = _theirs(media, server, own, models, kind, 0 if kind == "cold" else waiting, interpreter)
        with nullcontext() if core is None else begun_on(core):
            found = await stack.enter_async_context(starting)
        try:
            async with AsyncExitStack() as first:  # what a first call loads is not the measured ones'
                await agent_comes(found, first)
        except TimeoutError:
            raise NotHere(f"{kind}: nobody came within {HERE_WITHIN:g} s: {_last_words(own)}") from None
        yield found


@asynccontextmanager
async def _ours(
    media: Media, server: api.LiveKitAPI, folder: Path, models: str, settings: dict[str, str]
) -> AsyncIterator[Worker]:
    numbers = itertools.count(1)
    async with call_worker(media, folder, models_url=models, own_session=True, **settings) as process:

        async def ask(room: str) -> None:
            number = next(numbers)
            job = persona_job(session_id=number, room_name=room, greeting="", started_at=datetime.now(UTC))
            process.plane.expect(f"tk_{number}.1", job)
            metadata = DispatchMetadata(ticket=f"tk_{number}.1", identity=AGENT, name="Robin").model_dump_json()
            await _dispatch(server, AGENT_NAME, room, metadata)

        yield Worker(process.pid, ask, media, server)


@asynccontextmanager
async def _theirs(
    media: Media, server: api.LiveKitAPI, folder: Path, models: str, kind: str, waiting: int, interpreter: str
) -> AsyncIterator[Worker]:
    commands: dict[str, Callable[[], Sequence[str]]] = {
        "bare": lambda: [sys.executable, "-m", "bench.bare_worker"],
        "stock": lambda: [interpreter, "-m", "bench.stock_worker"],
        "cold": lambda: [interpreter, "-m", "bench.stock_worker"],
        "openrtc": lambda: [str(python_of("openrtc")), str(THEIRS / "openrtc_worker.py"), "start"],
        "pipecat": lambda: [str(python_of("pipecat")), str(THEIRS / "pipecat_worker.py")],
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LIVEKIT_URL": media.url,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "STOCK_MODELS": models,
        "STOCK_WAITING": str(waiting),
        "LOGURU_LEVEL": "WARNING",  # Pipecat tells of each frame otherwise
    }
    if kind in ("bare", "stock", "cold"):
        environment["PYTHONPATH"] = str(CHECKOUT)
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            commands[kind](),
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    async def ask(room: str) -> None:
        await _dispatch(server, "stock", room)

    async def tell(room: str) -> None:
        assert process.stdin is not None
        line = {"url": media.url, "room": room, "token": media.token(room, "agent")}
        process.stdin.write(f"{json.dumps(line)}\n".encode())
        process.stdin.flush()

    try:
        yield Worker(process.pid, tell if kind in ("bare", "pipecat") else ask, media, server)
    finally:
        await asyncio.to_thread(end, process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind


async def _dispatch(server: api.LiveKitAPI, name: str, room: str, metadata: str = "") -> None:
    asked = api.CreateAgentDispatchRequest(agent_name=name, room=room, metadata=metadata)
    await server.agent_dispatch.create_dispatch(asked)


def _last_words(folder: Path) -> str:
    lines = (folder / "worker.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


async def agent_comes(asked: Worker, stack: AsyncExitStack) -> rtc.Room:
    """A room with somebody in it for the length of the stack, to which an agent has come. Raises `TimeoutError`.

    One that does not come is asked for in another room: LiveKit forgets whom it asked for while a worker is not there
    or says that it has too much to do.
    """
    patience, until = ASKED_AGAIN, time.monotonic() + HERE_WITHIN
    while True:
        async with AsyncExitStack() as attempt:
            room, here = await attempt.enter_async_context(somebody(asked))
            try:
                async with asyncio.timeout(patience):
                    await asked.ask(room.name)
                    await here.wait()
            except TimeoutError:
                if time.monotonic() > until:
                    raise
                patience *= 2
                continue
            stack.push_async_exit(attempt.pop_all())
            return room


@asynccontextmanager
async def somebody(asked: Worker) -> AsyncIterator[tuple[rtc.Room, asyncio.Event]]:
    """Somebody in a room, which is closed afterwards, and whether an agent with a voice is there."""
    room, name, here = rtc.Room(), uuid.uuid4().hex, asyncio.Event()
    room.on("track_published", lambda *_: here.set())
    await room.connect(asked.media.url, asked.media.token(name, "ada"))
    try:
        yield room, here
    finally:
        await room.disconnect()
        await asked.server.room.delete_room(api.DeleteRoomRequest(room=name))


async def seconds_to_come(asked: Worker) -> float:
    """From asking until the agent's voice can be subscribed to. Raises `TimeoutError`."""
    async with asyncio.timeout(COMES_WITHIN), somebody(asked) as (room, here):
        began = time.perf_counter()
        await asked.ask(room.name)
        await here.wait()
        return time.perf_counter() - began


async def seconds_of_each(asked: Worker, count: int) -> list[float]:
    """The same of so many in rooms of their own, who are asked for at once: the soonest first, none left out. Raises
    `TimeoutError`."""
    async with asyncio.timeout(COMES_WITHIN), AsyncExitStack() as stack:
        rooms = [await stack.enter_async_context(somebody(asked)) for _ in range(count)]
        began = time.perf_counter()

        async def comes(room: rtc.Room, here: asyncio.Event) -> float:
            await asked.ask(room.name)
            await here.wait()
            return time.perf_counter() - began

        return sorted(await asyncio.gather(*(comes(*each) for each in rooms)))


@asynccontextmanager
async def silent(room: rtc.Room) -> AsyncIterator[None]:
    """Somebody in a room whose microphone is open."""
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    )
    frame = rtc.AudioFrame(bytes(2 * RATE // 50), RATE, 1, RATE // 50)

    async def keep_up() -> None:
        while True:
            await source.capture_frame(frame)

    keeping = asyncio.create_task(keep_up())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
