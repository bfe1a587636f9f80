"""What LiveKit's SIP API answers, in our words; and what is done where it answers nothing."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from livekit import api

from sip.dialer import Carrier, Line, LiveKitDialer, NumberTakenError, OutgoingCall
from sip.outcomes import Outcome

pytestmark = pytest.mark.anyio

CALL = OutgoingCall("ST_1", "+17751234567", "+18001234567", "proj_r", "sip_+17751234567", ringing=0.05, longest=60)
CARRIER = Carrier("parley:trunk:7", "Main", "+18001234567", "sip.example.org", "udp")
FAILED, DONE = api.SIPTransferStatus.STS_TRANSFER_FAILED, api.SIPTransferStatus.STS_TRANSFER_SUCCESSFUL


@pytest.fixture
async def dialer() -> AsyncIterator[LiveKitDialer]:
    dialer = LiveKitDialer("http://127.0.0.1:1", "key", "secret" * 8, timeout=0.05)
    yield dialer
    await dialer.close()


def answers(monkeypatch: pytest.MonkeyPatch, service: Any, name: str, *given: Any) -> list[Any]:
    """Have a method of LiveKit's API answer with these, or raise them, in turn; what it is asked."""
    left, asked = list(given), []

    async def method(*arguments: Any) -> Any:
        asked.append(arguments)
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(service, name, method)
    return asked


@pytest.mark.parametrize("lost", [TimeoutError(), aiohttp.ServerDisconnectedError()])
@pytest.mark.parametrize("taken_back", [None, aiohttp.ServerDisconnectedError()])
async def test_a_phone_that_may_still_ring_is_taken_back_before_the_call_has_failed(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch, lost: Exception, taken_back: Exception | None
) -> None:
    answers(monkeypatch, dialer._api.sip, "create_sip_participant", lost)
    removed = answers(monkeypatch, dialer._api.room, "remove_participant", taken_back)
    outcome = await dialer.call(CALL)
    assert outcome.status == "failed"
    assert removed == [(api.RoomParticipantIdentity(room="proj_r", identity="sip_+17751234567"),)]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (api.TransferSIPParticipantResponse(), Outcome("answered", 200)),
        (api.TransferSIPParticipantResponse(status=DONE), Outcome("answered", 200)),
        (api.TransferSIPParticipantResponse(status=FAILED), Outcome("no_answer", None, "the transfer failed")),
    ],
)
async def test_a_transfer_that_livekit_calls_failed_has_failed(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch, answer: Any, outcome: Outcome
) -> None:
    answers(monkeypatch, dialer._api.sip, "transfer_sip_participant", answer)
    assert await dialer.transfer("proj_r", "sip_+1", "tel:+17751234567", within=1) == outcome


@pytest.mark.parametrize("asked", ["call", "transfer"])
async def test_where_no_status_is_named_none_is_told(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    error = api.SipCallError("unknown", "the media failed", status=500, metadata={})
    for name in ("create_sip_participant", "transfer_sip_participant"):
        answers(monkeypatch, dialer._api.sip, name, error)
    if asked == "call":
        outcome = await dialer.call(CALL)
    else:
        outcome = await dialer.transfer("proj_r", "sip_+1", "tel:+17751234567", within=1)
    assert (outcome.status, outcome.sip_status) == ("failed", None)


def conflict() -> api.TwirpError:
    return api.TwirpError("invalid_argument", 'Conflicting inbound SIP Trunks: "<new>" and "ST_own"', status=400)


async def test_a_trunk_that_livekit_gave_us_and_no_row_tells_of_is_ours_again(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sip = dialer._api.sip
    listed = api.ListSIPInboundTrunkResponse(
        items=[
            api.SIPInboundTrunkInfo(sip_trunk_id="ST_other", metadata="parley:trunk:8"),
            api.SIPInboundTrunkInfo(sip_trunk_id="ST_own", metadata=CARRIER.key),
        ]
    )
    answers(monkeypatch, sip, "create_inbound_trunk", conflict())
    answers(monkeypatch, sip, "list_inbound_trunk", listed)
    updated = answers(monkeypatch, sip, "update_inbound_trunk", listed.items[1])
    assert await dialer.open_inbound(CARRIER, None) == "ST_own"
    assert updated[0][0] == "ST_own"


async def test_a_rule_that_livekit_gave_us_and_no_row_tells_of_is_ours_again(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sip = dialer._api.sip
    own = api.SIPDispatchRuleInfo(sip_dispatch_rule_id="SDR_own", metadata=CARRIER.key)
    answers(monkeypatch, sip, "create_dispatch_rule", conflict())
    answers(monkeypatch, sip, "list_dispatch_rule", api.ListSIPDispatchRuleResponse(items=[own]))
    answers(monkeypatch, sip, "update_dispatch_rule", own)
    assert await dialer.open_rule(CARRIER, Line("proj_call", "parley", "{}"), "ST_own", None) == "SDR_own"


async def test_a_number_of_somebody_else_stays_theirs(dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = api.SIPInboundTrunkInfo(sip_trunk_id="ST_other", metadata="parley:trunk:8")
    answers(monkeypatch, dialer._api.sip, "create_inbound_trunk", conflict())
    answers(monkeypatch, dialer._api.sip, "list_inbound_trunk", api.ListSIPInboundTrunkResponse(items=[theirs]))
    with pytest.raises(NumberTakenError):
        await dialer.open_inbound(CARRIER, None)


async def test_an_outbound_trunk_that_livekit_made_and_nobody_heard_of_is_not_made_twice(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sip = dialer._api.sip
    listed = [
        api.SIPOutboundTrunkInfo(sip_trunk_id="ST_other", metadata="parley:trunk:8"),
        api.SIPOutboundTrunkInfo(sip_trunk_id="ST_own", metadata=CARRIER.key),
    ]
    created = answers(monkeypatch, sip, "create_outbound_trunk", listed[1])
    answers(monkeypatch, sip, "list_outbound_trunk", api.ListSIPOutboundTrunkResponse(items=listed))
    updated = answers(monkeypatch, sip, "update_outbound_trunk", listed[1])
    assert await dialer.open_trunk(CARRIER, None) == "ST_own"
    assert (created, updated[0][0]) == ([], "ST_own")


async def test_what_livekit_has_of_a_carrier_is_found_by_its_key(
    dialer: LiveKitDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sip, key = dialer._api.sip, CARRIER.key
    outbound, inbound = api.SIPOutboundTrunkInfo, api.SIPInboundTrunkInfo
    out = [outbound(sip_trunk_id="ST_1", metadata=key), outbound(sip_trunk_id="ST_2", metadata="parley:trunk:70")]
    rules = [api.SIPDispatchRuleInfo(sip_dispatch_rule_id="SDR_1", metadata=key)]
    answers(monkeypatch, sip, "list_outbound_trunk", api.ListSIPOutboundTrunkResponse(items=out))
    ours = api.ListSIPInboundTrunkResponse(items=[inbound(sip_trunk_id="ST_3", metadata=key)])
    answers(monkeypatch, sip, "list_inbound_trunk", ours)
    answers(monkeypatch, sip, "list_dispatch_rule", api.ListSIPDispatchRuleResponse(items=rules))
    assert await dialer.list_own(key) == (["ST_1", "ST_3"], ["SDR_1"])
