"""What a far end asks for in a call, said by a phone that is written out by hand; session timers both ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit import api

from tests.integration.pocket.conftest import Exchange
from tests.integration.pocket.test_sip_inbound import line
from tests.integration.pocket.test_sip_outbound import dial
from tests.support.rooms import RATE, Somebody, somebody
from tests.support.telephones import loudness_of
from tests.support.wirephone import Said, WirePhone, wirephone

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ME = "sip_wire"


@asynccontextmanager
async def called(
    exchange: Exchange, livekit: api.LiveKitAPI, number: str, *headers: str
) -> AsyncIterator[tuple[WirePhone, Somebody, Said]]:
    """A phone in a call with somebody in a room, and the 200 that it got."""
    async with (
        line(livekit, number, number),
        somebody(exchange.url, exchange.token(number, "me")) as me,
        wirephone(exchange.sip_port) as phone,
    ):
        await me.speak(1000)
        answer = await phone.call(number, *headers)
        await me.until_status(ME, "active")
        yield phone, me, answer


async def dialled(livekit: api.LiveKitAPI, room: str, phone: WirePhone, *headers: str) -> Said:
    """Call the phone, which answers with some headers; its INVITE."""
    dialling = asyncio.create_task(dial(livekit, room, phone.port))
    asked = await phone.take(*headers)
    await dialling
    return asked


async def still_heard(me: Somebody, identity: str = ME) -> bool:
    return loudness_of((await me.listen_to(identity, 1))[RATE // 4 :], 400, RATE) > 0.9


async def test_digits_by_info_come_in_their_order(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553001") as (phone, me, _):
        relay, plain = "Content-Type: application/dtmf-relay", "Content-Type: application/dtmf"
        said = [(relay, "Signal=1\r\nDuration=160\r\n"), (plain, "#"), (relay, "Signal= 9\nDuration= 1"), (plain, "z")]
        for kind, body in said:
            assert (await phone.ask("INFO", kind, body=body)).kind == "200"
        assert [await me.until("digit", ME, count=n) for n in (1, 2, 3)] == ["1", "#", "9"]
        assert (await phone.ask("INFO", "Content-Type: text/plain", body="5")).kind == "200"
        assert await still_heard(me)


async def test_what_we_do_not_do_is_refused_and_the_call_goes_on(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553002") as (phone, me, _):
        assert (await phone.ask("REFER", "Refer-To: <sip:evil@192.0.2.1>")).kind == "603"
        unknown = await phone.ask("DANCE")
        assert (unknown.kind, "INVITE" in unknown.get("allow")) == ("405", True)
        assert (await phone.ask("OPTIONS")).kind == "200"
        assert (await phone.ask("INFO", number=1)).kind == "500"  # older than what came before
        assert (await phone.ask("INVITE", body=phone.sdp("18"))).kind == "488"
        assert (await phone.ask("INVITE", body="v=0\r\ngarbage")).kind == "488"
        assert (await phone.ask("INVITE", body=phone.sdp(profile="RTP/SAVP"))).kind == "488"
        assert await still_heard(me)


async def test_the_codec_may_change_in_a_call(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553003") as (phone, me, _):
        assert await still_heard(me)
        answer = await phone.ask("INVITE", body=phone.sdp("9"))
        assert (answer.kind, "G722/8000" in answer.body) == ("200", True)
        phone.sounds.clear()
        async with asyncio.timeout(20):
            while sum(packet[1] & 127 == 9 for packet in phone.sounds) < 50:
                await asyncio.sleep(0.02)
        assert len({packet[12:] for packet in phone.sounds if packet[1] & 127 == 9}) > 25  # a voice, not silence
        assert (await phone.ask("INVITE", body=phone.sdp("0"))).kind == "200"
        assert await still_heard(me)


async def test_outside_of_calls_only_options_are_answered(exchange: Exchange) -> None:
    async with wirephone(exchange.sip_port) as phone:
        kinds = {method: (await phone.ask(method)).kind for method in ("OPTIONS", "BYE", "INFO", "REGISTER", "MESSAGE")}
        assert kinds == {"OPTIONS": "200", "BYE": "481", "INFO": "481", "REGISTER": "405", "MESSAGE": "405"}
        phone.peer_tag = "nobody"
        assert (await phone.ask("INVITE", body=phone.sdp())).kind == "481"
        assert (await phone.ask("OPTIONS")).kind == "481"


async def test_an_extension_that_we_lack_is_named(exchange: Exchange) -> None:
    async with wirephone(exchange.sip_port) as phone:
        refusal = await phone.ask("INVITE", "Require: 100rel, timer", body=phone.sdp())
        assert (refusal.kind, refusal.get("unsupported")) == ("420", "100rel")


async def test_a_second_bye_belongs_to_nothing(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553004") as (phone, me, _):
        assert [(await phone.ask("BYE")).kind for _ in range(2)] == ["200", "481"]
        await me.until("left", ME)


async def test_two_byes_that_cross_end_the_call_once(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553005") as (phone, me, _):
        await livekit.room.remove_participant(api.RoomParticipantIdentity(room="+15553005", identity=ME))
        ours = await phone.next("BYE")
        assert (await phone.ask("INFO")).kind == "481"
        assert (await phone.ask("BYE")).kind == "200"
        phone.answer(ours, "481 No")
        await me.until("left", ME)


async def test_an_invite_that_comes_four_times_is_one_call(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    number = "+15553006"
    async with (
        line(livekit, number, number),
        somebody(exchange.url, exchange.token(number, "me")) as me,
        wirephone(exchange.sip_port) as phone,
    ):
        phone.number_called = number
        invite = phone.request("INVITE", body=phone.sdp(), number=1, branch="z9hG4bKsame")
        for _ in range(3):
            phone.line.sendto(invite, phone.server)
        await me.until("joined", ME)
        phone.line.sendto(invite, phone.server)
        await me.speak(1000)
        answer = await phone.next("200")
        phone.line.sendto(invite, phone.server)
        assert (await phone.next("200")).get("to") == answer.get("to")
        phone.established(answer, 1)
        assert await still_heard(me)
        assert [who for event, who, _ in me.happened if event == "joined"] == [ME]
        assert (await phone.ask("BYE", number=2)).kind == "200"


async def test_a_caller_who_cancels_gets_a_487(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    number = "+15553007"
    async with (
        line(livekit, number, number),
        somebody(exchange.url, exchange.token(number, "me")) as me,
        wirephone(exchange.sip_port) as phone,
    ):
        phone.number_called = number
        phone.request("INVITE", body=phone.sdp(), number=1, branch="z9hG4bKsame")
        await me.until("joined", ME)
        phone.request("CANCEL", number=1, branch="z9hG4bKsame")
        assert (await phone.next("487")).get("cseq") == "1 INVITE"
        phone.request("ACK", number=1, branch="z9hG4bKsame")
        await me.until("left", ME)


async def test_a_phone_that_says_busy_to_our_cancel_is_left_alone(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with wirephone(exchange.sip_port) as phone:
        dialling = asyncio.create_task(dial(livekit, "busy-after-cancel", phone.port, ringing=1))
        asked = await phone.next("INVITE")
        phone.answer(asked, "180 Ringing")
        cancel = await phone.next("CANCEL")
        phone.answer(cancel, "200 OK")
        phone.answer(asked, "486 Busy Here")
        assert (await phone.next("ACK")).get("cseq") == "1 ACK"
        with pytest.raises(api.ServerError):
            await dialling
        assert phone.came.empty()


async def test_a_success_whose_ack_was_lost_is_acknowledged_again(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with wirephone(exchange.sip_port) as phone:
        asked = await dialled(livekit, "lost-ack", phone)
        phone.answer(asked, "200 OK", body=phone.sdp())
        assert (await phone.next("ACK")).get("cseq") == "1 ACK"


# Session timers (RFC 4028). The exchange of these tests takes intervals from 3 seconds.


async def test_an_interval_that_is_too_short_is_refused_with_ours(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553010") as (phone, me, _):
        refusal = await phone.ask("UPDATE", "Supported: timer", "Session-Expires: 2")
        assert (refusal.kind, refusal.get("min-se")) == ("422", "3")
        assert await still_heard(me)


async def test_a_caller_who_does_not_refresh_is_hung_up(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15553011", "Supported: timer", "Session-Expires: 3") as (phone, me, answer):
        assert (answer.get("session-expires"), answer.get("require")) == ("3;refresher=uac", "timer")
        await phone.next("BYE", within=5)
        await me.until("left", ME)


async def test_a_caller_who_refreshes_stays(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    timer = ("Supported: timer", "Session-Expires: 3;refresher=uac")
    async with called(exchange, livekit, "+15553012", *timer) as (phone, me, _):
        for method in ("UPDATE", "INVITE", "UPDATE"):
            assert await still_heard(me)
            answer = await phone.ask(method, *timer, body=phone.sdp() if method == "INVITE" else "")
            assert (answer.kind, answer.get("session-expires")) == ("200", "3;refresher=uac")
        assert (await phone.ask("BYE")).kind == "200"


@pytest.mark.parametrize("allow", ["INVITE, ACK, BYE, UPDATE", "INVITE, ACK, BYE"])
async def test_a_caller_who_leaves_it_to_us_is_refreshed(
    exchange: Exchange, livekit: api.LiveKitAPI, allow: str
) -> None:
    headers = ("Supported: timer", "Session-Expires: 4;refresher=uas", f"Allow: {allow}")
    async with called(exchange, livekit, f"+155530{len(allow)}", *headers) as (phone, me, answer):
        assert answer.get("session-expires") == "4;refresher=uas"
        for _ in range(2):
            method = "UPDATE" if "UPDATE" in allow else "INVITE"
            refresh = await phone.next(method, within=4)
            assert refresh.get("session-expires") == "4;refresher=uac"
            body = phone.sdp() if method == "INVITE" else ""
            phone.answer(refresh, "200 OK", "Session-Expires: 4;refresher=uac", "Require: timer", body=body)
            if method == "INVITE":
                await phone.next("ACK")
        assert await still_heard(me)
        await phone.next("UPDATE" if "UPDATE" in allow else "INVITE", within=4)
        await phone.next("BYE", within=6)  # the last refresh had no answer


async def test_a_callee_who_wants_it_is_refreshed_and_gets_longer_intervals(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with wirephone(exchange.sip_port) as phone:
        asked = await dialled(livekit, "refreshed", phone, "Session-Expires: 2;refresher=uac", "Allow: INVITE, UPDATE")
        assert "timer" in asked.get("supported")
        refresh = await phone.next("UPDATE", within=4)
        assert refresh.get("session-expires") == "2;refresher=uac"
        phone.answer(refresh, "422 Too Small", "Min-SE: 4")
        refresh = await phone.next("UPDATE", within=4)
        assert refresh.get("session-expires") == "4;refresher=uac"
        phone.answer(refresh, "481 Gone")
        await phone.next("BYE")


async def test_a_callee_who_promised_to_refresh_and_does_not_is_hung_up(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with wirephone(exchange.sip_port) as phone:
        await dialled(livekit, "unrefreshed", phone, "Session-Expires: 3;refresher=uas", "Require: timer")
        await phone.next("BYE", within=5)


async def test_a_caller_who_names_himself_strangely_gets_a_name_that_paths_can_hold(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    number = "+15553099"
    async with (
        line(livekit, number, number),
        somebody(exchange.url, exchange.token(number, "me")) as me,
        wirephone(exchange.sip_port) as phone,
    ):
        phone.user = "a/../b%20c"
        await me.speak(1000)
        await phone.call(number)
        await me.until_status("sip_a_.._b_20c", "active")
