"""The port for Prometheus: its format, and nobody who can hold it up."""

import asyncio
from contextlib import suppress

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter

from guard import exposition
from tests.support.scraping import read, value

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("apples_total", "Apples.", ["kind"], registry=registry).labels('a "red" one\n').inc(3)
    return registry


async def test_figures_are_told_in_the_format_that_prometheus_reads(registry: CollectorRegistry) -> None:
    async with exposition.listening("127.0.0.1", 0, registry) as port, httpx2.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics?name[]=apples_total")
        assert answer.headers["content-type"] == exposition.CONTENT_TYPE
        found = read(answer.text)
        assert value(found, "apples_total", kind='a "red" one\n') == 3
        assert not [name for name in found if name.endswith("_created")]


async def test_there_is_nothing_else_at_the_port(registry: CollectorRegistry) -> None:
    async with exposition.listening("127.0.0.1", 0, registry) as port, httpx2.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 404
        assert (await client.post(f"http://127.0.0.1:{port}/metrics")).status_code == 405
        head = await client.head(f"http://127.0.0.1:{port}/metrics")
        assert (head.status_code, head.content) == (200, b"")


async def test_without_a_port_nobody_listens(registry: CollectorRegistry) -> None:
    async with exposition.listening("127.0.0.1", None, registry) as port:
        assert port is None


async def test_whoever_says_nothing_or_too_much_is_left(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "WITHIN", 0.2)
    async with exposition.listening("127.0.0.1", 0, registry) as port, asyncio.timeout(20):
        silent, held = await asyncio.open_connection("127.0.0.1", port)
        endless, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET " + b"x" * (exposition.LONGEST + 1) + b"\r\n\r\n")
        assert await silent.read() == b""
        with suppress(ConnectionResetError):
            assert await endless.read() == b""
        held.close()
        writer.close()


async def test_whoever_comes_while_others_are_answered_is_turned_away(registry: CollectorRegistry) -> None:
    async with exposition.listening("127.0.0.1", 0, registry) as port, asyncio.timeout(20):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(exposition.AT_ONCE)]
        late, turned_away = await asyncio.open_connection("127.0.0.1", port)
        assert await late.read() == b""
        turned_away.close()
        for reader, writer in held:
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
