"""Rooms of LiveKit whose Redis or whose livekit-server is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import redis

from control_plane.errors import PlatformError, Unavailable
from control_plane.media.server import LiveKitMedia
from parley.stack.platform import Stack, StackOptions

pytestmark = pytest.mark.anyio

SERVERS = ("redis", "livekit")


class Servers:
    """A Redis and a livekit-server of a platform."""

    def __init__(self, folder: Path) -> None:
        self._said: list[str] = []
        options = StackOptions(folder, ready_file=folder / "ready.json", only=SERVERS)
        self.stack = Stack(options, self._said.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LiveKitMedia]:
        """Start them for the time of the block."""
        async with self.stack:
            services = self.stack.services
            key, secret = services.secrets.livekit_api_key, services.secrets.livekit_api_secret
            media = LiveKitMedia(services.livekit_url, key, secret, timeout=20)
            try:
                yield media
            finally:
                await media.close()

    async def kill(self, name: str) -> None:
        """No last words; it is back when this returns."""
        returns = self._returns(name)
        os.kill(self.stack.pids[name], signal.SIGKILL)
        async with asyncio.timeout(60):
            while self._returns(name) == returns:
                await asyncio.sleep(0.02)

    def _returns(self, name: str) -> int:
        return sum(f"{name} is back after" in line for line in self._said)


async def make(media: LiveKitMedia, name: str) -> None:
    await media.create_room(name, empty_timeout=300, max_participants=0, metadata="")


async def names(media: LiveKitMedia) -> list[str]:
    """The rooms that LiveKit tells of, once it has found back to its Redis."""
    async with asyncio.timeout(60):
        while True:
            try:
                return [room.name for room in await media.list_rooms()]
            except PlatformError:
                await asyncio.sleep(0.05)


async def test_a_redis_that_dies_has_its_rooms_when_it_is_back(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    async with servers.running() as media:
        await make(media, "kept")
        await servers.kill("redis")
        assert await names(media) == ["kept"]
        await media.close_room("kept")
        assert await names(media) == []


async def test_a_room_whose_livekit_server_died_can_be_closed(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    async with servers.running() as media:
        await make(media, "deserted")
        await servers.kill("livekit")
        assert await names(media) == ["deserted"]
        async with asyncio.timeout(90):
            while await names(media):
                with suppress(Unavailable):  # for as long as LiveKit believes in the dead one
                    await media.close_room("deserted")


async def test_a_room_can_be_closed_whose_livekit_server_died_and_was_forgotten(tmp_path: Path) -> None:
    """One that stood still before it died is out of LiveKit's list of nodes once another has started."""
    servers = Servers(tmp_path)
    async with servers.running() as media:
        await make(media, "deserted")
        services = servers.stack.services
        cache = redis.Redis(port=services.ports["redis"], password=services.secrets.redis_password)
        (node,) = cache.hkeys("nodes")
        await servers.kill("livekit")
        cache.hdel("nodes", node)
        cache.close()
        assert await names(media) == ["deserted"]
        await media.close_room("deserted")
        assert await names(media) == []


async def test_a_platform_that_starts_has_no_room_of_the_one_before(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    async with servers.running() as media:
        await make(media, "old")
        os.kill(servers.stack.pids["livekit"], signal.SIGKILL)
    async with Servers(tmp_path).running() as media:
        assert await names(media) == []
