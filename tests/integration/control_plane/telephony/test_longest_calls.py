"""No call lasts longer than it may, whatever its worker does."""

from datetime import timedelta

import pytest
from sqlmodel import select

from agents.calling import DispatchMetadata
from control_plane.clock import Clock
from control_plane.telephony.models import Call
from control_plane.telephony.settling import GRACE
from control_plane.telephony.sweeping import cut_longest
from tests.support.calls import (
    CALLEE,
    CALLER,
    ROOM,
    a_placer,
    an_answered_call,
    call_in,
    calls_of,
    dial,
    hung_up,
    later,
    report,
)
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


async def cut(platform: Platform, seconds: float) -> int:
    return await cut_longest(platform.database, later(seconds), platform.dialer)


async def shorten(tenant: Tenant, seconds: int) -> None:
    config = (await tenant.http.get("/sip/configs")).json()["configs"][0]["id"]
    answer = await tenant.http.patch(f"/sip/configs/{config}", json={"max_call_duration": seconds})
    assert answer.status_code == 200, answer.text


async def test_a_call_in_whose_worker_never_ends_it_is_hung_up(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await shorten(tenant, 300)
    job = await an_answered_call(platform, line)
    assert job.max_call_duration == 300
    assert await cut(platform, 340) == 0
    assert await cut(platform, 360) == 1
    assert hung_up(platform) == [CALLER]
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "max_duration")
    async with platform.database.platform() as db:
        call = (await db.exec(select(Call))).one()
    assert call.reason == "max_duration"


async def test_the_carriers_line_knows_the_longest_that_a_call_in_may_last(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await shorten(tenant, 300)
    carriers = [call[1] for call in platform.dialer.calls if call[0] == "open_inbound"]
    assert carriers[0].longest == 0, "nobody answers it yet"
    assert carriers[-1].longest == 300 + GRACE + 4 * 3600


async def test_two_who_were_brought_together_have_four_hours_from_then_on(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await shorten(tenant, 300)
    job = await an_answered_call(platform, line)
    assert (await call_in(platform, job, CALLEE)).problem is None
    platform.dialer.picked_up.set()
    placer = a_placer(platform)
    (second,) = await placer.claim()
    await placer.place(second)
    await report(platform, job, 2, {"type": "call.ended.v1", "reason": "transferred", "duration_ms": 1000})
    assert await cut(platform, 4 * 3600) == 0
    assert await cut(platform, 4 * 3600 + 120) == 2
    assert sorted(hung_up(platform)) == sorted([CALLER, f"sip_{CALLEE}"])


async def test_a_call_of_ours_is_cut_off_as_well(platform: Platform, tenant: Tenant) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    await tenant.http.patch(f"/agents/{agent}", json={"max_call_duration": 100})
    placed = await dial(tenant)
    platform.dialer.picked_up.set()
    placer = a_placer(platform)
    (claimed,) = await placer.claim()
    await placer.place(claimed)
    assert (await calls_of(tenant))[0]["status"] == "answered"
    assert await cut(platform, 140) == 0
    assert await cut(platform, 160) == 1
    assert hung_up(platform) == [f"sip_{CALLEE}"]
    session = (await tenant.http.get(f"/sessions/{placed['session_id']}/detail")).json()["session"]
    assert session["end_reason"] == "max_duration"


async def test_a_call_whose_length_nobody_knows_is_left_alone(platform: Platform, tenant: Tenant) -> None:
    began = Clock().now() - timedelta(days=1)
    row = Call(
        project_id=tenant.project.id,
        room_name=ROOM,
        phone_number=CALLEE,
        status="answered",
        identity=CALLER,
        started_at=began,
        answered_at=began,
    )
    await platform.add(row)
    assert await cut_longest(platform.database, Clock(), platform.dialer) == 0
