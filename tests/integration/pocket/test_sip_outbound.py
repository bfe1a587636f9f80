"""Calls out, by LiveKit's own API, to real phones."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api
from livekit.protocol.models import DisconnectReason

from tests.integration.pocket.conftest import Exchange, until
from tests.support.rooms import RATE, somebody
from tests.support.sipp import peer
from tests.support.telephones import loudness_of, telephone, tone
from tests.support.wirephone import wirephone

pytestmark = pytest.mark.anyio


async def dial(livekit: api.LiveKitAPI, room: str, port: int, **more: Any) -> api.SIPParticipantInfo:
    """Call a phone of this machine and wait for the answer."""
    asked = api.CreateSIPParticipantRequest(
        trunk=api.SIPOutboundConfig(
            hostname=f"127.0.0.1:{port}",
            transport=more.pop("transport", api.SIP_TRANSPORT_UDP),
            auth_username=more.pop("username", ""),
            auth_password=more.pop("password", ""),
        ),
        sip_number="+15550001",
        sip_call_to="phone",
        room_name=room,
        participant_identity=more.pop("identity", "callee"),
        wait_until_answered=True,
        ringing_timeout=Duration(seconds=more.pop("ringing", 30)),
        **more,
    )
    async with asyncio.timeout(60):
        return await livekit.sip.create_sip_participant(asked)


async def test_what_is_high_in_a_voice_is_as_loud_behind_the_line_as_before_it(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        telephone(tmp_path, account=";answermode=auto;audio_codecs=pcmu", voice=tone(3100, 30)) as phone,
        somebody(exchange.url, exchange.token("high", "me")) as me,
    ):
        await me.speak(3000)
        await dial(livekit, "high", phone.port)
        in_room = (await me.listen_to("callee", 2.5))[RATE:]
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
        on_phone, rate = phone.heard()
    spoken = 9000 / np.sqrt(2)
    for heard, hertz, of in ((in_room, 3100, RATE), (on_phone[-rate - rate // 2 : -rate // 2], 3000, rate)):
        assert loudness_of(heard, hertz, of) > 0.95
        assert 0.8 < np.sqrt(np.mean(heard.astype(float) ** 2)) / spoken < 1.25


@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722"])
async def test_a_phone_and_a_room_hear_each_other_until_the_phone_hangs_up(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, codec: str
) -> None:
    async with (
        telephone(tmp_path, account=f";answermode=auto;audio_codecs={codec}") as phone,
        somebody(exchange.url, exchange.token(f"out-{codec}", "me")) as me,
    ):
        await me.speak(1000)
        info = await dial(livekit, f"out-{codec}", phone.port)
        assert info.participant_identity == "callee"
        said = await me.listen_to("callee", 1.5)
        assert loudness_of(said[RATE // 2 :], 400, RATE) > 0.95
        await me.room.local_participant.publish_dtmf(code=5, digit="5")
        await phone.command("sndcode", "7")
        assert await me.until("digit", "callee") == "7"
        assert (await phone.until("CALL_DTMF_START"))["param"] == "5"
        await phone.command("hangup")
        assert await me.until("left", "callee") == DisconnectReason.CLIENT_INITIATED
        assert me.statuses("callee") == ["dialing", "ringing", "active", "hangup"]
        await phone.until("CALL_CLOSED")
        heard, rate = phone.heard()
        assert loudness_of(heard[rate // 2 : 2 * rate], 1000, rate) > 0.9


async def test_a_phone_that_is_kept_apart_and_another_do_not_hear_each_other_until_it_is_not(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        telephone(tmp_path / "one", account=";answermode=auto", voice=tone(400, 30)) as one,
        telephone(tmp_path / "other", account=";answermode=auto", voice=tone(800, 30)) as other,
        somebody(exchange.url, exchange.token("apart", "me")) as me,
    ):
        await dial(livekit, "apart", one.port, identity="one")
        await dial(livekit, "apart", other.port, identity="other", participant_attributes={"parley.apart": "yes"})
        assert loudness_of((await me.listen_to("other", 2))[RATE // 2 :], 800, RATE) > 0.95
        together = api.UpdateParticipantRequest(room="apart", identity="other", attributes={"parley.apart": ""})
        await livekit.room.update_participant(together)
        await me.listen_to("one", 5)  # a busy machine may have them together some seconds later
        for phone, hertz in ((one, 800), (other, 400)):
            await phone.command("hangup")
            await phone.until("CALL_CLOSED")
            heard, rate = phone.heard()
            tenths = heard[: len(heard) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
            is_heard = [loudness_of(tenth, hertz, rate) > 0.7 for tenth in tenths]
            assert sum(is_heard[:19]) == 0
            assert sum(is_heard[-15:-1]) > 10


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "not_found", DisconnectReason.USER_UNAVAILABLE),
        (408, "deadline_exceeded", DisconnectReason.USER_UNAVAILABLE),
        (480, "resource_exhausted", DisconnectReason.USER_UNAVAILABLE),
        (486, "resource_exhausted", DisconnectReason.USER_REJECTED),
        (503, "failed_precondition", DisconnectReason.CLIENT_INITIATED),
        (603, "permission_denied", DisconnectReason.USER_REJECTED),
    ],
)
async def test_a_refusal_is_told_with_its_status(
    exchange: Exchange, livekit: api.LiveKitAPI, status: int, code: str, reason: int
) -> None:
    room = f"refused-{status}"
    async with somebody(exchange.url, exchange.token(room, "me")) as me, peer("reject", status=status) as phone:
        with pytest.raises(api.SipCallError) as refusal:
            await dial(livekit, room, phone.port)
        assert (refusal.value.code, refusal.value.sip_status_code) == (code, status)
        assert await me.until("left", "callee") == reason
        assert me.statuses("callee") == ["dialing", "ringing"]
        await phone.succeeded()


async def test_a_phone_that_nobody_answers_is_let_off_after_the_ringing_time(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with somebody(exchange.url, exchange.token("ringing", "me")) as me, peer("ring") as phone:
        with pytest.raises(api.ServerError) as refusal:
            await dial(livekit, "ringing", phone.port, ringing=2)
        assert (refusal.value.code, "timed out" in str(refusal.value)) == ("canceled", True)
        assert await me.until("left", "callee") == DisconnectReason.USER_UNAVAILABLE
        await phone.succeeded()  # it got a CANCEL


async def test_an_answer_that_crosses_the_cancel_is_hung_up(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with peer("answer_after_cancel") as phone:
        with pytest.raises(api.ServerError):
            await dial(livekit, "crossing", phone.port, ringing=1)
        await phone.succeeded()  # ACK and BYE


async def test_a_peer_that_says_nothing_is_given_up(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with somebody(exchange.url, exchange.token("nobody", "me")) as me:
        with pytest.raises(api.ServerError) as refusal:
            await dial(livekit, "nobody", 9, ringing=2)
        assert refusal.value.code == "canceled"
        assert await me.until("left", "callee") == DisconnectReason.USER_UNAVAILABLE
        assert me.statuses("callee") == ["dialing"]


async def test_a_trunk_that_asks_for_a_password_gets_it(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with peer("challenge") as phone:
        await dial(livekit, "password", phone.port, username="tu", password="tp")
        await livekit.room.delete_room(api.DeleteRoomRequest(room="password"))
        await phone.succeeded()


async def test_a_trunk_that_asks_for_a_password_we_do_not_have_fails(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with peer("challenge_only") as phone:
        with pytest.raises(api.ServerError) as refusal:
            await dial(livekit, "no-password", phone.port)
        assert refusal.value.code == "failed_precondition"
        await phone.succeeded()


@pytest.mark.parametrize("how", ["participant", "room"])
async def test_removing_the_participant_or_the_room_hangs_up(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path, how: str
) -> None:
    room = f"removed-{how}"
    async with telephone(tmp_path, account=";answermode=auto") as phone:
        await dial(livekit, room, phone.port)
        if how == "room":
            await livekit.room.delete_room(api.DeleteRoomRequest(room=room))
        else:
            await livekit.room.remove_participant(api.RoomParticipantIdentity(room=room, identity="callee"))
        await phone.until("CALL_CLOSED")


async def test_a_phone_that_answers_and_never_speaks_is_hung_up(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with somebody(exchange.url, exchange.token("mute", "me")) as me, peer("answer") as phone:
        await dial(livekit, "mute", phone.port)
        assert await me.until("left", "callee") == DisconnectReason.CLIENT_INITIATED
        assert me.statuses("callee")[-1] == "active"
        await phone.succeeded()


async def test_a_call_ends_at_its_longest_duration(exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path) -> None:
    async with telephone(tmp_path, account=";answermode=auto") as phone:
        await dial(livekit, "short", phone.port, max_call_duration=Duration(seconds=1))
        await phone.until("CALL_CLOSED")


async def test_digits_of_the_dial_are_played_before_the_room_is_heard(
    exchange: Exchange, livekit: api.LiveKitAPI, tmp_path: Path
) -> None:
    async with (
        telephone(tmp_path, account=";answermode=auto") as phone,
        somebody(exchange.url, exchange.token("digits", "me")) as me,
    ):
        await dial(livekit, "digits", phone.port, dtmf="12w3")
        assert [(await phone.until("CALL_DTMF_START", count=n))["param"] for n in (1, 2, 3)] == ["1", "2", "3"]
        await me.until_status("callee", "active")
        assert me.statuses("callee") == ["dialing", "ringing", "automation", "active"]


async def test_a_call_that_ended_leaves_no_port_and_no_call(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    await until(lambda: exchange.figures()["pocket_sip_calls_active"] == 0)
    await until(lambda: exchange.figures()["pocket_sip_rtp_ports_free"] == 200)


async def test_a_phone_that_answers_and_hangs_up_at_once_has_answered(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with wirephone(exchange.sip_port) as phone:
        dialling = asyncio.create_task(dial(livekit, "at-once", phone.port))
        await phone.take()
        assert (await phone.ask("BYE")).kind == "200"
        assert (await dialling).participant_identity == "callee"
