"""Transactions by a clock that runs only when nothing else does: half a minute takes no time."""

import asyncio
import selectors

import pytest

from pocket.sip.message import Request, Response, parse
from pocket.sip.transactions import TIMEOUT, ClientTransaction, ServerTransaction
from pocket.sip.transport import Flow

UDP, TCP = Flow("UDP", "10.0.0.9", 5060), Flow("TCP", "10.0.0.9", 5060)


class _Skipping(selectors.DefaultSelector):
    """Instead of waiting, the time is later."""

    now = 0.0

    def select(self, timeout=None):
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self):
        return self._skipping.now


def run(scenario, *arguments):
    """Run a coroutine function in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario(*arguments))


class Wire:
    """Keeps what is sent, with its time."""

    def __init__(self):
        self.sent, self.forgotten, self.cancels, self.expected = [], [], [], []

    def transmit(self, data, flow):
        self.sent.append((round(asyncio.get_running_loop().time(), 3), parse(data)))

    def forget(self, transaction):
        self.forgotten.append((round(asyncio.get_running_loop().time(), 3), transaction))

    def begin_cancel(self, transaction):
        self.cancels.append(transaction)

    def expect_ack(self, transaction):
        self.expected.append(transaction)

    def said(self):
        """First words and times."""
        return [(time, getattr(m, "method", None) or m.status) for time, m in self.sent]

    def times(self, what):
        return [time for time, word in self.said() if word == what]


def request(method="INVITE"):
    message = Request(method=method, uri="sip:b@h")
    headers = {"via": "SIP/2.0/UDP me:5060;branch=z9hG4bK1", "route": "<sip:p;lr>", "from": "<sip:a@b>;tag=1"}
    message.extend((headers | {"to": "<sip:b@h>", "call-id": "c", "cseq": f"4 {method}"}).items())
    return message


def response(status, method="INVITE"):
    message = Response(status=status)
    headers = {"via": "SIP/2.0/UDP me:5060;branch=z9hG4bK1", "from": "<sip:a@b>;tag=1", "to": "<sip:b@h>;tag=2"}
    message.extend((headers | {"call-id": "c", "cseq": f"4 {method}"}).items())
    return message


def client(wire, method="INVITE", flow=UDP):
    transaction = ClientTransaction(wire, request(method), "z9hG4bK1", flow)
    transaction.start()
    return transaction


def server(wire, method="INVITE", flow=UDP):
    return ServerTransaction(wire, ("key",), request(method), flow)


@pytest.mark.parametrize(
    ("method", "times"),
    [
        ("INVITE", [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),  # timers A and B
        ("OPTIONS", [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),  # timers E and F
    ],
)
def test_a_request_is_repeated_for_half_a_minute(method, times):
    async def scenario():
        wire = Wire()
        assert await client(wire, method).final() is None
        assert wire.times(method) == times
        assert asyncio.get_running_loop().time() == pytest.approx(TIMEOUT)

    run(scenario)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_over_a_stream_a_request_is_sent_once(method):
    async def scenario():
        wire = Wire()
        assert await client(wire, method, TCP).final() is None
        assert wire.times(method) == [0]

    run(scenario)


def test_an_invite_that_rings_is_not_repeated_and_may_ring_for_long():
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        transaction.received(response(180))
        await asyncio.sleep(300)
        transaction.received(response(200))
        assert [(await transaction.next()).status for _ in range(2)] == [180, 200]
        assert wire.said() == [(0, "INVITE")]

    run(scenario)


def test_a_thousand_provisional_answers_do_not_pile_up():
    async def scenario():
        transaction = client(Wire())
        for _ in range(1000):
            transaction.received(response(183))
        transaction.received(response(486))
        assert (await transaction.final()).status == 486
        assert transaction._responses.qsize() == 0

    run(scenario)


def test_a_refusal_is_acknowledged_each_time_in_the_transaction_of_its_invite():
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        transaction.received(response(486))
        transaction.received(response(486))
        _, ack = wire.sent[1]
        assert wire.times("ACK") == [0, 0]
        assert (ack.via.branch, ack.cseq, ack.to.tag, ack.all("route")) == (
            "z9hG4bK1", (4, "ACK"), "2", ["<sip:p;lr>"],
        )  # fmt: skip
        assert (await transaction.final()).status == 486

    run(scenario)


def test_a_cancel_waits_for_a_sign_of_life():
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        transaction.cancel()
        assert not wire.times("CANCEL")
        transaction.received(response(100))
        transaction.cancel()
        transaction.received(response(180))
        assert wire.times("CANCEL") == [0]
        _, cancel = wire.sent[1]
        assert (cancel.via.branch, cancel.cseq, cancel.to.tag) == ("z9hG4bK1", (4, "CANCEL"), "")
        wire.cancels[0].received(response(200, "CANCEL"))
        transaction.received(response(487))
        assert (await transaction.final()).status == 487
        assert wire.said()[-1] == (0, "ACK")

    run(scenario)


@pytest.mark.parametrize("status", [200, 486])
def test_an_answer_that_comes_before_the_cancel_makes_it_needless(status):
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        transaction.received(response(status))
        transaction.cancel()
        assert not wire.times("CANCEL")

    run(scenario)


def test_an_answer_that_crosses_the_cancel_is_told():
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        transaction.received(response(180))
        transaction.cancel()
        transaction.received(response(200))
        assert (await transaction.final()).status == 200

    run(scenario)


def test_a_success_that_is_repeated_is_told_until_the_transaction_is_forgotten():
    async def scenario():
        wire = Wire()
        transaction = client(wire)
        late = []
        transaction.on_late_success = late.append
        for _ in range(3):
            transaction.received(response(200))
        assert (len(late), wire.times("ACK")) == (2, [])  # whose ACK is a matter of the dialog
        await asyncio.sleep(TIMEOUT + 1)
        assert wire.forgotten == [(TIMEOUT, transaction)]

    run(scenario)


def test_a_success_is_repeated_until_its_ack():
    async def scenario():
        wire = Wire()
        transaction = server(wire)
        transaction.respond(200)
        assert wire.expected == [transaction]
        await asyncio.sleep(4)
        transaction.acknowledged()
        await asyncio.sleep(60)
        assert wire.times(200) == [0, 0.5, 1.5, 3.5]

    run(scenario)


@pytest.mark.parametrize(("status", "flow", "repeats"), [(200, UDP, 10), (200, TCP, 10), (486, UDP, 10), (486, TCP, 0)])
def test_an_answer_that_is_never_acknowledged_is_given_up(status, flow, repeats):
    async def scenario():
        wire, given_up = Wire(), []
        transaction = server(wire, flow=flow)
        transaction.on_unacknowledged = lambda: given_up.append(asyncio.get_running_loop().time())
        transaction.respond(status)
        await asyncio.sleep(60)
        assert len(wire.times(status)) == 1 + repeats  # timers G and H
        assert given_up == ([pytest.approx(TIMEOUT)] if status == 200 else [])
        assert wire.forgotten == [(TIMEOUT, transaction)]

    run(scenario)


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_a_repeated_request_gets_the_last_answer_and_no_other(method):
    async def scenario():
        wire = Wire()
        transaction = server(wire, method)
        transaction.repeated()
        assert not wire.sent
        transaction.respond(180)
        transaction.repeated()
        transaction.respond(603)
        transaction.acknowledged()
        transaction.respond(200)
        transaction.repeated()
        assert [word for _, word in wire.said()] == [180, 180, 603, 603]

    run(scenario)


def test_a_request_that_belongs_to_nothing_is_answered_and_forgotten_at_once():
    async def scenario():
        wire = Wire()
        transaction = server(wire, "BYE")
        transaction.refuse(481)
        transaction.respond(200)
        assert (wire.said(), wire.forgotten) == ([(0, 481)], [(0, transaction)])

    run(scenario)


def test_a_dropped_request_is_never_answered():
    async def scenario():
        wire = Wire()
        transaction = server(wire)
        transaction.drop()
        transaction.respond(486)
        transaction.repeated()
        await asyncio.sleep(60)
        assert not wire.sent
        assert wire.forgotten == [(TIMEOUT, transaction)]

    run(scenario)


def test_a_cancel_counts_until_the_final_answer():
    async def scenario():
        transaction, cancelled = server(Wire()), []
        transaction.on_cancel = lambda: cancelled.append(transaction.status)
        transaction.respond(180)
        transaction.cancelled()
        transaction.respond(487)
        transaction.cancelled()
        assert cancelled == [180]

    run(scenario)


def test_an_answer_repeats_the_vias_and_says_where_the_request_came_from():
    async def scenario():
        wire = Wire()
        asked = request()
        asked.headers[0] = ("via", "SIP/2.0/UDP nat:5060;rport;branch=z9hG4bK1")
        asked.headers.insert(1, ("via", "SIP/2.0/UDP before:5060;branch=z9hG4bK0"))
        asked.extend([("record-route", "<sip:p1;lr>"), ("record-route", "<sip:p2;lr>")])
        ServerTransaction(wire, ("key",), asked, UDP).respond(200, body=b"v=0")
        _, answer = wire.sent[0]
        assert answer.all("via") == [
            "SIP/2.0/UDP nat:5060;rport=5060;branch=z9hG4bK1;received=10.0.0.9",
            "SIP/2.0/UDP before:5060;branch=z9hG4bK0",
        ]
        assert answer.all("record-route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert (answer.to.tag != "", answer.get("content-type")) == (True, "application/sdp")

    run(scenario)
