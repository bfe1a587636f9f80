"""Calls over TCP and TLS, and with encrypted sound, both ways."""

from pathlib import Path

import pytest
from livekit import api

from tests.integration.pocket.conftest import Exchange, make_certificate
from tests.integration.pocket.test_sip_inbound import line
from tests.integration.pocket.test_sip_outbound import dial
from tests.support.rooms import RATE, somebody
from tests.support.sipp import peer
from tests.support.telephones import loudness_of, telephone

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_call_out_over_a_stream_is_heard_both_ways_and_ends(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, transport: str
) -> None:
    room = f"out-{transport}"
    kind = {"tcp": api.SIP_TRANSPORT_TCP, "tls": api.SIP_TRANSPORT_TLS}[transport]
    async with (
        telephone(tmp_path, account=";answermode=auto", certificate=exchange.certificate) as phone,
        somebody(exchange.url, exchange.token(room, "me")) as me,
    ):
        await me.speak(1000)
        await dial(livekit, room, phone.port + (transport == "tls"), transport=kind)
        assert loudness_of((await me.listen_to("callee", 1.5))[RATE // 2 :], 400, RATE) > 0.9
        if transport == "tcp":
            await phone.command("hangup")
        else:
            await livekit.room.remove_participant(api.RoomParticipantIdentity(room=room, identity="callee"))
        await me.until("left", "callee")
        await phone.until("CALL_CLOSED")
        heard, rate = phone.heard()
        assert loudness_of(heard[rate // 2 : 3 * rate // 2], 1000, rate) > 0.9


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("who", ["phone", "room"])
async def test_a_call_in_over_a_stream_is_heard_both_ways_and_ends(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, transport: str, who: str
) -> None:
    number, room = f"+155526{int(transport == 'tls')}{int(who == 'room')}", f"in-{transport}-{who}"
    port = exchange.tls_port if transport == "tls" else exchange.sip_port
    async with (
        line(livekit, number, room),
        somebody(exchange.url, exchange.token(room, "me")) as me,
        telephone(tmp_path, certificate=exchange.certificate) as phone,
    ):
        await me.speak(1000)
        await phone.command("dial", f"sip:{number}@127.0.0.1:{port};transport={transport}")
        await phone.until("CALL_ESTABLISHED")
        assert loudness_of((await me.listen_to("sip_phone", 1.5))[RATE // 2 :], 400, RATE) > 0.9
        if who == "phone":
            await phone.command("hangup")
        else:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=room))
        await phone.until("CALL_CLOSED")


async def test_a_tls_peer_that_nobody_vouches_for_is_not_called(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with telephone(tmp_path, account=";answermode=auto", certificate=make_certificate(tmp_path)) as phone:
        with pytest.raises(api.ServerError) as refusal:
            await dial(livekit, "unknown-authority", phone.port + 1, transport=api.SIP_TRANSPORT_TLS)
        assert refusal.value.code == "failed_precondition"
        assert not phone.events


@pytest.mark.parametrize("scenario", ["answer", "reject"])
async def test_sipp_takes_a_call_over_tcp(exchange: Exchange, livekit: api.LiveKitAPI, scenario: str) -> None:
    async with peer(scenario, status=486, transport="t1") as phone:
        if scenario == "reject":
            with pytest.raises(api.SipCallError):
                await dial(livekit, "sipp-tcp-no", phone.port, transport=api.SIP_TRANSPORT_TCP)
        else:
            await dial(livekit, "sipp-tcp", phone.port, transport=api.SIP_TRANSPORT_TCP)
            await livekit.room.delete_room(api.DeleteRoomRequest(room="sipp-tcp"))
        await phone.succeeded()


@pytest.mark.parametrize("ours", [api.SIP_MEDIA_ENCRYPT_ALLOW, api.SIP_MEDIA_ENCRYPT_REQUIRE])
async def test_an_encrypted_call_out_is_heard_both_ways(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, ours: int
) -> None:
    room = f"out-srtp-{ours}"
    async with (
        telephone(tmp_path, account=";answermode=auto;mediaenc=srtp-mand") as phone,
        somebody(exchange.url, exchange.token(room, "me")) as me,
    ):
        await me.speak(1000)
        await dial(livekit, room, phone.port, media_encryption=ours)
        assert loudness_of((await me.listen_to("callee", 1.5))[RATE // 2 :], 400, RATE) > 0.9
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
        heard, rate = phone.heard()
        assert loudness_of(heard[rate // 2 : rate], 1000, rate) > 0.9


@pytest.mark.parametrize(
    ("ours", "theirs", "taken"),
    [
        (api.SIP_MEDIA_ENCRYPT_REQUIRE, ";mediaenc=srtp-mand", True),
        (api.SIP_MEDIA_ENCRYPT_ALLOW, ";mediaenc=srtp", True),
        (api.SIP_MEDIA_ENCRYPT_ALLOW, "", True),
        (api.SIP_MEDIA_ENCRYPT_REQUIRE, "", False),
        (api.SIP_MEDIA_ENCRYPT_DISABLE, ";mediaenc=srtp-mand", False),
    ],
)
async def test_a_call_in_is_encrypted_as_its_trunk_and_phone_agree(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, ours: int, theirs: str, taken: bool
) -> None:
    number = f"+155527{ours}{len(theirs):02}"
    async with (
        line(livekit, number, number, media_encryption=ours),
        somebody(exchange.url, exchange.token(number, "me")) as me,
        telephone(tmp_path, account=theirs) as phone,
    ):
        await me.speak(1000)
        await phone.command("dial", f"sip:{number}@127.0.0.1:{exchange.sip_port}")
        if not taken:
            assert "488" in (await phone.until("CALL_CLOSED"))["param"]
            return
        await phone.until("CALL_ESTABLISHED")
        assert loudness_of((await me.listen_to("sip_phone", 1.5))[RATE // 2 :], 400, RATE) > 0.9
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
        heard, rate = phone.heard()
        assert loudness_of(heard[rate // 2 : rate], 1000, rate) > 0.9
