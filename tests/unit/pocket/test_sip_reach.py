"""Whom the SIP service connects to: looked up once, and never in a closed network."""

import asyncio
import ssl

import pytest

from pocket.networks import is_closed, read_networks
from pocket.sip.agent import Listening, UserAgent
from pocket.sip.dialog import Dialog
from pocket.sip.transport import Flow, Transports

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


class Sending(UserAgent):
    """Keeps what it would send, and to whom; it calls nobody in the networks of `CLOSED`."""

    def __init__(self) -> None:
        closed = read_networks("10.0.0.0/8, 127.0.0.0/8")
        super().__init__(Listening("192.0.2.1", 5060), lambda *_: None, closed=closed)
        self.sent: list[tuple[bytes, str, int]] = []

    def transmit(self, data: bytes, flow: Flow) -> None:
        self.sent.append((data.partition(b" ")[0], flow.host, flow.port))


def in_call(agent: Sending, *, peer: str, target: str, route: str = "") -> Dialog:
    """A call with whoever speaks from `peer`, who says that they are at `target`."""
    ours, theirs, routes = "<sip:us@h>;tag=near", "<sip:they@h>;tag=far", [route] if route else []
    flow = Flow("UDP", peer, 5060)
    return Dialog(agent, call_id="c", local=ours, remote=theirs, target=target, routes=routes, flow=flow)


@pytest.mark.parametrize("port", ["", ":6379"])
@pytest.mark.parametrize("transport", ["", ";transport=tcp"])
@pytest.mark.parametrize("by", ["contact", "route"])
async def test_the_far_end_of_a_call_leads_no_request_of_ours_into_a_closed_network(
    by: str, transport: str, port: str
) -> None:
    agent, inside = Sending(), f"sip:they@localhost{port}{transport}"
    where = {"target": "sip:they@192.0.2.9", "route": f"<{inside};lr>"} if by == "route" else {"target": inside}
    assert await in_call(agent, peer="192.0.2.9", **where).request("BYE") is None
    assert agent.sent == []


async def test_whoever_calls_from_a_closed_network_is_answered_there_and_nowhere_beside() -> None:
    agent = Sending()
    await in_call(agent, peer="10.0.0.9", target="sip:they@10.0.0.9:5070").send("BYE")
    assert agent.sent == [(b"BYE", "10.0.0.9", 5070)]
    assert await in_call(agent, peer="10.0.0.9", target="sip:they@10.0.0.8:5070").request("BYE") is None
    assert len(agent.sent) == 1
