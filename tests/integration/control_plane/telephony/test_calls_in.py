"""Numbers that are called: who answers, what a caller finds where nobody does, and how such calls end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from livekit import api
from sqlalchemy import text
from sqlmodel import select

from agents.calling import DispatchMetadata
from control_plane.clock import Clock
from control_plane.livekit_hooks.service import take
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.settling import phone_left
from control_plane.telephony.sweeping import sweep_calls
from tests.support.calls import (
    CALLEE,
    CALLER,
    ROOM,
    an_answered_call,
    asked_for,
    calls_of,
    exchange,
    give_up,
    hung_up,
)
from tests.support.clocks import SteppedClock
from tests.support.database import somebody_waits
from tests.support.platform import Platform, Tenant
from tests.support.uplink_client import submission_of

pytestmark = pytest.mark.anyio


async def test_a_number_that_is_called_reaches_its_persona(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    first, again = await exchange(platform, line), await exchange(platform, line)
    assert first.job is not None
    assert first.job.phone == "sip_+17755550100"
    assert first == again

    async def the_call() -> dict[str, Any]:
        (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
        return {name: call[name] for name in ("direction", "phone_number", "status", "session_id")}

    seen = {"direction": "inbound", "phone_number": "+17755550100", "session_id": first.job.session_id}
    assert await the_call() == seen | {"status": "ringing"}
    started = submission_of(first.job, 1, type="call.started.v1")
    assert await platform.app.state.uplink.submit(started)
    assert await the_call() == seen | {"status": "answered"}
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, "sip_+17755550100")
    assert await the_call() == seen | {"status": "ended"}


async def test_a_caller_who_gives_up_before_the_persona_speaks_is_told_and_holds_nothing(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    assert (await exchange(platform, line)).job is not None
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, "sip_+17755550100")
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    assert call["status"] == "no_answer"
    assert (await tenant.http.get("/sessions?status=active")).json()["total"] == 0


async def test_a_caller_who_speaks_with_their_persona_is_not_turned_away_as_a_second_one_is(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await an_answered_call(platform, line)
    assert (await exchange(platform, line, job="AJ_2")).refused == "this agent is in the room already"
    (call,) = await calls_of(tenant)
    assert call["status"] == "answered"
    assert hung_up(platform) == []


async def test_a_caller_finds_the_line_busy_where_all_of_its_places_are_taken(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    (config,) = (await tenant.http.get("/sip/configs")).json()["configs"]
    limit = await tenant.http.patch(f"/sip/configs/{config['id']}", json={"max_concurrent": 1})
    assert limit.json()["config"]["max_concurrent"] == 1
    assert (await exchange(platform, line)).job is not None
    second = "proj_call_+17755550199_ghijkl"
    for _ in range(2):
        refused = await exchange(platform, line, second, "AJ_2")
        assert refused.refused == "all lines of this number are busy"
        assert platform.dialer.calls[-1] == ("hang_up", second, "sip_+17755550199")
    busy, going_on = (await tenant.http.get("/sip/calls")).json()["calls"][:2]
    assert [busy[name] for name in ("status", "sip_status", "phone_number")] == ["busy", 486, "+17755550199"]
    assert going_on["status"] == "ringing"


@pytest.mark.parametrize("room", ["other_call_+1_a", "proj_private"])
async def test_a_numbers_ticket_opens_no_other_room(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, room: str
) -> None:
    assert (await exchange(platform, line, room)).job is None
    assert (await tenant.http.get("/sip/calls")).json()["total"] == 0


async def test_a_number_that_was_given_up_is_answered_no_longer(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    (config,) = (await tenant.http.get("/sip/configs")).json()["configs"]
    assert (await tenant.http.delete(f"/sip/configs/{config['id']}")).status_code == 200
    assert "close_rule" in [call[0] for call in platform.dialer.calls]
    assert (await exchange(platform, line)).job is None


async def test_a_number_says_how_long_its_calls_are_and_whether_keys_are_heard(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    (config,) = (await tenant.http.get("/sip/configs")).json()["configs"]
    change = {"dtmf_enabled": False, "max_call_duration": 300}
    assert (await tenant.http.patch(f"/sip/configs/{config['id']}", json=change)).status_code == 200
    job = (await exchange(platform, line)).job
    assert job is not None
    assert (job.hears_keys, job.max_call_duration, job.voicemail) == (False, 300, None)


async def test_a_call_in_whose_end_no_hook_told_is_settled_all_the_same(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await an_answered_call(platform, line)
    clock = SteppedClock()
    clock.at = datetime.now(UTC) + timedelta(minutes=2)
    await sweep_calls(platform.database, clock)
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    assert (call["status"], call["reason"]) == ("ended", "hung up")


async def test_a_ticket_that_is_asked_twice_at_once_is_one_call_and_hangs_nobody_up(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    (config,) = (await tenant.http.get("/sip/configs")).json()["configs"]
    await tenant.http.patch(f"/sip/configs/{config['id']}", json={"max_concurrent": 1})
    async with platform.database.platform() as db:
        await db.execute(text("select from sip_config for update"))
        twice = [asyncio.create_task(exchange(platform, line)) for _ in range(2)]
        await somebody_waits(db)
    first, again = await asyncio.gather(*twice)
    assert first.job is not None
    assert first == again
    assert hung_up(platform) == []
    assert [call["status"] for call in await calls_of(tenant)] == ["ringing"]


async def rings(platform: Platform, room: str = ROOM, identity: str = CALLER) -> None:
    """LiveKit tells that a phone has come by the trunk."""
    async with platform.database.platform() as db:
        trunk = (await db.exec(select(SipTrunk))).one()
    attributes = {"sip.trunkID": trunk.inbound_trunk_id or "", "sip.callStatus": "ringing"}
    kind = api.ParticipantInfo.Kind.SIP
    person = api.ParticipantInfo(sid=f"PA_{room}", identity=identity, kind=kind, attributes=attributes)
    event = api.WebhookEvent(
        id=f"EV_{room}", event="participant_joined", room=api.Room(name=room, sid=f"RM_{room}"), participant=person
    )
    async with platform.database.platform() as db:
        await take(db, Clock(), event)


async def test_a_call_is_known_as_soon_as_it_rings_and_its_persona_finds_it(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await rings(platform)
    (call,) = await calls_of(tenant)
    assert (call["status"], call["direction"], call["phone_number"]) == ("ringing", "inbound", "+17755550100")
    answer = await exchange(platform, line)
    assert answer.job is not None
    (same,) = await calls_of(tenant)
    assert (same["id"], same["session_id"]) == (call["id"], answer.job.session_id)
    assert await give_up(platform, 60) == 0


async def test_calls_that_ring_hold_no_line_of_those_that_have_their_persona(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    (config,) = (await tenant.http.get("/sip/configs")).json()["configs"]
    await tenant.http.patch(f"/sip/configs/{config['id']}", json={"max_concurrent": 1})
    second = "proj_call_+17755550199_ghijkl"
    await rings(platform)
    await rings(platform, second, "sip_+17755550199")
    assert (await exchange(platform, line)).job is not None
    assert (await exchange(platform, line, second, "AJ_2")).refused == "all lines of this number are busy"


async def test_a_caller_for_whom_no_worker_comes_hears_the_busy_tone_and_is_kept(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await rings(platform)
    assert await give_up(platform, 10) == 0
    assert await give_up(platform, 16) == 1
    assert hung_up(platform) == [CALLER]
    (call,) = await calls_of(tenant)
    assert (call["status"], call["sip_status"], call["reason"]) == ("busy", 486, "nobody could answer")


async def test_a_persona_that_comes_after_its_caller_has_hung_up_is_sent_away(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await rings(platform)
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, CALLER)
    assert (await exchange(platform, line)).refused == "the caller has hung up"
    assert [call["status"] for call in await calls_of(tenant)] == ["no_answer"]


async def test_a_phone_in_a_room_of_ones_own_is_no_call_in(platform: Platform, tenant: Tenant) -> None:
    await rings(platform, "proj_mine")
    assert await calls_of(tenant) == []


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("tel:+442071838750", 403),
        ("sip:%2B442071838750@carrier.example", 403),
        ("tel:442071838750", 400),
        ("sip:442071838750@carrier.example", 400),
        ("sip:011442071838750@carrier.example", 400),
        ("sip:desk@carrier.example", 403),
        ("sip:desk@127.0.0.1", 200),
        (f"sip:{CALLEE}@carrier.example", 200),
    ],
)
async def test_the_policy_holds_for_a_number_however_its_address_is_written(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, to: str, status: int
) -> None:
    await an_answered_call(platform, line)
    (call,) = await calls_of(tenant)
    answer = await tenant.http.post(f"/sip/calls/{call['id']}/transfer", json={"to": to})
    assert answer.status_code == status, answer.text
    assert await asked_for(platform, "transfer") == (1 if status == 200 else 0)
    if status == 400:
        assert answer.json()["details"]["fields"][0]["field"] == "to"
