"""A port for Prometheus: `GET /metrics` in its text format, and nothing else.

It asks for no key: it listens where the operator says, which is no place that strangers reach. Answers are made in the
process's own loop, a millisecond each; a thread would take its turns from the calls all the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client import REGISTRY as EVERYTHING

WITHIN: Final = 5.0
"""Seconds for a question and its answer."""
LONGEST: Final = 8192
"""Bytes of a question."""
AT_ONCE: Final = 8
"""Questions; whoever comes while so many are answered is turned away."""
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began is nobody's question


def text(registry: CollectorRegistry = EVERYTHING) -> bytes:
    """Every figure of this process."""
    return generate_latest(registry)


@asynccontextmanager
async def listening(host: str, port: int | None, registry: CollectorRegistry = EVERYTHING) -> AsyncIterator[int | None]:
    """Answer for the time of the block; the port, which is another one for 0. None: nobody is answered.

    Raises `OSError` where the port is taken.
    """
    if port is None:
        yield None
        return
    answering: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(answering) < AT_ONCE:
            answering.add(writer)
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(WITHIN):
                    writer.write(_answer(await reader.readuntil(b"\r\n\r\n"), registry))
                    await writer.drain()
            answering.discard(writer)
        writer.close()

    server = await asyncio.start_server(answer, host, port, limit=LONGEST)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in list(answering):
            writer.close()


def _answer(question: bytes, registry: CollectorRegistry) -> bytes:
    method, _, rest = question.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _response(b"405 Method Not Allowed", b"", with_body=True)
    if path != b"/metrics":
        return _response(b"404 Not Found", b"figures are at /metrics\n", with_body=method == b"GET")
    return _response(b"200 OK", text(registry), with_body=method == b"GET")


def _response(status: bytes, body: bytes, *, with_body: bool) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, CONTENT_TYPE.encode(), len(body)) + body * with_body
