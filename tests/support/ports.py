"""Ports for the servers of tests."""

import random
from collections import deque
from typing import Final

from parley.stack.ports import PortReservations

PORTS: Final = range(20_000, 32_000, 4)
"""Below those that the system gives to whoever connects somewhere."""
KEPT: Final = 100
"""How many of a process's last choices nobody else is given; long before that their servers are there."""

_kept: deque[PortReservations] = deque()


def free_port(count: int = 1) -> int:
    """The first of some ports of the loopback that nobody has or was just given, TCP and UDP."""
    # Not of the common sequence, which tests begin anew: two runs beside each other would meet at each port.
    for first in random.SystemRandom().sample(PORTS, len(PORTS)):
        reserved = PortReservations(realm="test")  # platforms that tests start reserve the same ports once more
        if all(reserved.reserve(port, transport="both") for port in range(first, first + count)):
            _kept.append(reserved)
            if len(_kept) > KEPT:
                _kept.popleft().release_all()
            return first
        reserved.release_all()
    raise AssertionError(f"no {count} free ports in {PORTS}")
