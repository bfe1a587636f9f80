"""The links of a chaos run do in their own process what they are told from here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.chaos.links import DistantLink, Links
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio


async def serve(word: bytes) -> asyncio.Server:
    """Answers each line with it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.readline():
                writer.write(word + b"\n")
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.fixture
async def servers() -> AsyncIterator[list[asyncio.Server]]:
    servers = [await serve(b"one"), await serve(b"two")]
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
async def link(servers: list[asyncio.Server]) -> AsyncIterator[DistantLink]:
    async with Links({"way": free_port()}, {"way": port_of(servers[0])}) as links:
        yield links.all["way"]


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def asked(link: DistantLink, *, within: float = 60) -> bytes:
    """What a new connection is answered; nothing where it is broken off."""
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        try:
            writer.write(b"hello\n")
            return (await reader.readline()).strip()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_a_link_carries_and_is_told_where_to(link: DistantLink, servers: list[asyncio.Server]) -> None:
    assert await asked(link) == b"one"
    link.aim([port_of(servers[1])])
    await link.heal()  # what was told before is done then
    assert await asked(link) == b"two"
    link.aim([port_of(server) for server in servers])
    await link.heal()
    assert {await asked(link) for _ in range(4)} == {b"one", b"two"}


async def test_a_link_is_silent_refuses_and_breaks_off_until_it_is_healed(link: DistantLink) -> None:
    link.blackhole()
    with pytest.raises(TimeoutError):
        await asked(link, within=0.3)
    await link.heal()
    assert await asked(link) == b"one"
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"one\n"
    await link.refuse()
    with pytest.raises(ConnectionResetError):
        await reader.readline()
    with pytest.raises(ConnectionRefusedError):
        await asked(link)
    writer.close()
    await link.heal()
    link.slow(latency=0.2, jitter=0)
    assert await asked(link) == b"one"
    link.half_close("up")
    link.reset()
    await link.heal()
    assert await asked(link) == b"one"
