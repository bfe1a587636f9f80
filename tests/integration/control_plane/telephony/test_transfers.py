"""Transfers: to whom, as what, and how many, however many are asked for at once."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import col, select, update

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import TransferAsked
from control_plane.clock import Clock
from control_plane.gate.models import AuditEntry
from control_plane.media.server import LiveParticipant
from control_plane.sessions.models import SessionJob
from control_plane.telephony.models import Call, DialDecision, Transfer
from sip.dialer import SipAwayError
from sip.outcomes import ANSWERED, Outcome, of_status
from tests.support.calls import (
    CALLEE,
    LINE,
    LISTED,
    ROOM,
    a_placer,
    an_answered_call,
    asked_for,
    call_of,
    calls_of,
    dial,
    exchange,
)
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

STRANGER = "+17755559999"


async def allow(tenant: Tenant, **limits: int) -> None:
    answer = await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json={"limits": limits})
    assert answer.status_code == 200, answer.text


async def calls_in(platform: Platform, tenant: Tenant, count: int) -> list[int]:
    """Calls of people who speak with somebody now."""
    now = Clock().now()
    rows = [
        Call(
            project_id=tenant.project.id,
            room_name=f"proj_call_{number}",
            phone_number=f"+1775555{number:04}",
            caller_id=LINE,
            direction="inbound",
            status="answered",
            identity=f"sip_+1775555{number:04}",
            started_at=now,
            answered_at=now,
            longest_seconds=600,
        )
        for number in range(count)
    ]
    await platform.add(*rows)
    return [row.id for row in rows]


async def transfer(tenant: Tenant, call_id: int, to: str = CALLEE) -> tuple[int, str | None]:
    answer = await tenant.http.post(f"/sip/calls/{call_id}/transfer", json={"to": to})
    return answer.status_code, answer.json().get("details", {}).get("rule")


async def ask(platform: Platform, job: PersonaJob, to: str, *, warm: bool = False) -> str | None:
    asked = TransferAsked(
        job_id="AJ_1", session_id=job.session_id, epoch=job.epoch, capability=job.capability, to=to, warm=warm
    )
    problem = (await platform.app.state.uplink.transfer(asked)).problem
    return str(problem) if problem else None


async def written(platform: Platform) -> list[tuple[str, str, str]]:
    async with platform.database.platform() as db:
        rows = (await db.exec(select(Transfer))).all()
    return [(row.address, row.asked_by, row.status) for row in rows]


@pytest.mark.parametrize(
    ("limits", "allowed"), [({"concurrent": 5}, 5), ({"calls_per_day": 5}, 5), ({"minutes_per_day": 25}, 2)]
)
async def test_a_hundred_transfers_at_once_never_pass_a_limit(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], allowed: int
) -> None:
    await allow(tenant, **limits)
    (rule,) = limits
    calls, under_way, over = await calls_in(platform, tenant, 100), [], asyncio.Event()

    async def held(room: str, *_: object, **__: object) -> Outcome:
        under_way.append(room)
        await over.wait()
        return ANSWERED

    monkeypatch.setattr(platform.dialer, "transfer", held)

    async def insist(call_id: int) -> tuple[int, str | None]:
        while (outcome := await transfer(tenant, call_id))[0] == 503:  # a busy machine: the door was too narrow
            pass
        return outcome

    asking = [asyncio.create_task(insist(call_id)) for call_id in calls]
    async with asyncio.timeout(120):
        while sum(task.done() for task in asking) + len(under_way) < len(calls):
            await asyncio.sleep(0.02)
    over.set()
    outcomes = Counter(await asyncio.gather(*asking))
    assert outcomes == {(200, None): allowed, (403, rule): 100 - allowed}
    assert len(under_way) == allowed


async def test_calls_and_transfers_share_the_limits_of_a_day(platform: Platform, tenant: Tenant) -> None:
    await allow(tenant, calls_per_day=5)
    calls = await calls_in(platform, tenant, 20)

    async def dialled() -> int:
        return (await tenant.http.post("/sip/dial", json={"phone_number": CALLEE})).status_code

    asked: list[Any] = [transfer(tenant, call_id) for call_id in calls] + [dialled() for _ in calls]
    outcomes = await asyncio.gather(*asked)
    allowed = sum(outcome in (202, (200, None)) for outcome in outcomes)
    assert allowed == 5


async def test_of_many_transfers_of_one_call_one_reaches_the_carrier(platform: Platform, tenant: Tenant) -> None:
    (call_id,) = await calls_in(platform, tenant, 1)
    outcomes = Counter(await asyncio.gather(*(transfer(tenant, call_id) for _ in range(20))))
    assert outcomes == {(200, None): 1, (409, None): 19}
    assert await asked_for(platform, "transfer") == 1


async def test_a_transfer_that_failed_may_be_tried_again_and_counts_no_minutes(
    platform: Platform, tenant: Tenant
) -> None:
    await allow(tenant, minutes_per_day=10)
    (call_id,) = await calls_in(platform, tenant, 1)
    platform.dialer.answer = of_status(486, "Busy Here")
    assert await transfer(tenant, call_id) == (409, None)
    platform.dialer.answer = ANSWERED
    assert await transfer(tenant, call_id) == (200, None)
    assert await written(platform) == [(f"tel:{CALLEE}", "api", "refused"), (f"tel:{CALLEE}", "api", "done")]
    (other,) = await calls_in(platform, tenant, 1)
    assert await transfer(tenant, other) == (403, "minutes_per_day")


async def test_a_transfer_of_which_nothing_is_heard_counts(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await allow(tenant, minutes_per_day=10)
    first, second = await calls_in(platform, tenant, 2)

    async def silent(*_: object, **__: object) -> Outcome:
        raise SipAwayError("LiveKit did not say what became of the transfer")

    monkeypatch.setattr(platform.dialer, "transfer", silent)
    assert await transfer(tenant, first) == (503, None)
    assert await transfer(tenant, first) == (403, "minutes_per_day")
    assert await transfer(tenant, second) == (403, "minutes_per_day")


@pytest.mark.parametrize(
    ("to", "sent"),
    [
        (CALLEE, f"tel:{CALLEE}"),
        ("tel:+1-775-123-4567;ext=99", f"tel:{CALLEE}"),
        ("tel:+17751234567;phone-context=evil.example", f"tel:{CALLEE}"),
        ("sip:+17751234567@evil.example;user=phone?Replaces=a%40b", f"tel:{CALLEE}"),
        ("sips:%2B17751234567:secret@evil.example:5061", f"tel:{CALLEE}"),
        ("tel:+44(0)2071838750", None),
        ("sip:desk@127.0.0.1:5060", "sip:desk@127.0.0.1:5060"),
        ("sip:desk@127.0.0.1", "sip:desk@127.0.0.1:5060"),
        ("sip:desk@evil.example", None),
        ("sip:desk@127.0.0.1:6379", None),
        ("sip:desk@127.0.0.1@evil.example", None),
        ("sip:desk@evil.example;maddr=127.0.0.1", None),
        ("sip:desk@127.0.0.1:5060;transport=tcp", None),
        ("sip:desk@127.0.0.1?Replaces=a", None),
        ("sip:desk%40evil.example@127.0.0.1", None),
    ],
)
async def test_what_a_carrier_is_given_is_what_was_judged(
    platform: Platform, tenant: Tenant, to: str, sent: str | None
) -> None:
    (call_id,) = await calls_in(platform, tenant, 1)
    status, _ = await transfer(tenant, call_id, to)
    assert status == 200 if sent else status in (400, 403)
    assert [call[3] for call in platform.dialer.calls if call[0] == "transfer"] == ([sent] if sent else [])
    assert len(await written(platform)) == (1 if sent else 0)


@pytest.mark.parametrize("warm", [False, True])
async def test_a_persona_transfers_to_nobody_who_is_not_listed(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, warm: bool
) -> None:
    job = await an_answered_call(platform, line)
    for to in (STRANGER, "operator", "sip:desk@127.0.0.1", f"tel:{STRANGER}", ""):
        assert await ask(platform, job, to, warm=warm) is not None
    said = f"{STRANGER} is none of the numbers that this agent may transfer to"
    assert await ask(platform, job, STRANGER, warm=warm) == said
    assert await asked_for(platform, "transfer") == 0
    assert len(await calls_of(tenant)) == 1
    assert await ask(platform, job, CALLEE, warm=warm) is None


async def test_the_list_of_a_call_is_that_of_the_version_that_it_began_with(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    assert (await tenant.http.post(f"/agents/{agent}/publish", json={})).status_code == 200
    job = await an_answered_call(platform, line)
    await tenant.http.patch(f"/agents/{agent}", json={"transfer_numbers": [{"number": STRANGER}]})
    assert (await tenant.http.post(f"/agents/{agent}/publish", json={})).status_code == 200
    assert await ask(platform, job, STRANGER) is not None
    assert await ask(platform, job, CALLEE) is None


async def test_the_api_may_have_anybody_asked_to_take_a_call_that_the_policy_allows(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    (call,) = await calls_of(tenant)
    answer = await tenant.http.post(f"/sip/calls/{call['id']}/transfer", json={"to": STRANGER, "mode": "warm"})
    assert answer.status_code == 200
    assert await ask(platform, job, "+17755558888", warm=True) is not None
    assert await ask(platform, job, STRANGER, warm=True) is None
    assert await ask(platform, job, STRANGER, warm=True) is not None, "it was asked once"


async def test_the_fallback_number_is_listed_and_a_persona_without_numbers_has_no_such_tool(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    tools = [{"type": "builtin", "name": "transfer_call"}, {"type": "builtin", "name": "end_call"}]
    await tenant.http.patch(f"/agents/{agent}", json={"tools": tools, "transfer_numbers": []})
    assert [act.name for act in (await an_answered_call(platform, line)).acts] == ["end_call"]
    await tenant.http.patch(f"/agents/{agent}", json={"fallback_number": CALLEE})
    job = (await exchange(platform, line, ROOM.replace("0100", "0101"), "AJ_2")).job
    assert job is not None
    assert [(act.name, [each.number for each in act.numbers]) for act in job.acts] == [
        ("transfer_call", [CALLEE]),
        ("end_call", []),
    ]
    assert job.fallback_number == CALLEE


async def test_what_a_persona_transfers_is_in_the_audit_log(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    assert await ask(platform, job, CALLEE) is None
    async with platform.database.platform() as db:
        entries = (await db.exec(select(AuditEntry).where(AuditEntry.action == "transfer"))).all()
    (call,) = await calls_of(tenant)
    assert [(entry.key_id.split()[0], entry.target) for entry in entries] == [
        ("agent", {"call_id": call["id"], "to": f"tel:{CALLEE}"})
    ]


@pytest.mark.parametrize("change", ["opted out", "quiet hour", "country closed"])
async def test_a_call_that_waited_is_judged_again_when_it_is_placed(
    platform: Platform, tenant: Tenant, change: str
) -> None:
    placed = await dial(tenant)
    policy: dict[str, Any] = {
        "opted out": {"do_not_call": [CALLEE]},
        "quiet hour": {"quiet_hours": {"start": "00:00", "end": "00:00"}},
        "country closed": {"countries": ["GB"]},
    }[change]
    assert (await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json=policy)).status_code == 200
    placer = a_placer(platform)
    (claimed,) = await placer.claim()
    await placer.place(claimed)
    assert await asked_for(platform, "call") == 0
    call = await call_of(tenant, placed["id"])
    assert call["status"] == "failed"
    assert call["reason"]
    session = (await tenant.http.get(f"/sessions/{placed['session_id']}/detail")).json()["session"]
    assert session["status"] == "completed"


async def test_limits_that_were_reached_meanwhile_take_no_call_back(platform: Platform, tenant: Tenant) -> None:
    await allow(tenant, calls_per_day=1)
    await dial(tenant)
    placer = a_placer(platform)
    platform.dialer.picked_up.set()
    (claimed,) = await placer.claim()
    await placer.place(claimed)
    assert await asked_for(platform, "call") == 1


async def test_a_persona_that_was_lost_transfers_nobody_any_more(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    async with platform.database.platform() as db:
        await db.exec(update(SessionJob).values(ended_at=Clock().now(), lost_at=Clock().now()))
    for warm in (False, True):
        assert await ask(platform, job, CALLEE, warm=warm) == "this persona is not in the call any more"
    assert await written(platform) == []
    assert len(await calls_of(tenant)) == 1


def speaks(platform: Platform, room: str, status: str = "active") -> None:
    """LiveKit has the phone of a call that comes in, and says so much of it; no worker has reported anything."""
    identity = f"sip_{room.split('_')[2]}"
    phone = LiveParticipant("PA_1", identity, "", "sip", "ACTIVE", 1, hidden=False, tracks=[])
    platform.media.people[room] = [replace(phone, attributes={"sip.callStatus": status})]


@pytest.mark.parametrize("asked_by", ["api", "agent"])
async def test_a_transfer_in_the_first_instant_of_a_call_is_judged_and_counted_like_any_other(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, asked_by: str
) -> None:
    await allow(tenant, minutes_per_day=30)
    found: list[Any] = []
    for room, job_id in ((ROOM, "AJ_1"), (ROOM.replace("0100", "0101"), "AJ_2")):
        job = (await exchange(platform, line, room, job_id)).job
        assert job is not None
        call_id = (await calls_of(tenant))[0]["id"]
        for status in ("ringing", "active"):
            speaks(platform, room, status)
            if asked_by == "agent":
                found.append(await ask(platform, job, CALLEE))
            else:
                found.append((await transfer(tenant, call_id))[0])
    ringing, through, _, refused = found
    assert (ringing, through) == (("there is nobody on the line", None) if asked_by == "agent" else (409, 200))
    assert refused == 403 or "30 minutes a day" in str(refused)
    async with platform.database.platform() as db:
        (row,) = (await db.exec(select(Transfer))).all()
        decided = (await db.exec(select(DialDecision).order_by(col(DialDecision.id)))).all()
    assert [(each.allowed, each.longest_seconds) for each in decided] == [(True, 1800), (False, 0)]
    assert (row.status, row.longest_seconds) == ("done", 1800), "as long as its call might have lasted"
    assert await asked_for(platform, "transfer") == 1


async def test_somebody_is_called_in_in_the_first_instant_of_a_call(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await allow(tenant, calls_per_day=1)
    job = (await exchange(platform, line)).job
    assert job is not None
    assert await ask(platform, job, CALLEE, warm=True) == "there is nobody on the line"
    speaks(platform, ROOM)
    assert await ask(platform, job, STRANGER, warm=True) is not None
    assert await ask(platform, job, CALLEE, warm=True) is None
    assert "1 calls a day" in str(await ask(platform, job, LISTED[1]["number"], warm=True))
