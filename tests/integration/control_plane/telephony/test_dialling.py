"""Calling somebody: what the customer sees of it, with a SIP service that does as it is told."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import Exchange, TransferAsked
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Unavailable
from control_plane.sessions.models import Slot
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.placing import CallPlacer
from control_plane.telephony.settling import lock_call, phone_left, settle
from control_plane.telephony.sweeping import hang_up_leftovers, sweep_calls
from control_plane.telephony.sync import repair_trunks
from sip.dialer import SipAwayError, SipRefusedError
from sip.outcomes import Outcome, of_status
from tests.support.calls import (
    CALLEE,
    LINE,
    ROOM,
    TRUNK,
    an_answered_call,
    call_of,
    dial,
    report,
    statuses,
    until,
)
from tests.support.clocks import SteppedClock
from tests.support.database import somebody_waits
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.webhooks import deliveries, make

pytestmark = pytest.mark.anyio


OUTCOMES = [
    (of_status(486, "Busy Here"), "busy", 486),
    (of_status(600, "Busy Everywhere"), "busy", 600),
    (of_status(603, "Decline"), "rejected", 603),
    (of_status(403, "Forbidden"), "rejected", 403),
    (of_status(480, "Temporarily Unavailable"), "no_answer", 480),
    (of_status(408, "Request Timeout"), "no_answer", 408),
    (of_status(404, "Not Found"), "failed", 404),
    (of_status(503, "Service Unavailable"), "failed", 503),
    (Outcome("no_answer", None, "not answered in time"), "no_answer", None),
    (SipRefusedError("no such trunk"), "failed", None),
]


@pytest.mark.parametrize(("answer", "status", "sip_status"), OUTCOMES)
@pytest.mark.usefixtures("placing")
async def test_a_call_that_is_not_answered_ends_once_with_the_reason_and_frees_what_it_held(
    platform: Platform, tenant: Tenant, receiver: Receiver, answer: Any, status: str, sip_status: int | None
) -> None:
    webhook = await make(tenant, receiver.url + "/", events=["call.status"])
    platform.dialer.answer = answer
    platform.dialer.picked_up.set()
    placed = await dial(tenant)

    async def shown() -> tuple[str, int | None]:
        call = await call_of(tenant, placed["id"])
        return call["status"], call["sip_status"]

    await until(shown, (status, sip_status))
    session = (await tenant.http.get(f"/sessions/{placed['session_id']}/detail")).json()["session"]
    assert (session["status"], session["outcome"]) == ("completed", status)
    quota = (await tenant.http.get("/quota")).json()
    assert all(quota["quotas"][name]["used"] == 0 for name in ("sip_calls", "sessions"))
    assert await statuses(platform, placed["id"]) == ["dialing", status]
    told = await receiver.wait_for(2)
    assert [each.event["data"]["status"] for each in told] == ["dialing", status]
    assert len(await deliveries(tenant, webhook)) == 2


@pytest.mark.usefixtures("placing")
async def test_an_answered_call_has_its_persona_and_ends_when_the_phone_leaves(
    platform: Platform, tenant: Tenant
) -> None:
    placed = await dial(tenant, room_name="hello", metadata={"name": "Ada"})
    assert (placed["room_name"], placed["caller_id"]) == ("hello", LINE)
    platform.dialer.picked_up.set()

    async def status() -> str:
        return str((await call_of(tenant, placed["id"]))["status"])

    await until(status, "answered")
    assert [call[0] for call in platform.media.calls].count("dispatch") == 1
    async with platform.database.platform() as db:
        slot = (await db.exec(select(Slot))).one()
    assert slot.variables == {"name": "Ada", "phone_number": CALLEE}
    assert (await tenant.http.post(f"/sip/calls/{placed['id']}/hangup")).status_code == 200
    assert platform.dialer.calls[-1] == ("hang_up", "proj_hello", f"sip_{CALLEE}")


@pytest.mark.usefixtures("placing")
async def test_a_call_that_is_hung_up_while_it_rings_says_so(platform: Platform, tenant: Tenant) -> None:
    placed = await dial(tenant)
    platform.dialer.away = True
    assert (await tenant.http.post(f"/sip/calls/{placed['id']}/hangup")).status_code == 503
    assert (await call_of(tenant, placed["id"]))["reason"] is None
    platform.dialer.away = False
    platform.dialer.answer = Outcome("no_answer", None, "not answered in time")  # as LiveKit tells a cancelled call
    assert (await tenant.http.post(f"/sip/calls/{placed['id']}/hangup")).status_code == 200
    platform.dialer.picked_up.set()

    async def end() -> tuple[Any, Any]:
        call = await call_of(tenant, placed["id"])
        return call["status"], call["reason"]

    await until(end, ("no_answer", "hung up"))
    session = (await tenant.http.get(f"/sessions/{placed['session_id']}/detail")).json()["session"]
    assert (session["outcome"], session["end_reason"]) == ("no_answer", "api")


@pytest.mark.usefixtures("placing")
async def test_a_call_waits_for_a_sip_service_that_is_just_away(platform: Platform, tenant: Tenant) -> None:
    platform.dialer.answer = SipAwayError("no SIP service answers")
    platform.dialer.picked_up.set()
    placed = await dial(tenant)

    async def tries() -> int:
        return min(2, len([call for call in platform.dialer.calls if call[0] == "call"]))

    await until(tries, 2)
    platform.dialer.answer = of_status(486, "Busy Here")

    async def status() -> str:
        return str((await call_of(tenant, placed["id"]))["status"])

    await until(status, "busy")


async def test_without_a_background_process_a_call_is_queued_and_can_be_taken_back(
    platform: Platform, tenant: Tenant
) -> None:
    answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE})
    call = answer.json()["call"]
    assert (answer.status_code, call["status"], call["sip_participant_id"]) == (202, "queued", None)
    await tenant.http.post(f"/sip/calls/{call['id']}/hangup")
    assert (await call_of(tenant, call["id"]))["status"] == "no_answer"
    assert not [call for call in platform.dialer.calls if call[0] == "call"]


async def test_queued_calls_are_never_placed_faster_than_their_trunk_allows(platform: Platform, tenant: Tenant) -> None:
    clock = SteppedClock()
    rate, number = 100.0, 1000
    async with platform.database.platform() as db:
        trunk = (await db.exec(select(SipTrunk))).one()
        trunk.calls_per_second = rate
        for index in range(number):
            db.add(
                Call(
                    project_id=tenant.project.id,
                    room_name=f"proj_{index}",
                    phone_number=CALLEE,
                    status="queued",
                    trunk_id=trunk.id,
                    started_at=clock.at,
                )
            )
    placers = [
        CallPlacer(platform.database, clock, platform.media, platform.dialer, platform.app.state.outbound)
        for _ in range(2)
    ]
    began, placed = clock.at, []
    while len(placed) < number and clock.at < began + timedelta(seconds=60):
        both = await asyncio.gather(*(placer.claim() for placer in placers))
        placed += [(clock.at, call) for claimed in both for call in claimed]
        clock.at += timedelta(seconds=0.01)
    assert len({call for _, call in placed}) == number
    moments = [at for at, _ in placed]
    for at in moments:
        assert sum(at <= other < at + timedelta(seconds=1) for other in moments) <= rate
    assert abs((moments[-1] - began).total_seconds() - number / rate) <= 1


async def test_a_call_whose_process_died_is_settled_and_never_placed_again(platform: Platform, tenant: Tenant) -> None:
    clock = SteppedClock()
    queued = await dial(tenant)
    placer = CallPlacer(platform.database, clock, platform.media, platform.dialer, platform.app.state.outbound)
    assert await placer.claim() == [queued["id"]]
    assert await sweep_calls(platform.database, clock) == 0
    clock.at += timedelta(minutes=2)
    assert await placer.claim() == []
    assert await sweep_calls(platform.database, clock) == 1
    assert (await call_of(tenant, queued["id"]))["status"] == "failed"
    assert (await tenant.http.get("/sessions?status=active")).json()["total"] == 0


async def test_a_trunk_is_made_changed_and_given_up_in_livekit_too(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await tenant.http.post("/sip/trunks", json=TRUNK | {"username": "me", "password": "hunter2hunter2"})
    trunk = made.json()["trunk"]
    assert "hunter2" not in made.text
    _, carrier, _ = platform.dialer.calls[0]
    assert (carrier.address, carrier.username, carrier.password) == (TRUNK["address"], "me", "hunter2hunter2")
    await tenant.http.patch(f"/sip/trunks/{trunk['id']}", json={"transport": "tls"})
    name, carrier, known = platform.dialer.calls[2]
    assert (name, carrier.transport, carrier.password, known) == (
        "open_trunk",
        "tls",
        "hunter2hunter2",
        trunk["outbound_trunk_id"],
    )
    await tenant.http.delete(f"/sip/trunks/{trunk['id']}")
    assert platform.dialer.calls[-2:] == [
        ("close_trunk", trunk["outbound_trunk_id"]),
        ("close_trunk", trunk["inbound_trunk_id"]),
    ]
    assert (await tenant.http.get("/sip/trunks")).json() == {"trunks": []}


async def test_a_number_in_use_is_refused_in_our_own_words_and_leaves_nothing_in_livekit(
    platform: Platform, tenant: Tenant
) -> None:
    other = await platform.tenant("other")
    taken = await other.http.post("/sip/trunks", json=TRUNK)
    said = {"error": f"The number {LINE} is in use on this server", "code": "CONFLICT"}
    assert (taken.status_code, taken.json()) == (409, said)
    own = await other.http.post("/sip/trunks", json=TRUNK | {"phone_number": "+18001234568"})
    changed = await other.http.patch(f"/sip/trunks/{own.json()['trunk']['id']}", json={"phone_number": LINE})
    assert (changed.status_code, changed.json()) == (409, said)
    assert (await other.http.get("/sip/trunks")).json() == {"trunks": [own.json()["trunk"]]}
    await repair_trunks(platform.database, platform.app.state.trunks)
    assert platform.dialer.calls[2][0] == "open_trunk"
    assert ("close_trunk", "ST_3") in platform.dialer.calls


async def test_without_a_sip_service_a_trunk_is_not_made_and_none_is_changed(
    platform: Platform, tenant: Tenant
) -> None:
    before = (await tenant.http.get("/sip/trunks")).json()
    platform.dialer.away = True
    trunk, agent = before["trunks"][0]["id"], (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    for method, path, body in (
        ("POST", "/sip/trunks", TRUNK | {"phone_number": "+18001234568"}),
        ("PATCH", f"/sip/trunks/{trunk}", {"name": "Other"}),
        ("POST", "/sip/configs", {"name": "Line", "phone_number": LINE, "agent_config_id": agent}),
    ):
        answer = await tenant.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert (await tenant.http.get("/sip/trunks")).json() == before
    assert (await tenant.http.get("/sip/configs")).json() == {"configs": []}


async def transfer(platform: Platform, job: PersonaJob, to: str) -> str | None:
    asked = TransferAsked(job_id="AJ_1", session_id=job.session_id, epoch=job.epoch, capability=job.capability, to=to)
    answer = await platform.app.state.uplink.transfer(asked)
    return str(answer.problem) if answer.problem else None


async def test_a_persona_transfers_its_phone_as_the_projects_policy_allows(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    problem = await transfer(platform, job, "+442071838750")
    assert problem is not None
    assert "GB" in problem
    assert await transfer(platform, job, "operator") is not None
    assert not [call for call in platform.dialer.calls if call[0] == "transfer"]
    assert await transfer(platform, job, CALLEE) is None
    assert platform.dialer.calls[-1] == ("transfer", ROOM, "sip_+17755550100", f"tel:{CALLEE}")
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), ROOM, "sip_+17755550100")
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    assert (call["status"], call["reason"]) == ("ended", "transferred")


async def test_a_transfer_that_is_refused_is_told_and_the_call_goes_on(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    platform.dialer.answer = of_status(486, "Busy Here")
    assert await transfer(platform, job, CALLEE) == "The transfer failed and the call goes on: Busy Here"
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    assert (call["status"], call["reason"]) == ("answered", None)


@pytest.mark.usefixtures("placing")
async def test_a_machine_that_answered_makes_a_call_a_voicemail(platform: Platform, tenant: Tenant) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    left = {"detect": True, "message": "Hello {{name}}, call us back."}
    await tenant.http.patch(f"/agents/{agent}", json={"voicemail": left})
    platform.dialer.picked_up.set()
    placed = await dial(tenant, metadata={"name": "Ada"})

    async def status() -> str:
        return str((await call_of(tenant, placed["id"]))["status"])

    await until(status, "answered")
    ((_, metadata),) = [call[1:] for call in platform.media.calls if call[0] == "dispatch"]
    dispatch = DispatchMetadata.model_validate_json(metadata)
    request = Exchange(ticket=dispatch.ticket, job_id="AJ_9", room_name=placed["full_room_name"], room_sid="RM_9")
    job = (await platform.app.state.uplink.exchange(request, "w")).job
    assert job.voicemail.message == "Hello Ada, call us back."
    await report(platform, job, 1, {"type": "phone.answered.v1", "by": "machine"})
    assert await status() == "voicemail"
    assert (await statuses(platform, placed["id"]))[-1] == "voicemail"
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), placed["full_room_name"], f"sip_{CALLEE}")
    ended = await call_of(tenant, placed["id"])
    assert (ended["status"], ended["reason"]) == ("ended", "voicemail")


async def test_a_phone_that_is_left_alone_in_its_room_is_hung_up(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    assert await hang_up_leftovers(platform.database, Clock(), platform.dialer) == 0
    await report(platform, job, 2, {"type": "call.ended.v1", "reason": "persona_ended", "duration_ms": 1000})
    clock = SteppedClock()
    clock.at = datetime.now(UTC) + timedelta(seconds=10)
    assert await hang_up_leftovers(platform.database, clock, platform.dialer) == 1
    assert platform.dialer.calls[-1] == ("hang_up", ROOM, "sip_+17755550100")


async def test_a_call_that_is_settled_while_its_persona_comes_is_no_deadlock(
    platform: Platform, tenant: Tenant
) -> None:
    placed = await dial(tenant, room_name="r")
    clock = Clock()
    placer = CallPlacer(platform.database, clock, platform.media, platform.dialer, platform.app.state.outbound)
    await placer.claim()
    placing = asyncio.create_task(placer.place(placed["id"]))

    async def brought() -> int:
        return [call[0] for call in platform.media.calls].count("dispatch")

    await until(brought, 1)
    ticket = json.loads(platform.media.calls[-1][2])["ticket"]
    asked = Exchange(ticket=ticket, job_id="AJ_1", room_name="proj_r")
    async with platform.database.platform() as db:
        call = await lock_call(db, placed["id"])
        assert call is not None
        coming = asyncio.create_task(platform.app.state.uplink.exchange(asked, "w1"))
        await somebody_waits(db)
        await settle(db, clock, call, Outcome("busy", 486, "Busy Here"))
    refused = await coming
    assert refused is not None
    assert refused.refused
    platform.dialer.picked_up.set()
    await placing
    assert (await call_of(tenant, placed["id"]))["status"] == "busy"


async def test_a_number_is_dialled_in_the_form_in_which_it_was_judged(platform: Platform, tenant: Tenant) -> None:
    placed = await dial(tenant, phone_number="+117751234567")
    placer = CallPlacer(platform.database, Clock(), platform.media, platform.dialer, platform.app.state.outbound)
    platform.dialer.picked_up.set()
    for call_id in await placer.claim():
        await placer.place(call_id)
    called = [call[1] for call in platform.dialer.calls if call[0] == "call"]
    assert [(each.number, each.identity) for each in called] == [(CALLEE, f"sip_{CALLEE}")]
    assert (await call_of(tenant, placed["id"]))["phone_number"] == CALLEE


async def test_what_became_of_a_call_is_written_down_though_the_database_could_not_at_once(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await dial(tenant)
    placer = CallPlacer(platform.database, Clock(), platform.media, platform.dialer, platform.app.state.outbound)
    await placer.claim()
    platform.dialer.answer = of_status(486, "Busy Here")
    platform.dialer.picked_up.set()
    faults = [Unavailable("deadlock"), Unavailable("deadlock")]

    async def lock_late(db: Db, call_id: int) -> Call | None:
        if faults:
            raise faults.pop()
        return await lock_call(db, call_id)

    monkeypatch.setattr("control_plane.telephony.placing.lock_call", lock_late)
    await placer.place(placed["id"])
    assert (await call_of(tenant, placed["id"]))["status"] == "busy"


async def test_a_call_that_waits_for_its_turn_keeps_its_room_and_its_persona(
    platform: Platform, tenant: Tenant
) -> None:
    placed = await dial(tenant)
    clock = SteppedClock()
    clock.at = datetime.now(UTC) + timedelta(minutes=1)
    await Reconciler(platform.database, platform.media, clock).reconcile()
    session = (await tenant.http.get(f"/sessions/{placed['session_id']}/detail")).json()["session"]
    assert session["status"] == "active"
