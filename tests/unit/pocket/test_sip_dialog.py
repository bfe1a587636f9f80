"""A user agent and its dialogs, with the sockets taken away."""

import asyncio

import pytest

from pocket.sip.agent import Listening, UserAgent
from pocket.sip.dialog import Dialog
from pocket.sip.message import Request, Response, parse
from pocket.sip.transport import Flow

pytestmark = pytest.mark.anyio
PEER = Flow("UDP", "10.0.0.9", 5060)


class Overheard(UserAgent):
    """Keeps what is sent and to whom; `hear` is a datagram that comes in."""

    def __init__(self):
        super().__init__(Listening("10.0.0.1", 5060), self._take)
        self.sent, self.taken = [], []

    def transmit(self, data, flow):
        self.sent.append((parse(data), (flow.host, flow.port)))

    async def reach(self, uri, transport, known=""):
        if uri.host == "nowhere":
            raise OSError
        return Flow(transport, uri.host, uri.port or 5060)

    def hear(self, message, flow=PEER):
        return self._receive(message if isinstance(message, bytes) else message.encode(), flow)

    def words(self):
        return [getattr(message, "method", None) or message.status for message, _ in self.sent]

    def _take(self, request, transaction):
        self.taken.append((request, transaction))


@pytest.fixture
def agent():
    return Overheard()


def theirs(method="INVITE", number=1, *, branch="z9hG4bKa", to="<sip:us@h>", call="c", **more):
    message = Request(method=method, uri="sip:us@h")
    headers = {"via": f"SIP/2.0/UDP 10.0.0.9:5062;branch={branch}", "from": "<sip:they@h>;tag=far", "to": to}
    headers |= {"call-id": call, "cseq": f"{number} {method}", "contact": "<sip:they@10.0.0.9:5070>"}
    message.extend((headers | more).items())
    return message


def answer_to(request, status, **more):
    message = Response(status=status)
    message.extend((name, request.get(name)) for name in ("via", "from", "call-id", "cseq"))
    headers = {"to": f"{request.get('to')};tag=far", "contact": "<sip:they@10.0.0.9:5070>"}
    message.extend((headers | more).items())
    return message


def ours():
    message = Request(method="INVITE", uri="sip:they@10.0.0.9")
    headers = {"from": "<sip:us@h>;tag=near", "to": "<sip:they@h>", "call-id": "c", "cseq": "5 INVITE"}
    message.extend(headers.items())
    return message


async def test_a_request_that_comes_often_is_taken_once_and_answered_each_time(agent):
    for _ in range(3):
        agent.hear(theirs())
    assert (len(agent.taken), agent.sent) == (1, [])
    agent.taken[0][1].respond(180)
    for _ in range(2):
        agent.hear(theirs())
    assert (len(agent.taken), agent.words()) == (1, [180] * 3)
    agent.hear(theirs(branch="z9hG4bKb"))
    assert len(agent.taken) == 2


async def test_an_old_peer_without_a_branch_is_known_by_its_tags(agent):
    for call in ("one", "one", "two"):
        agent.hear(theirs(branch="old", call=call))
    assert len(agent.taken) == 2


@pytest.mark.parametrize("branch", ["z9hG4bKa", "z9hG4bKz"])
@pytest.mark.parametrize("status", [200, 486])
async def test_only_the_right_ack_ends_the_repeating(agent, status, branch):
    agent.hear(theirs())
    transaction = agent.taken[0][1]
    transaction.respond(status)
    to = f"<sip:us@h>;tag={transaction.to_tag}"
    agent.hear(theirs("ACK", to=f"{to}x", branch="z9hG4bKx"))
    assert not transaction._repeater._handle.cancelled()
    agent.hear(theirs("ACK", to=to, branch=branch))
    stopped = transaction._repeater._handle.cancelled()
    assert stopped is (status == 200 or branch == "z9hG4bKa")  # the ACK of a 2xx has a branch of its own
    assert len(agent.taken) == 1


async def test_a_cancel_is_for_its_invite_and_for_no_other(agent):
    cancelled = []
    agent.hear(theirs())
    agent.taken[0][1].on_cancel = lambda: cancelled.append(True)
    agent.hear(theirs("CANCEL", branch="z9hG4bKother"))
    assert (agent.words(), cancelled) == ([481], [])
    agent.hear(theirs("CANCEL"))
    assert (agent.words(), cancelled) == ([481, 200], [True])


async def test_answers_to_nothing_and_garbage_are_only_counted(agent):
    agent.hear(answer_to(theirs(), 200))
    assert not agent.hear(b"GET / HTTP/1.1\r\n\r\n")
    assert not agent.hear(theirs(via="SIP/2.0/UDP 10.0.0.9:99999;branch=z9hG4bKa"))
    assert agent.hear(b"\r\n\r\n")
    assert (agent.counters["orphans"], agent.counters["malformed"], agent.sent) == (1, 2, [])


