"""A TCP connection that misbehaves as it is told: slow, silent, half closed, reset, cut, refused."""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal, Self

CHUNK = 2**16
RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` of a close that sends RST."""
Direction = Literal["up", "down"]
"""Up: from whoever connects to the server behind the link."""


@dataclass(eq=False)
class _Pair:
    """One connection through the link."""

    writers: dict[Direction, asyncio.StreamWriter] = field(default_factory=dict)
    """Where the bytes of each direction go."""
    ended: set[Direction] = field(default_factory=set)
    """Directions in which nothing goes any more."""

    def reset(self) -> None:
        for writer in self.writers.values():
            wire = writer.get_extra_info("socket")
            if wire is not None and wire.fileno() >= 0:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class FaultyLink:
    """Listens on `port` of the loopback and hands everything on to `target`, with the faults that are set.

    Open it as a context. A fault holds for connections that stand and for those to come, until `heal`.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.carried: dict[Direction, int] = {"up": 0, "down": 0}
        """Bytes that have been handed on."""
        self.connections = 0
        """How many there have been."""
        self._latency, self._jitter, self._rate = 0.0, 0.0, 0.0
        self._left: int | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._pairs: dict[_Pair, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        tasks = list(self._pairs.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def slow(self, *, latency: float = 0, jitter: float = 0, rate: float = 0) -> None:
        """Each piece comes so many seconds later, and no more than `rate` bytes a second in each direction."""
        self._latency, self._jitter, self._rate = latency, jitter, rate

    def blackhole(self) -> None:
        """Hand nothing on any more, of new connections either, and close none."""
        self._flows.clear()

    def reset(self) -> None:
        """Break all connections that stand, as a host does that has forgotten them."""
        for pair in list(self._pairs):
            pair.reset()

    def half_close(self, direction: Direction) -> None:
        """Say to one end of all that stand that nothing more comes; the other way goes on."""
        for pair in list(self._pairs):
            if writer := pair.writers.get(direction):
                pair.ended.add(direction)
                writer.write_eof()

    def cut_after(self, count: int) -> None:
        """Reset whatever connection carries the last of so many bytes up; others too from then on, until `heal`."""
        self._left = count

    async def refuse(self) -> None:
        """Nobody listens any more; what stood is reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    async def heal(self) -> None:
        """No fault any more."""
        self.slow()
        self._left = None
        self._flows.set()
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pair = _Pair({"down": answer})
        self._pairs[pair] = task
        self.connections += 1
        try:
            await self._flows.wait()
            far, ask = await asyncio.open_connection("127.0.0.1", self.target)
            pair.writers["up"] = ask
            await asyncio.gather(self._carry(near, pair, "up"), self._carry(far, pair, "down"))
        except OSError:
            pair.reset()
        finally:
            for writer in pair.writers.values():
                writer.close()
            del self._pairs[pair]

    async def _carry(self, reader: asyncio.StreamReader, pair: _Pair, direction: Direction) -> None:
        writer = pair.writers[direction]
        while data := await reader.read(CHUNK):
            pause = self._latency + random.uniform(0, self._jitter) + (len(data) / self._rate if self._rate else 0)
            if pause:
                await asyncio.sleep(pause)
            await self._flows.wait()
            if direction in pair.ended:
                continue
            if direction == "up" and self._left is not None:
                data, self._left = data[: self._left], self._left - min(self._left, len(data))
            writer.write(data)
            await writer.drain()
            self.carried[direction] += len(data)
            if direction == "up" and self._left == 0:
                pair.reset()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
