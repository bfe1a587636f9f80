"""The UDP ports of calls."""

import socket
from collections import deque
from contextlib import suppress
from typing import Final

EXPEDITED: Final = 0xB8
"""Type of service of voice: expedited forwarding (RFC 3246)."""
RECEIVE_BUFFER: Final = 262_144
"""Bytes the kernel holds for a stream while this process is busy: more than ten seconds."""


class NoPort(Exception):
    """Every port of the range is in use."""


class Ports:
    """The even ports of a range, the one that has been free longest first: late packets of an ended call meet nobody.

    RTP takes even ports; the odd one above each is RTCP's by custom (RFC 3550, section 11) and stays free.
    """

    def __init__(self, first: int, last: int) -> None:
        """`last` belongs to the range."""
        self._free = deque(range(first + first % 2, last + 1, 2))
        self._taken: set[int] = set()

    @property
    def free(self) -> int:
        """How many are left."""
        return len(self._free)

    def bind(self, address: str) -> tuple[socket.socket, int]:
        """Return a bound UDP socket that does not block, and its port. `NoPort` where none is left.

        The caller owns the socket, and releases the port once it is closed.
        """
        refusal: OSError | None = None
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                bound = _bind(address, port)
            except OSError as error:  # another program's, or not our address
                self._free.append(port)
                refusal = error
            else:
                self._taken.add(port)
                return bound, port
        raise NoPort("no free RTP port") from refusal

    def release(self, port: int) -> None:
        """Give a port back. Twice is once."""
        with suppress(KeyError):
            self._taken.remove(port)
            self._free.append(port)


def _bind(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
