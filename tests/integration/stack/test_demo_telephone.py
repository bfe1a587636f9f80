"""The demo's phone, called by a telephone that is written out by hand."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from parley.demo.telephone import AnsweringPhone
from pocket.rtp import sdp
from tests.support.ports import free_port
from tests.support.wirephone import WirePhone, wirephone

pytestmark = pytest.mark.anyio


@pytest.fixture
async def phone() -> AsyncIterator[AnsweringPhone]:
    """It says nothing, for ten seconds."""
    phone = AnsweringPhone(free_port(), free_port(20), np.zeros(80_000, np.int16))
    await phone.agent.start()
    yield phone
    await phone.close()


@pytest.fixture
async def caller(phone: AnsweringPhone) -> AsyncIterator[WirePhone]:
    async with wirephone(phone.agent.port) as caller:
        yield caller


async def test_a_call_that_is_taken_back_while_it_rings_is_answered_as_such_and_forgotten(
    phone: AnsweringPhone, caller: WirePhone
) -> None:
    caller.number_called = "anybody"
    caller.request("INVITE", body=caller.sdp(), number=1, branch="z9hG4bKone")
    await caller.next("180")
    caller.request("CANCEL", number=1, branch="z9hG4bKone")
    assert (await caller.next("487")).get("cseq") == "1 INVITE"
    assert phone._calls == {}


async def test_it_speaks_to_our_own_sip_service_which_would_rather_have_a_wider_codec(
    phone: AnsweringPhone, caller: WirePhone
) -> None:
    sound = caller.sound.getsockname()[1]
    offer = sdp.offer("127.0.0.1", sound, session_id=1, version=1).decode()
    assert f"m=audio {sound} RTP/AVP 9 0 8 101" in offer
    said = await caller.call("anybody", body=offer)
    assert sdp.parse(said.body.encode()).codecs[0].name == "PCMU"
    async with asyncio.timeout(60):
        while len(caller.sounds) < 25:
            await asyncio.sleep(0.02)
    assert {(packet[1] & 127, len(packet)) for packet in caller.sounds} == {(0, 172)}
    assert (await caller.ask("BYE")).kind == "200"


async def test_it_hangs_up_where_it_is_switched_off(phone: AnsweringPhone, caller: WirePhone) -> None:
    await caller.call("anybody")
    closing = asyncio.create_task(phone.close())
    caller.answer(await caller.next("BYE"), "200 OK")
    await closing


async def test_who_hangs_up_is_not_hung_up_on(phone: AnsweringPhone, caller: WirePhone) -> None:
    await caller.call("anybody")
    assert (await caller.ask("BYE")).kind == "200"
    assert phone._calls == {}
    await phone.close()
    with pytest.raises(AssertionError, match="no BYE"):
        await caller.next("BYE", within=0.2)
