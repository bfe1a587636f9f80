"""Telephones of the tests, and one that is connected to a bare socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pocket.rtp.ports import Ports
from tests.support.rtp import HOST, Gate, Telephone


@pytest.fixture
def ports() -> Ports:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        first = min(probe.getsockname()[1], 64_000)
    return Ports(first, first + 100)


@pytest.fixture
async def telephone(ports) -> AsyncIterator[Callable[[], Awaitable[Telephone]]]:
    opened: list[Telephone] = []

    async def make() -> Telephone:
        opened.append(await Telephone().open(ports))
        return opened[-1]

    yield make
    for each in opened:
        each.stream.close()
    await asyncio.sleep(0)


@pytest.fixture
async def alone(telephone) -> AsyncIterator[tuple[Telephone, Gate]]:
    """A telephone that agreed with a bare socket on PCMU."""
    one = await telephone()
    gate = Gate(one)
    one.agree(gate.port)
    yield one, gate
    gate.close()
