"""Workers that are measured beside each other: ours, those of peers, and the least that can be in a room.

All are asked in the same way, for somebody in a room of the same livekit-server, with the same models (`bench.fakes`).
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from livekit import api, rtc

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from bench.environments import THEIRS, python_of
from bench.rows import NotHere
from tests.support.bots import Media
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
"""Seconds after which a worker that has not come up yet is asked once more: LiveKit forgets whom it could not send."""

Ask = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Worker:
    """A worker that is there."""

    pid: int
    """Of its first process, whose session (setsid(2)) all of them share."""
    ask: Ask
    """Have somebody sent to a room."""


@asynccontextmanager
async def worker(
    kind: str, media: Media, folder: Path, models: str, *, places: int, interpreter: str = sys.executable
) -> AsyncIterator[Worker]:
    """One of `KINDS` with room for so many calls, which has served one. Raises `NotHere`."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(media.api())
        if kind in ("isolated", "dense"):
            found = await stack.enter_async_context(_ours(media, server, folder, models, kind, places))
        else:
            found = await stack.enter_async_context(_theirs(media, server, folder, models, kind, interpreter))
        try:
            await _first(found, media, server)
        except TimeoutError:
            raise NotHere(f"{kind}: nobody came within {HERE_WITHIN:g} s: {_last_words(folder / kind)}") from None
        yield found


@asynccontextmanager
async def _ours(
    media: Media, server: api.LiveKitAPI, folder: Path, models: str, kind: str, places: int
) -> AsyncIterator[Worker]:
    settings = {
        "PARLEY_MAX_CALLS": str(max(2, places)),
        "PARLEY_CALLS_PER_PROCESS": str(max(2, places) if kind == "dense" else 1),
    }
    numbers = itertools.count(1)
    own = folder / kind
    own.mkdir()
    async with call_worker(media, own, models_url=models, own_session=True, **settings) as process:

        async def ask(room: str) -> None:
            number = next(numbers)
            job = persona_job(session_id=number, room_name=room, greeting="", started_at=datetime.now(UTC))
            process.plane.expect(f"tk_{number}.1", job)
            metadata = DispatchMetadata(ticket=f"tk_{number}.1", identity=AGENT, name="Robin").model_dump_json()
            await _dispatch(server, AGENT_NAME, room, metadata)

        yield Worker(process.pid, ask)


@asynccontextmanager
async def _theirs(
    media: Media, server: api.LiveKitAPI, folder: Path, models: str, kind: str, interpreter: str
) -> AsyncIterator[Worker]:
    commands: dict[str, Callable[[], Sequence[str]]] = {
        "bare": lambda: [sys.executable, "-m", "bench.bare_worker"],
        "stock": lambda: [interpreter, "-m", "bench.stock_worker"],
        "cold": lambda: [sys.executable, "-m", "bench.stock_worker"],
        "openrtc": lambda: [str(python_of("openrtc")), str(THEIRS / "openrtc_worker.py"), "start"],
        "pipecat": lambda: [str(python_of("pipecat")), str(THEIRS / "pipecat_worker.py")],
    }
    own = folder / kind
    own.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(own),
        "LIVEKIT_URL": media.url,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "STOCK_MODELS": models,
        "STOCK_WAITING": "0" if kind == "cold" else "1",
    }
    if kind in ("bare", "stock", "cold"):
        environment["PYTHONPATH"] = str(CHECKOUT)
    with (own / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            commands[kind](),
            env=environment,
            cwd=own,
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
        yield Worker(process.pid, tell if kind in ("bare", "pipecat") else ask)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _dispatch(server: api.LiveKitAPI, name: str, room: str, metadata: str = "") -> None:
    asked = api.CreateAgentDispatchRequest(agent_name=name, room=room, metadata=metadata)
    await server.agent_dispatch.create_dispatch(asked)


def _last_words(folder: Path) -> str:
    lines = (folder / "worker.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


async def _first(asked: Worker, media: Media, server: api.LiveKitAPI) -> None:
    """Until it has come once: what a first call loads is not the measured ones'."""
    async with asyncio.timeout(HERE_WITHIN):
        while True:
            try:
                async with asyncio.timeout(ASKED_AGAIN), somebody(media, server) as (room, here):
                    await asked.ask(room.name)
                    await here.wait()
            except TimeoutError:
                continue
            return


@asynccontextmanager
async def somebody(media: Media, server: api.LiveKitAPI) -> AsyncIterator[tuple[rtc.Room, asyncio.Event]]:
    """Somebody in a room, which is closed afterwards, and whether an agent with a voice is there."""
    room, name, here = rtc.Room(), uuid.uuid4().hex, asyncio.Event()
    room.on("track_published", lambda *_: here.set())
    await room.connect(media.url, media.token(name, "ada"))
    try:
        yield room, here
    finally:
        await room.disconnect()
        await server.room.delete_room(api.DeleteRoomRequest(room=name))


async def seconds_to_come(asked: Worker, media: Media, server: api.LiveKitAPI) -> float:
    """From asking until the agent's voice can be subscribed to."""
    async with asyncio.timeout(HERE_WITHIN), somebody(media, server) as (room, here):
        began = time.perf_counter()
        await asked.ask(room.name)
        await here.wait()
        return time.perf_counter() - began


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
