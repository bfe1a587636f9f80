"""Whom the SIP service connects to: looked up once, and never in a closed network."""

import asyncio
import ssl

import pytest

from pocket.networks import is_closed, read_networks
from pocket.sip.transport import Transports

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_nobody_is_called_in_a_closed_network_whatever_their_name(transport: str) -> None:
    transports = Transports(lambda data, flow: True, client_tls=ssl.create_default_context())
    visits: list[str] = []

    async def visited(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append("tcp")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for name in ("localhost", "127.0.0.1", "127.1"):
            with pytest.raises(OSError, match="closed network"):
                await transports.reach(transport, name, port, read_networks("10.0.0.0/8, 127.0.0.0/8"))
        assert not visits
        flow = await transports.reach(transport, "localhost", port, read_networks("10.0.0.0/8"))
        assert (flow.transport, flow.port) == (transport, port)
        if flow.writer is not None:
            flow.writer.close()
            await flow.writer.wait_closed()
        await transports.close()


def test_networks_are_read_as_they_are_written() -> None:
    closed = read_networks("10.0.0.0/8, ::1/128,")
    assert [is_closed(each, closed) for each in ("10.1.2.3", "::1", "11.0.0.1", "::2")] == [True, True, False, False]
    with pytest.raises(ValueError, match="does not appear"):
        read_networks("everything")
