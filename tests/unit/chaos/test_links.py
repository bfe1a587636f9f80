"""The links of a chaos run."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.chaos.links import SharedLink

pytestmark = pytest.mark.anyio


async def greeted(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


async def test_each_connection_of_a_shared_link_gets_the_next_server() -> None:
    async with AsyncExitStack() as servers:
        ports = []
        for name in (b"one", b"two"):

            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter, name: bytes = name) -> None:
                writer.write(name)
                writer.close()

            server = await servers.enter_async_context(await asyncio.start_server(greet, "127.0.0.1", 0))
            ports.append(server.sockets[0].getsockname()[1])
        async with SharedLink(0, ports) as link:
            said = [await greeted(link.port) for _ in range(4)]
    assert sorted(said[:2]) == sorted(said[2:]) == [b"one", b"two"]
