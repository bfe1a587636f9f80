"""People who are called into the room of a caller: whom nobody waits for is not called, or hung up."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import TransferAsked
from control_plane.clock import Clock
from control_plane.media.server import LiveRoom
from control_plane.sessions.models import Slot
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.settling import phone_left
from control_plane.telephony.sweeping import hang_up_leftovers
from sip.outcomes import of_status
from tests.support.calls import (
    CALLEE,
    CALLER,
    LINE,
    ROOM,
    a_placer,
    an_answered_call,
    asked_for,
    call_in,
    call_of,
    calls_of,
    dial,
    hung_up,
    later,
    report,
    until,
)
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


async def test_whom_a_caller_waits_for_is_called_before_the_queue(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    waiting = await dial(tenant)
    assert (await call_in(platform, job, "+17751234568")).problem is None
    (first,) = await a_placer(platform).claim()
    assert first != waiting["id"]


async def test_a_person_whom_nobody_waits_for_any_more_is_not_called(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    assert (await call_in(platform, job, CALLEE)).problem is None
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, CALLER)
    placer = a_placer(platform)
    (second,) = await placer.claim()
    await placer.place(second)
    assert await asked_for(platform, "call") == 0
    call = await call_of(tenant, second)
    assert (call["status"], call["reason"]) == ("no_answer", "nobody waits any more")


async def test_a_person_whose_trunk_is_gone_is_not_called_and_no_place_is_held_meanwhile(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    assert (await call_in(platform, job, CALLEE)).problem is None
    placer = a_placer(platform)
    (second,) = await placer.claim()
    async with platform.database.platform() as db:
        trunk = (await db.exec(select(SipTrunk))).one()
        trunk.outbound_trunk_id = None
        db.add(
            Slot(
                project_id=tenant.project.id,
                account_id=tenant.project.account_id,
                room_name="proj_free",
                persona_ids=[1],
                ticket_hash=b"free",
                dispatched_at=trunk.created_at,
                expires_at=trunk.created_at,
            )
        )
    async with platform.database.platform() as db, asyncio.timeout(60):
        await db.exec(select(Slot.id).where(col(Slot.session_id).is_(None)).with_for_update())
        await placer.place(second)
    call = await call_of(tenant, second)
    assert (call["status"], call["reason"]) == ("failed", "its trunk is gone")


@pytest.mark.parametrize("when", ["queued", "ringing", "answered"])
async def test_a_person_who_is_not_wanted_any_more_is_hung_up(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, when: str
) -> None:
    job = await an_answered_call(platform, line)
    await call_in(platform, job, CALLEE)
    (second, _) = await calls_of(tenant)
    placer, placing = a_placer(platform), None
    if when != "queued":
        await placer.claim()
        placing = asyncio.create_task(placer.place(second["id"]))
        await until(lambda: asked_for(platform, "call"), 1)
    if when == "answered":
        platform.dialer.picked_up.set()
        assert placing
        await placing
    asked = TransferAsked(
        job_id="AJ_1", session_id=job.session_id, epoch=job.epoch, capability=job.capability, withdraw=True
    )
    assert (await platform.app.state.uplink.transfer(asked)).problem is None
    assert hung_up(platform) == [f"sip_{CALLEE}"]
    told = await call_of(tenant, second["id"])
    if when == "answered":
        assert told["status"] == "answered"  # until LiveKit tells that it has left
    else:
        assert (told["status"], told["reason"]) == ("no_answer", "nobody waits any more")
    if when == "ringing":
        platform.dialer.picked_up.set()
        assert placing
        await placing
        assert hung_up(platform) == [f"sip_{CALLEE}"] * 2
    assert await placer.claim() == []
    assert (await calls_of(tenant))[1]["status"] == "answered"


@pytest.mark.parametrize("leaver", [CALLER, f"sip_{CALLEE}"])
async def test_of_two_who_were_brought_together_who_remains_is_not_left_in_an_empty_room(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, leaver: str
) -> None:
    job = await an_answered_call(platform, line)
    await call_in(platform, job, CALLEE)
    placer = a_placer(platform)
    platform.dialer.picked_up.set()
    (second,) = await placer.claim()
    await placer.place(second)
    await report(platform, job, 2, {"type": "call.ended.v1", "reason": "transferred", "duration_ms": 1000})
    assert await hang_up_leftovers(platform.database, later(30), platform.dialer) == 0
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, leaver)
    assert await hang_up_leftovers(platform.database, later(30), platform.dialer) == 1
    remaining = CALLER if leaver != CALLER else f"sip_{CALLEE}"
    assert hung_up(platform) == [remaining]


async def test_a_person_is_hung_up_whose_caller_is_gone_before_they_answer(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    await call_in(platform, job, CALLEE)
    placer = a_placer(platform)
    (second,) = await placer.claim()
    placing = asyncio.create_task(placer.place(second))
    await until(lambda: asked_for(platform, "call"), 1)
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, CALLER)
    await hang_up_leftovers(platform.database, Clock(), platform.dialer)
    assert hung_up(platform) == [f"sip_{CALLEE}"]
    platform.dialer.answer = of_status(487, "Request Terminated")
    platform.dialer.picked_up.set()
    await placing
    assert (await call_of(tenant, second))["status"] == "no_answer"


@pytest.mark.usefixtures("placing")
async def test_a_person_is_called_into_the_room_of_a_caller_and_keeps_it_when_the_persona_leaves(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    platform.media.rooms[ROOM] = LiveRoom(ROOM, "RM_1", 1_700_000_000, 300, 0)
    await Reconciler(platform.database, platform.media, platform.app.state.clock).reconcile()
    job = await an_answered_call(platform, line)
    caller, person = "sip_+17755550100", f"sip_{CALLEE}"
    assert "GB" in ((await call_in(platform, job, "+442071838750")).problem or "")
    assert (await call_in(platform, job, "+17755550100")).problem == "that is the caller's own number"
    platform.dialer.picked_up.set()
    assert (await call_in(platform, job, CALLEE)).identity == person

    async def second() -> tuple[str, str]:
        call = (await tenant.http.get("/sip/calls")).json()["calls"][0]
        return call["status"], call["phone_number"]

    await until(second, ("answered", CALLEE))
    (sent,) = [call[1] for call in platform.dialer.calls if call[0] == "call"]
    assert (sent.room, sent.identity, sent.number, sent.caller_id) == (ROOM, person, CALLEE, LINE)
    assert not [call for call in platform.media.calls if call[0] in ("dispatch", "create_room")]
    first = (await tenant.http.get("/sip/calls")).json()["calls"][1]["id"]
    url = f"/sip/calls/{first}/transfer"
    refused = await tenant.http.post(url, json={"to": "+17751234568", "mode": "warm"})
    said = f"Somebody is being asked to take call {first} already"
    assert (refused.status_code, refused.json()["error"]) == (409, said)
    await report(platform, job, 2, {"type": "call.ended.v1", "reason": "transferred", "duration_ms": 1000})
    clock = SteppedClock()
    clock.at = datetime.now(UTC) + timedelta(seconds=30)
    assert await hang_up_leftovers(platform.database, clock, platform.dialer) == 0

    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, caller)

    async def hung_up() -> bool:
        return ("hang_up", ROOM, person) in platform.dialer.calls

    await until(hung_up, True)


async def test_a_warm_transfer_needs_a_number_and_a_conversation(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    url = f"/sip/calls/{call['id']}/transfer"
    refused = await tenant.http.post(url, json={"to": "sip:desk@example.org", "mode": "warm"})
    assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "to")
    refused = await tenant.http.post(url, json={"to": "+442071838750", "mode": "warm"})
    assert (refused.status_code, refused.json()["details"]["rule"]) == (403, "countries")
    refused = await tenant.http.post(url, json={"to": call["phone_number"], "mode": "warm"})
    said = f"+17755550100 is the number of the phone in call {call['id']}"
    assert (refused.status_code, refused.json()["code"], refused.json()["error"]) == (409, "CONFLICT", said)
    assert (await tenant.http.post(url, json={"to": CALLEE, "mode": "warm"})).status_code == 200
    refused = await tenant.http.post(url, json={"to": "+17751234568", "mode": "warm"})  # before anybody is called
    said = f"Somebody is being asked to take call {call['id']} already"
    assert (refused.status_code, refused.json()["error"]) == (409, said)
    platform.app.state.clock = SteppedClock()
    platform.app.state.clock.at = datetime.now(UTC) + timedelta(seconds=21)  # the persona did not have anybody called
    assert (await tenant.http.post(url, json={"to": CALLEE, "mode": "warm"})).status_code == 200
    await report(platform, job, 2, {"type": "call.ended.v1", "reason": "persona_ended", "duration_ms": 1000})
    assert (await tenant.http.post(url, json={"to": CALLEE, "mode": "warm"})).status_code == 409