async def test_requests_that_belong_to_nothing_leave_nothing_behind(agent):
    for number in range(500):
        agent.hear(theirs("BYE", branch=f"z9hG4bK{number}", to="<sip:us@h>;tag=x"))
        agent.taken[-1][1].refuse(481)
    assert (agent.words(), len(agent._theirs)) == ([481] * 500, 0)


@pytest.mark.parametrize(("via", "port"), [(";rport", 40000), ("", 5062)])
async def test_an_answer_goes_to_where_it_is_asked_to(agent, via, port):
    agent.hear(theirs(via=f"SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa{via}"), Flow("UDP", "10.0.0.9", 40000))
    agent.taken[0][1].respond(180)
    assert agent.sent[0][1] == ("10.0.0.9", port)


async def accepted(agent, **more):
    """A dialog of a call of ours."""
    transaction = agent.send(ours(), PEER)
    answer = answer_to(transaction.request, 200, **more)
    agent.hear(answer)
    dialog = Dialog.begun_by_us(agent, transaction, await transaction.final())
    await dialog.acknowledge(transaction, answer)
    return dialog, answer


async def test_a_repeated_success_repeats_its_ack(agent):
    _, answer = await accepted(agent)
    agent.hear(answer)
    assert agent.words() == ["INVITE", "ACK", "ACK"]
    ack, where = agent.sent[-1]
    assert (ack.uri, where, ack.cseq, ack.to.tag) == ("sip:they@10.0.0.9:5070", ("10.0.0.9", 5070), (5, "ACK"), "far")
    assert ack.via.branch != agent.sent[0][0].via.branch


async def test_requests_of_our_call_go_along_the_route_backwards_and_count_up(agent):
    dialog, _ = await accepted(agent, **{"record-route": "<sip:p1;lr>, <sip:p2:5080;lr>"})
    for method in ("UPDATE", "BYE"):
        await dialog.send(method)
    update, where = agent.sent[-2]
    bye, _ = agent.sent[-1]
    assert where == ("p2", 5080)
    assert bye.all("route") == ["<sip:p2:5080;lr>", "<sip:p1;lr>"]
    assert (bye.uri, update.cseq, bye.cseq) == ("sip:they@10.0.0.9:5070", (6, "UPDATE"), (7, "BYE"))
    assert (bye.from_.tag, bye.to.tag, bye.call_id) == ("near", "far", "c")
    assert (update.contact, bye.contact) == ("sip:10.0.0.1:5060", None)


async def test_requests_of_their_call_go_along_the_route_as_it_came(agent):
    agent.hear(theirs(**{"record-route": "<sip:p1;lr>, <sip:p2;lr>"}))
    _, transaction = agent.taken[0]
    dialog = Dialog.begun_by_them(agent, transaction)
    assert dialog.key == ("c", transaction.to_tag)
    await dialog.send("BYE")
    bye, where = agent.sent[-1]
    assert (where, bye.all("route")) == (("p1", 5060), ["<sip:p1;lr>", "<sip:p2;lr>"])
    assert (bye.uri, bye.from_.tag, bye.to.tag, bye.cseq) == (
        "sip:they@10.0.0.9:5070", transaction.to_tag, "far", (1, "BYE"),
    )  # fmt: skip


async def test_a_peer_may_move_and_say_what_it_knows(agent):
    dialog, _ = await accepted(agent, allow="INVITE, update")
    assert (dialog.allows("UPDATE"), dialog.allows("DATE")) == (True, False)
    dialog.refresh(theirs(contact="<sip:they@10.0.0.7>"))
    await dialog.send("BYE")
    assert agent.sent[-1][1] == ("10.0.0.7", 5060)
    assert dialog.allows("UPDATE")


@pytest.mark.parametrize("contact", ["<sip:they@nowhere>", "<garbage>", "<tel:>"])
async def test_a_peer_that_is_nowhere_gets_nothing_and_nobody_waits(agent, contact):
    dialog, _ = await accepted(agent, contact=contact)
    async with asyncio.timeout(1):
        assert await dialog.request("BYE") is None


async def test_requests_of_a_dialog_count_up_and_come_from_its_peer(agent):
    agent.hear(theirs(number=3))
    dialog = Dialog.begun_by_them(agent, agent.taken[0][1])
    stranger = theirs("BYE", 9)
    stranger.headers = [(n, v.replace("tag=far", "tag=other")) for n, v in stranger.headers]
    asked = [theirs("INFO", 4), theirs("INFO", 4), theirs("INFO", 2), theirs("INFO", 7), stranger]
    assert [dialog.accepts(request) for request in asked] == [True, False, False, True, False]


async def test_the_answer_to_an_invite_within_a_call_is_acknowledged(agent):
    dialog, _ = await accepted(agent)
    asking = asyncio.create_task(dialog.request("INVITE", body=b"v=0"))
    await asyncio.sleep(0)
    agent.hear(answer_to(agent.sent[-1][0], 200, contact="<sip:they@10.0.0.8>"))
    assert (await asking).status == 200
    ack, where = agent.sent[-1]
    assert (ack.cseq, where) == ((6, "ACK"), ("10.0.0.8", 5060))
