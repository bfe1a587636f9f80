"""A livekit-server with our recorder behind it, people who make sounds, and what is on the tape in the end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import yaml
from livekit import api, rtc

from parley.stack.livekit import livekit_program
from tests.support.database import CHECKOUT
from tests.support.ports import free_port

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
RATE = 48_000
ENDED = (api.EGRESS_COMPLETE, api.EGRESS_FAILED, api.EGRESS_ABORTED, api.EGRESS_LIMIT_REACHED)


class Hooks:
    """Takes LiveKit's webhooks; `events` are what came."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hooks.events.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def of(self, egress_id: str) -> list[tuple[str, str]]:
        """Name and status of the hooks about a recording."""
        found = [(each["event"], each["egressInfo"]) for each in self.events if "egressInfo" in each]
        return [(name, info.get("status", "")) for name, info in found if info["egressId"] == egress_id]

    async def until(self, egress_id: str, *expected: tuple[str, str]) -> None:
        """Wait until just these hooks have come about a recording."""
        with suppress(TimeoutError):
            await eventually(lambda: len(self.of(egress_id)) >= len(expected))
        assert self.of(egress_id) == list(expected)

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Recorder:
    """A process of our service, that may be killed and started again."""

    def __init__(self, studio: "Studio", folder: Path, settings: dict[str, str]) -> None:
        self.root, self.log = folder / "recordings", folder / "recorder.log"
        self.port = free_port()
        self._environment = os.environ | {
            "POCKET_EGRESS_REDIS_URL": studio.redis_url,
            "POCKET_EGRESS_LIVEKIT_URL": studio.url.replace("http", "ws"),
            "POCKET_EGRESS_API_KEY": KEY,
            "POCKET_EGRESS_API_SECRET": SECRET,
            "POCKET_EGRESS_HEALTH_PORT": str(self.port),
            "POCKET_EGRESS_ROOT": str(self.root),
            "POCKET_EGRESS_LEAST_FREE": "1000000",
            "PYTHONPATH": str(CHECKOUT),
            **{f"POCKET_EGRESS_{name.upper()}": value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        """The journal's folder."""
        return self.root / ".recorder"

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it; it takes requests when this returns."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "pocket", "egress"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_for_http(self.port, self.log)

    def kill(self) -> None:
        """No last words."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and its end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def figures(self) -> dict[str, float]:
        """The service's metrics, by name with labels."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


class Studio:
    """A livekit-server."""

    def __init__(self, redis_url: str, folder: Path, hooks: Hooks) -> None:
        self.redis_url, self.hooks = redis_url, hooks
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port, media, tcp = (free_port() for _ in range(3))
        configuration = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "redis": {"address": redis_url.removeprefix("redis://")},
            "keys": {KEY: SECRET},
            "webhook": {"api_key": KEY, "urls": [f"http://127.0.0.1:{hooks.port}/"]},
            "rtc": {
                "tcp_port": tcp,
                "udp_port": media,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "node_ip": "127.0.0.1",
                "interfaces": {"includes": ["lo"]},
            },
            "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 3},
        }
        (folder / "livekit.yaml").write_text(yaml.safe_dump(configuration))

    @property
    def url(self) -> str:
        """LiveKit's API."""
        return f"http://127.0.0.1:{self.port}"

    def token(self, room: str, identity: str, kind: str = "standard") -> str:
        """A token for somebody who joins a room."""
        grants = api.VideoGrants(room_join=True, room=room)
        return api.AccessToken(KEY, SECRET).with_identity(identity).with_kind(kind).with_grants(grants).to_jwt()

    def kill(self) -> None:
        """No last words."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        log = self._folder / "livekit.log"
        with log.open("ab") as output:
            command = [livekit_program(), "--config", str(self._folder / "livekit.yaml")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_for_http(self.port, log)


@contextmanager
def a_studio(redis_url: str, folder: Path) -> Iterator[Studio]:
    """Start one, for the length of a block."""
    hooks = Hooks()
    studio = Studio(redis_url, folder, hooks)
    try:
        studio.start()
        yield studio
    finally:
        studio.stop()
        hooks.close()


@contextmanager
def a_recorder(studio: Studio, folder: Path, **settings: str) -> Iterator[Recorder]:
    """Start our service, for the length of a block."""
    recorder = Recorder(studio, folder, settings)
    try:
        recorder.start()
        yield recorder
    finally:
        recorder.stop()


def wait_for_http(port: int, log: Path) -> None:
    """Until somebody answers, whatever it is."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except (URLError, OSError) as error:
            if getattr(error, "code", 0) == 429:
                return
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


Sound = Callable[[np.ndarray], np.ndarray]
"""The samples (-1 … 1) at some moments, in seconds of the monotonic clock."""


def tone(hertz: float) -> Sound:
    """A sine."""
    return lambda moments: 0.3 * np.sin(2 * np.pi * hertz * moments)


def clicks(every: float) -> Sound:
    """10 ms of a high tone whenever the clock is at a multiple of `every`, and else silence."""

    def sound(moments: np.ndarray) -> np.ndarray:
        return np.where(moments % every < 0.01, 0.6 * np.sin(2 * np.pi * 3000 * moments), 0.0)

    return sound


class Person:
    """A participant with a voice."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.publication: rtc.LocalTrackPublication | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def speak(self, sound: Sound) -> str:
        """Publish a voice, and keep it up by the clock; the track's id."""
        source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
        self.publication = await self.room.local_participant.publish_track(track, options)

        async def keep_up() -> None:
            size = RATE // 100
            begin, sent = time.monotonic(), 0
            while True:
                moments = begin + (np.arange(size) + sent) / RATE
                pcm = (np.clip(sound(moments), -1, 1) * 32767).astype(np.int16)
                await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, size))
                sent += size
                await asyncio.sleep(max(0.0, begin + sent / RATE - time.monotonic()))

        self._task = asyncio.create_task(keep_up())
        return str(self.publication.sid)

    async def show(self, colour: tuple[int, int, int], width: int = 640, height: int = 360) -> str:
        """Publish a camera that sees one colour (Y, U, V); the track's id."""
        source = rtc.VideoSource(width, height)
        track = rtc.LocalVideoTrack.create_video_track("camera", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False)
        publication = await self.room.local_participant.publish_track(track, options)
        sizes = (width * height, width * height // 4, width * height // 4)
        data = b"".join(bytes([value]) * size for value, size in zip(colour, sizes, strict=True))

        async def keep_up() -> None:
            while True:
                source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, data))
                await asyncio.sleep(1 / 15)

        self._tasks.append(asyncio.create_task(keep_up()))
        return str(publication.sid)

    async def hush(self) -> None:
        """Unpublish."""
        if self._task is not None and self.publication is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.room.local_participant.unpublish_track(self.publication.sid)
            self._task = None

    async def leave(self) -> None:
        """Leave the room."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()


class Stage:
    """The rooms of one test: who is in them, and what is recorded."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.livekit = api.LiveKitAPI(studio.url, KEY, SECRET)
        self._people: list[Person] = []

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def enter(self, room: str, identity: str, sound: Sound | None = None, kind: str = "standard") -> Person:
        """Somebody joins, and speaks."""
        person = Person()
        await person.room.connect(self.studio.url.replace("http", "ws"), self.studio.token(room, identity, kind))
        self._people.append(person)
        if sound is not None:
            await person.speak(sound)
        return person

    async def record(self, room: str, path: str, **more: Any) -> api.EgressInfo:
        """Record all that is heard in a room."""
        output = api.EncodedFileOutput(filepath=path, **more.pop("output", {}))
        asked = api.RoomCompositeEgressRequest(room_name=room, audio_only=True, file_outputs=[output], **more)
        return await self.livekit.egress.start_room_composite_egress(asked)

    async def info(self, egress_id: str) -> api.EgressInfo:
        """What livekit-server knows of a recording."""
        listed = await self.livekit.egress.list_egress(api.ListEgressRequest(egress_id=egress_id))
        return listed.items[0]

    async def until(self, egress_id: str, *statuses: int, within: float = 60) -> api.EgressInfo:
        """Wait for one of some states."""
        info = None
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    info = await self.info(egress_id)
                    if info.status in statuses:
                        return info
                    await asyncio.sleep(0.02)
        raise AssertionError(f"still {info}")

    async def stop(self, egress_id: str) -> api.EgressInfo:
        """Stop a recording and wait for its end."""
        await self.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=egress_id))
        return await self.until(egress_id, *ENDED)

    async def close(self) -> None:
        """Everybody leaves."""
        try:
            for person in self._people:
                await person.leave()
        finally:
            await self.livekit.aclose()


async def emptied(folder: Path) -> None:
    """Wait until nothing is in a folder."""
    with suppress(TimeoutError):
        await eventually(lambda: not list(folder.iterdir()))
    assert list(folder.rglob("*")) == []


async def eventually(condition: Callable[[], bool | Awaitable[bool]], within: float = 60) -> None:
    """Wait until something is so that no event tells of."""
    async with asyncio.timeout(within):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
