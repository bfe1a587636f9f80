"""What the far end of a call may name, and what the others in its room may know of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from pocket.bridge import requests as changes
from pocket.bridge.call import Call
from pocket.bridge.inbound import Ringing
from pocket.bridge.outbound import Dialling
from pocket.bridge.protobufs.rpc_sip_pb2 import InternalCreateSIPParticipantRequest as Asked
from pocket.rtp import sdp
from pocket.sip.digest import Challenges
from pocket.sip.message import Request
from pocket.sip.transport import Flow

pytestmark = pytest.mark.anyio

CLOSED = "0.0.0.0/8, 10.0.0.0/8, 127.0.0.0/8"


class Media:
    """Keeps where sound is sent."""

    sample_rate, port = 8000, 4000

    def __init__(self) -> None:
        self.named: list[str] = []

    def agree(self, agreement: sdp.Agreement) -> None:
        self.named.append(agreement.address)


class Answered:
    """Keeps how a request was answered."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def respond(self, status: int, **_: Any) -> None:
        self.statuses.append(status)


def call_of() -> tuple[Call, Media]:
    settings = SimpleNamespace(closed=CLOSED, least_session_interval=90)
    agent = SimpleNamespace(host="192.0.2.1", contact=lambda transport: "<sip:192.0.2.1>")
    house: Any = SimpleNamespace(native=None, settings=settings, agent=agent)
    call, media = Call(house, "SCL_1", "in"), Media()
    call.media = media  # type: ignore[assignment]
    return call, media


def offer(address: str) -> bytes:
    return sdp.offer(address, 4002, session_id=1, version=1)


def agreement(address: str) -> sdp.Agreement:
    return sdp.agree(sdp.parse(offer(address)))


async def test_no_sound_is_sent_into_a_closed_network_but_to_whoever_calls_from_there() -> None:
    call, media = call_of()
    for inside in ("127.0.0.1", "10.1.2.3"):
        with pytest.raises(sdp.SdpError, match="closed network"):
            call.agree(agreement(inside))
    assert media.named == []
    call.agree(agreement("192.0.2.9"))
    call.agree(agreement("0.0.0.0"))  # who holds the call
    transaction: Any = SimpleNamespace(flow=Flow("UDP", "10.1.2.3", 5060))
    Ringing(call, transaction, SimpleNamespace(), Challenges())  # type: ignore[arg-type]
    call.agree(agreement("10.1.2.3"))
    with pytest.raises(sdp.SdpError, match="closed network"):
        call.agree(agreement("10.1.2.4"))
    assert media.named == ["192.0.2.9", "0.0.0.0", "10.1.2.3"]


async def test_a_call_that_would_send_its_sound_inside_is_refused_the_change_and_goes_on() -> None:
    call, media = call_of()
    call.agree(agreement("192.0.2.9"))
    call.dialog = SimpleNamespace(  # type: ignore[assignment]
        accepts=lambda request: True, refresh=lambda request: None, flow=Flow("UDP", "192.0.2.9", 5060)
    )
    asked: list[tuple[str, int]] = [("127.0.0.1", 488), ("192.0.2.10", 200)]
    for address, status in asked:
        answered: Any = Answered()
        changes.receive(call, Request(method="INVITE", uri="sip:us@h", body=offer(address)), answered)
        assert answered.statuses == [status]
    assert media.named == ["192.0.2.9", "192.0.2.10"]
    assert not call.ended


async def test_nobody_in_a_room_is_shown_what_requests_of_its_call_are_known_by() -> None:
    call, _ = call_of()
    dialling = Dialling(call, Asked(number="+15550001", sip_call_id=call.id), "token")
    invites = [dialling._request("sip:they@h", "c", number, None) for number in (1, 2)]
    tags = {invite.from_.tag for invite in invites}
    assert len(tags) == 1  # with credentials it is the same call
    assert call.id not in tags.pop()
