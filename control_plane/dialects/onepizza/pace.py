"""What keeps one client of the socket from the others: how fast each may send, how many are at work, what is read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from socketio import packet

from control_plane.errors import Unavailable

A_SECOND: Final = 20.0
"""Events that a socket may send, in the long run."""
AT_ONCE: Final = 60.0
"""Those that it may send in a burst."""
PATIENCE: Final = 500
"""Events in a row that are refused before the socket is closed."""
SLOWLY: Final = "This socket sends too much at once; wait a second"
AT_WORK: Final = 6
"""Sockets of a process that use the database at one time; it has 8 connections for all that goes across projects."""
WITHIN: Final = 10.0
"""Seconds that a socket waits for its turn."""
MALFORMED: Final = "malformed"
OWN: Final = ("connect", "disconnect", "*", MALFORMED)
"""Events that mean something to the library: no client says them."""


@dataclass(slots=True)
class Pace:
    """How fast one socket sends."""

    left: float = AT_ONCE
    refused: int = 0
    at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def take(self) -> bool:
        """Count an event, if it fits."""
        now = asyncio.get_running_loop().time()
        self.left, self.at = min(AT_ONCE, self.left + (now - self.at) * A_SECOND), now
        if self.left < 1:
            self.refused += 1
            return False
        self.left, self.refused = self.left - 1, 0
        return True


class Turns:
    """Who may use the database: a crowd that comes at once does not take all of its connections."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_WORK)

    @asynccontextmanager
    async def take(self, *, within: float | None = WITHIN) -> AsyncIterator[None]:
        """Wait for a turn and have it. Raises `Unavailable` where none comes within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("Too many are at it; try again", retry_after=1) from None
        try:
            yield
        finally:
            self._turn.release()


class PlainPacket(packet.Packet):  # type: ignore[misc]  # the library has no types
    """What a client sends. Nothing here has binary parts, which the library would gather without end; what cannot be
    read, or is not for clients to say, is the event `MALFORMED`."""

    packet_type: int
    data: Any

    def decode(self, encoded_packet: Any) -> int:
        try:
            parts = super().decode(encoded_packet)
        except (ValueError, TypeError, RecursionError):
            parts = None
        kinds = (packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.ACK)
        if parts != 0 or self.packet_type not in kinds or not self._is_event():
            self.packet_type, self.namespace, self.id, self.data = packet.EVENT, None, None, [MALFORMED]
        return 0

    def _is_event(self) -> bool:
        if self.packet_type != packet.EVENT:
            return True
        named = isinstance(self.data, list) and self.data and isinstance(self.data[0], str)
        return bool(named) and self.data[0] not in OWN
