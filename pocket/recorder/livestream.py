"""One RTMP server that a recording is streamed to, through a process of its own, and what is told of it."""

import asyncio
import contextlib
import json
import os
import ssl
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from livekit.protocol import egress

from pocket.networks import Network, is_closed
from pocket.recorder import pushing
from pocket.recorder.flv import HEADER, Tag

CONNECT_WITHIN, TAKEN_WITHIN, CLOSED_WITHIN = 8.0, 5.0, 2.0
"""Seconds for a server to take the stream, for it to take what is sent, and for the goodbye."""
AGAIN_FOR: Final = 30.0
"""Seconds that a server which was there is tried again."""
STEADY: Final = 10.0
"""Seconds after which a connection that breaks had been a good one."""
PAUSES: Final = (0.5, 4.0)
"""Seconds between tries: the first pause, doubled up to the last."""
MOST_WAITING: Final = 2000
"""Tags that wait to be sent: some twenty seconds."""
KEPT: Final = ("LANG", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""What the process that connects has of our environment: a server that takes it over finds no secret there."""
ACTIVE, FINISHED, FAILED = (egress.StreamInfo.ACTIVE, egress.StreamInfo.FINISHED, egress.StreamInfo.FAILED)


class StreamError(Exception):
    """A server is away or does not take the stream; says why without its address."""


class Livestream:
    """One server. `info` is what is told of it; `changed` is called whenever there is something new to tell.

    `opening` gives the tags that somebody who comes now must have first.
    """

    def __init__(
        self,
        url: str,
        info: egress.StreamInfo,
        opening: Callable[[], list[Tag]],
        changed: Callable[[], None],
        closed: Sequence[Network] = (),
    ) -> None:
        self.url, self.info = url, info
        self._closed = closed
        self._opening, self._changed = opening, changed
        self._tags: asyncio.Queue[Tag | None] = asyncio.Queue()
        self.taking = False
        """Whether the server is there."""
        self._closing = asyncio.Event()

    def put(self, tag: Tag) -> None:
        """Send a tag, if the server is there."""
        if self.taking and self._tags.qsize() < MOST_WAITING:
            self._tags.put_nowait(tag)

    def close(self) -> None:
        """Send what waits, and end."""
        self._closing.set()
        self._tags.put_nowait(None)

    async def run(self) -> None:
        """Stream until `close`, or until it fails for good."""
        broke, pause = 0.0, PAUSES[0]
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                await self._stream()
                break
            except StreamError as error:
                now = time.monotonic()
                if not broke or now - began > STEADY:
                    broke, pause = now, PAUSES[0]
                if not self.info.started_at or now - broke > AGAIN_FOR:
                    end(self.info, str(error))
                    self._changed()
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()
                break
            pause = min(2 * pause, PAUSES[1])
            self.info.retries += 1
            self.info.last_retry_at = time.time_ns()
            self._changed()
        end(self.info)
        self._changed()

    async def _stream(self) -> None:
        """Connect, and send until the end. Raises `StreamError`."""
        await self._judge()
        try:
            command = [sys.executable, "-I", str(pushing.__file__)]
            bare = {name: os.environ[name] for name in KEPT if name in os.environ}
            child = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True, env=bare
            )
        except OSError:
            raise StreamError("no process for the stream") from None
        try:
            await self._connect(child)
            await self._send(child)
        except TimeoutError:
            raise StreamError("Connection timed out") from None
        except (ConnectionError, BrokenPipeError):
            raise StreamError(await _reason(child)) from None
        finally:
            self.taking = False
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.communicate()

    async def _judge(self) -> None:
        """Raise `StreamError` for a server in a closed network. Its name is looked up once more by who connects."""
        if not self._closed:
            return
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                found = await asyncio.get_running_loop().getaddrinfo(urlsplit(self.url).hostname, None)
        except (OSError, TimeoutError, ValueError):
            raise StreamError("no such server") from None
        if any(is_closed(str(each[4][0]), self._closed) for each in found):
            raise StreamError("its address is in a closed network")

    async def _connect(self, child: Process) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        authorities = ssl.get_default_verify_paths().cafile or ""
        request = pushing.Request(url=self.url, authorities=authorities, timeout=int(TAKEN_WITHIN * 1e6))
        child.stdin.transport.set_write_buffer_limits(0)
        child.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(CONNECT_WITHIN):
            said = (await child.stdout.readline()).decode(errors="replace").strip()
        if said != pushing.LIVE:
            raise StreamError(said or "the stream broke")

    async def _send(self, child: Process) -> None:
        assert child.stdin is not None
        self._tags = asyncio.Queue()
        self.taking = True
        for first in self._opening():
            self._tags.put_nowait(first)
        if self._closing.is_set():
            self._tags.put_nowait(None)
        if not self.info.started_at:
            self.info.started_at = time.time_ns()
            self._changed()
        begin: int | None = None
        child.stdin.write(HEADER)
        while (tag := await self._tags.get()) is not None:
            begin = tag.moment if begin is None and not tag.opens else begin
            child.stdin.write(tag.since(tag.moment if begin is None else begin))
            async with asyncio.timeout(TAKEN_WITHIN):
                await child.stdin.drain()
        child.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSED_WITHIN):
                await child.wait()


async def _reason(child: Process) -> str:
    """What a process said that has ended."""
    assert child.stdout is not None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSED_WITHIN):
            return (await child.stdout.read()).decode(errors="replace").strip() or "the stream broke"
    return "the stream broke"


def end(info: egress.StreamInfo, error: str = "") -> None:
    """Write down that a stream is over, if it was not."""
    if info.status == ACTIVE and not info.ended_at:
        info.status = FAILED if error else FINISHED
        info.error = error
        info.ended_at = time.time_ns()
        info.duration = info.ended_at - info.started_at if info.started_at else 0
