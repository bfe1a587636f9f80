"""Calls in: real phones ring, livekit-server's own trunks and rules say what becomes of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from livekit import api
from livekit.protocol.models import DisconnectReason

from tests.integration.pocket.conftest import Exchange
from tests.support.rooms import RATE, somebody
from tests.support.telephones import loudness_of, telephone

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def line(livekit: api.LiveKitAPI, number: str, room: str, *, pin: str = "", **trunk: Any) -> AsyncIterator[None]:
    """A number whose calls come into a room."""
    wanted = api.SIPInboundTrunkInfo(name=number, numbers=[number], **trunk)
    made = await livekit.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=wanted))
    direct = api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=room, pin=pin))
    rule = await livekit.sip.create_dispatch_rule(
        api.CreateSIPDispatchRuleRequest(rule=direct, trunk_ids=[made.sip_trunk_id])
    )
    try:
        yield
    finally:
        await livekit.sip.delete_dispatch_rule(
            api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
        )
        await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=made.sip_trunk_id))


async def test_a_call_rings_until_somebody_speaks_in_the_room(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        line(livekit, "+15552001", "in-ring"),
        somebody(exchange.url, exchange.token("in-ring", "me")) as me,
        telephone(tmp_path) as phone,
    ):
        await phone.command("dial", f"sip:+15552001@127.0.0.1:{exchange.sip_port}")
        await phone.until("CALL_RINGING")
        attributes = await me.until("joined", "sip_phone")
        assert attributes["sip.trunkPhoneNumber"] == "+15552001"
        assert attributes["sip.callStatus"] == "ringing"
        assert "CALL_ESTABLISHED" not in [event.get("type") for event in phone.events]
        await me.speak(1000)
        await phone.until("CALL_ESTABLISHED")
        assert loudness_of((await me.listen_to("sip_phone", 1.5))[RATE // 2 :], 400, RATE) > 0.95
        await phone.command("sndcode", "7")
        assert await me.until("digit", "sip_phone") == "7"
        await phone.command("hangup")
        assert await me.until("left", "sip_phone") == DisconnectReason.CLIENT_INITIATED
        assert me.statuses("sip_phone") == ["ringing", "active", "hangup"]
        heard, rate = phone.heard()
        assert loudness_of(heard[rate // 2 : rate], 1000, rate) > 0.9


async def test_a_caller_who_gives_up_leaves_the_room(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        line(livekit, "+15552002", "in-gone"),
        somebody(exchange.url, exchange.token("in-gone", "me")) as me,
        telephone(tmp_path) as phone,
    ):
        await phone.command("dial", f"sip:+15552002@127.0.0.1:{exchange.sip_port}")
        await me.until("joined", "sip_phone")
        await phone.command("hangup")
        await me.until("left", "sip_phone")


async def test_a_number_nobody_has_does_not_exist(exchange: Exchange, tmp_path: Path) -> None:
    async with telephone(tmp_path) as phone:
        await phone.command("dial", f"sip:+15559999@127.0.0.1:{exchange.sip_port}")
        assert "404" in (await phone.until("CALL_CLOSED"))["param"]


async def test_removing_a_ringing_caller_is_a_busy_line(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        line(livekit, "+15552003", "in-busy"),
        somebody(exchange.url, exchange.token("in-busy", "me")) as me,
        telephone(tmp_path) as phone,
    ):
        await phone.command("dial", f"sip:+15552003@127.0.0.1:{exchange.sip_port}")
        await me.until("joined", "sip_phone")
        await livekit.room.remove_participant(api.RoomParticipantIdentity(room="in-busy", identity="sip_phone"))
        assert "486" in (await phone.until("CALL_CLOSED"))["param"]


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_a_trunk_with_a_password_lets_in_whoever_knows_it(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, password: str
) -> None:
    number = f"+1555210{len(password)}"
    async with (
        line(livekit, number, f"in-{password}", auth_username="me", auth_password="right"),
        somebody(exchange.url, exchange.token(f"in-{password}", "me")) as me,
        telephone(tmp_path, account=f";auth_user=me;auth_pass={password}") as phone,
    ):
        await me.speak(1000)
        await phone.command("dial", f"sip:{number}@127.0.0.1:{exchange.sip_port}")
        if password == "right":
            await phone.until("CALL_ESTABLISHED")
        else:
            assert "403" in (await phone.until("CALL_CLOSED"))["param"]


@pytest.mark.parametrize("pin", ["1234", "9999"])
async def test_a_room_with_a_pin_opens_to_it(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, pin: str
) -> None:
    number = f"+1555220{pin[0]}"
    async with (
        line(livekit, number, f"in-pin-{pin}", pin="1234"),
        somebody(exchange.url, exchange.token(f"in-pin-{pin}", "me")) as me,
        telephone(tmp_path) as phone,
    ):
        await phone.command("dial", f"sip:{number}@127.0.0.1:{exchange.sip_port}")
        await phone.until("CALL_ESTABLISHED")
        for key in f"{pin}#":
            await phone.command("sndcode", key)
        if pin == "1234":
            assert (await me.until("joined", "sip_phone"))["sip.callStatus"] == "active"
        else:
            await phone.until("CALL_CLOSED")


async def test_a_held_phone_hears_nothing_and_comes_back(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        line(livekit, "+15552300", "in-hold"),
        somebody(exchange.url, exchange.token("in-hold", "me")) as me,
        telephone(tmp_path) as phone,
    ):
        await me.speak(1000)
        await phone.command("dial", f"sip:+15552300@127.0.0.1:{exchange.sip_port}")
        await phone.until("CALL_ESTABLISHED")
        await phone.command("hold")
        await phone.until("CALL_REMOTE_SDP", count=2)
        await phone.command("resume")
        await phone.until("CALL_REMOTE_SDP", count=3)
        said = await me.listen_to("sip_phone", 2)
        assert loudness_of(said[RATE:], 400, RATE) > 0.95


@pytest.mark.parametrize("takes_it", [True, False])
async def test_a_transfer_goes_to_the_other_phone_or_is_told_as_refused(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, takes_it: bool
) -> None:
    room = f"in-transfer-{takes_it}"
    async with (
        line(livekit, f"+155524{int(takes_it)}0", room),
        somebody(exchange.url, exchange.token(room, "me")) as me,
        telephone(tmp_path / "one") as phone,
        telephone(tmp_path / "other", account=";answermode=auto" if takes_it else "") as other,
    ):
        await me.speak(1000)
        await phone.command("dial", f"sip:+155524{int(takes_it)}0@127.0.0.1:{exchange.sip_port}")
        await phone.until("CALL_ESTABLISHED")
        asked = api.TransferSIPParticipantRequest(
            room_name=room, participant_identity="sip_phone", transfer_to=f"sip:phone@127.0.0.1:{other.port}"
        )
        if takes_it:
            await livekit.sip.transfer_sip_participant(asked)
            await other.until("CALL_ESTABLISHED")
            await me.until("left", "sip_phone")
        else:
            transfer = livekit.sip.transfer_sip_participant(asked)

            async def refuse() -> None:
                await other.until("CALL_INCOMING")
                await other.command("hangup")

            refusing = asyncio.create_task(refuse())
            with pytest.raises(api.ServerError):
                await transfer
            await refusing
            assert "left" not in [event for event, _, _ in me.happened]
