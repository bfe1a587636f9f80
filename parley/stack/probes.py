"""Asking a server whether it answers. Every question ends within a second and never raises for a silent server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_SECONDS = 1.0
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _closing(stream: _Stream) -> AsyncIterator[_Stream]:
    try:
        yield stream
    finally:
        stream[1].transport.abort()


async def http_status(port: int, path: str, *, host: str = "127.0.0.1") -> int | None:
    """Return the status a GET is answered with; None when there is no answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode("ascii")
    try:
        async with (
            asyncio.timeout(_SECONDS),
            _closing(await asyncio.open_connection(host, port)) as (reader, writer),
        ):
            writer.write(request)
            await writer.drain()
            words = (await reader.readline()).split()
    except (OSError, TimeoutError):
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


async def redis_answers(port: int, password: str) -> bool:
    """Tell whether a Redis server accepts the password and answers a ping."""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            _closing(await asyncio.open_connection("127.0.0.1", port)) as (reader, writer),
        ):
            writer.write(f"AUTH {password}\r\nPING\r\n".encode("ascii"))
            await writer.drain()
            answers = [await reader.readline(), await reader.readline()]
    except (OSError, TimeoutError):
        return False
    return answers == [b"+OK\r\n", b"+PONG\r\n"]


async def socket_accepts(path: Path) -> bool:
    """Tell whether somebody listens on a Unix socket."""
    try:
        async with asyncio.timeout(_SECONDS), _closing(await asyncio.open_unix_connection(path)):
            return True
    except (OSError, TimeoutError):
        return False
