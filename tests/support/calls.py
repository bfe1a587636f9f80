"""Telephone calls as tests see them: a line, a number with a persona, and what a worker says of a call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import Exchange, Exchanged, TransferAsked, Transferred
from control_plane.clock import Clock, Sight
from control_plane.events.models import Event
from control_plane.media.server import LiveParticipant
from control_plane.telephony.placing import CallPlacer
from control_plane.telephony.sweeping import give_up_unattended
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform, Tenant
from tests.support.uplink_client import submission_of

CALLEE, LINE = "+17751234567", "+18001234567"
LISTED = [
    {"number": CALLEE, "name": "Sales"},
    *({"number": number} for number in ("+17751234568", "+442071838750", "+17755550100")),
]
"""Whom the agent may transfer to."""
TRUNK = {"name": "Main Trunk", "phone_number": LINE, "address": "127.0.0.1:5060"}
ROOM = "proj_call_+17755550100_abcdef"
"""Of a call that comes in."""
CALLER = "sip_+17755550100"
"""Who it comes from."""


@pytest.fixture
async def placing(platform: Platform) -> AsyncIterator[None]:
    """The background process at work."""
    async with platform.jobs():
        yield


async def dial(tenant: Tenant, **more: object) -> dict[str, Any]:
    answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE} | more)
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json()["call"])


async def call_of(tenant: Tenant, call_id: int) -> dict[str, Any]:
    calls = (await tenant.http.get("/sip/calls")).json()["calls"]
    return next(call for call in calls if call["id"] == call_id)


async def until(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    found = None
    try:
        async with asyncio.timeout(60):
            while (found := await look()) != wanted:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{found!r} instead of {wanted!r}") from None


async def statuses(platform: Platform, call_id: int) -> list[str]:
    """The statuses that were told as events, in their order."""

    async with platform.database.platform() as db:
        query = select(Event).where(Event.type == "call.status").order_by(col(Event.id))
        events = (await db.exec(query)).all()
    return [event.data["status"] for event in events if event.data["call_id"] == call_id]


@pytest.fixture
async def line(platform: Platform, tenant: Tenant) -> DispatchMetadata:
    """What LiveKit hands to a worker when the trunk's number is called."""
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    config = {"name": "Inbound", "phone_number": LINE, "agent_config_id": agent}
    assert (await tenant.http.post("/sip/configs", json=config)).status_code == 201
    name, _, line, *_ = platform.dialer.calls[-1]
    assert (name, line.room_prefix) == ("open_rule", "proj_call")
    return DispatchMetadata.model_validate_json(line.agent_metadata)


async def exchange(platform: Platform, line: DispatchMetadata, room: str = ROOM, job: str = "AJ_1") -> Exchanged:
    request = Exchange(ticket=line.ticket, job_id=job, room_name=room, room_sid="RM_1")
    answer = await platform.app.state.uplink.exchange(request, "w")
    assert answer is not None
    return answer


async def an_answered_call(platform: Platform, line: DispatchMetadata) -> PersonaJob:
    job = (await exchange(platform, line)).job
    assert job is not None
    await report(platform, job, 1, {"type": "call.started.v1"})
    return job


async def report(platform: Platform, job: PersonaJob, sequence: int, body: dict[str, Any]) -> None:
    (verdict,) = await platform.app.state.uplink.submit(submission_of(job, sequence, **body))
    assert verdict.refused is None


async def call_in(platform: Platform, job: PersonaJob, to: str) -> Transferred:
    asked = TransferAsked(
        job_id="AJ_1", session_id=job.session_id, epoch=job.epoch, capability=job.capability, to=to, warm=True
    )
    return await platform.app.state.uplink.transfer(asked)  # type: ignore[no-any-return]


def a_placer(platform: Platform, clock: Clock | None = None) -> CallPlacer:
    return CallPlacer(platform.database, clock or Clock(), platform.media, platform.dialer, platform.app.state.outbound)


def later(seconds: float) -> SteppedClock:
    return SteppedClock(datetime.now(UTC) + timedelta(seconds=seconds))


async def give_up(platform: Platform, seconds: float) -> int:
    """What the platform gives up so many seconds from now, having watched all the time."""
    clock = later(seconds - 30)
    sight = Sight(clock)
    for _ in range(10):
        clock.step(seconds=3)
        sight.look()
    return await give_up_unattended(platform.database, clock, platform.dialer, sight)


def phone(identity: str, **attributes: str) -> LiveParticipant:
    """One in its room, as LiveKit's SIP service has it there."""
    joined = int(datetime.now(UTC).timestamp()) - 30
    named = {f"sip.{name}": value for name, value in attributes.items()}
    return LiveParticipant(f"PA_{identity}", identity, "", "sip", "ACTIVE", joined, False, [], attributes=named)


def hung_up(platform: Platform) -> list[str]:
    return [identity for name, _, identity in (c for c in platform.dialer.calls if c[0] == "hang_up")]


async def asked_for(platform: Platform, name: str) -> int:
    return [call[0] for call in platform.dialer.calls].count(name)


async def calls_of(tenant: Tenant) -> list[dict[str, Any]]:
    return list((await tenant.http.get("/sip/calls")).json()["calls"])
