"""Calls that did not leave: they say why, and do not count against the limits of a day."""

import asyncio
from typing import Any

import pytest

from sip.dialer import SipAwayError, SipRefusedError
from sip.outcomes import Outcome, of_status
from tests.support.calls import CALLEE, a_placer, asked_for, call_of, dial, phone, until
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

REACHED = [
    of_status(486, "Busy Here"),
    of_status(603, "Decline"),
    of_status(404, "Not Found"),
    Outcome("failed", None, "the connection to LiveKit was lost while it rang"),
]
NOT_TAKEN = [
    ("calls_per_day", of_status(401, "Unauthorized")),
    ("key_calls_per_day", of_status(403, "Forbidden")),
    ("destination_calls_per_day", of_status(503, "Service Unavailable")),
    ("calls_per_day", SipRefusedError("no such trunk")),
]


async def limit(tenant: Tenant, name: str, most: int) -> None:
    path = f"/projects/{tenant.project.id}/dial-policy"
    assert (await tenant.http.put(path, json={"limits": {name: most}})).status_code == 200


async def over(tenant: Tenant, call_id: int) -> None:
    """Until a call has ended."""

    async def has_ended() -> bool:
        return (await call_of(tenant, call_id))["ended_at"] is not None

    await until(has_ended, True)


async def refused_by(tenant: Tenant) -> str | None:
    """The rule that another call to the same number breaks; None where it is let through."""
    answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE})
    return answer.json()["details"]["rule"] if answer.status_code == 403 else None


@pytest.mark.parametrize("answer", REACHED, ids=lambda answer: str(answer.sip_status))
@pytest.mark.usefixtures("placing")
async def test_a_call_that_can_have_rung_counts_for_the_day(platform: Platform, tenant: Tenant, answer: Any) -> None:
    await limit(tenant, "calls_per_day", 1)
    platform.dialer.answer = answer
    platform.dialer.picked_up.set()
    await over(tenant, (await dial(tenant))["id"])

    assert await refused_by(tenant) == "calls_per_day"


@pytest.mark.parametrize(("name", "answer"), NOT_TAKEN, ids=["401", "403", "503", "refused"])
@pytest.mark.usefixtures("placing")
async def test_a_call_that_its_carrier_did_not_take_gives_its_place_back_once(
    platform: Platform, tenant: Tenant, name: str, answer: Any
) -> None:
    await limit(tenant, name, 1)
    platform.dialer.answer = answer
    placed = await dial(tenant)
    assert await refused_by(tenant) == name  # it may still ring
    platform.dialer.picked_up.set()
    await over(tenant, placed["id"])

    platform.dialer.answer = of_status(486, "Busy Here")
    await over(tenant, (await dial(tenant))["id"])
    assert await refused_by(tenant) == name


async def test_a_call_that_rang_before_it_was_refused_counts(platform: Platform, tenant: Tenant) -> None:
    await limit(tenant, "calls_per_day", 1)
    platform.dialer.answer = of_status(403, "Forbidden")  # as some carriers say that it was declined
    placed = await dial(tenant, room_name="r")
    placer = a_placer(platform)
    await placer.claim()
    placing = asyncio.create_task(placer.place(placed["id"]))
    await until(lambda: asked_for(platform, "call"), 1)
    platform.media.people["proj_r"] = [phone(f"sip_{CALLEE}", callStatus="ringing")]

    async def status() -> str:
        return str((await call_of(tenant, placed["id"]))["status"])

    await until(status, "ringing")
    platform.dialer.picked_up.set()
    await placing

    assert await refused_by(tenant) == "calls_per_day"


@pytest.mark.usefixtures("placing")
async def test_a_call_without_a_sip_service_gives_its_place_back(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.telephony.placing.AWAY_PAUSE", 0.0)
    await limit(tenant, "calls_per_day", 1)
    platform.dialer.answer = SipAwayError("no SIP service answers")
    platform.dialer.picked_up.set()
    placed = await dial(tenant)
    await over(tenant, placed["id"])

    assert (await call_of(tenant, placed["id"]))["reason"] == "no SIP service is connected"
    assert await refused_by(tenant) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (of_status(403, "Forbidden"), ("rejected", 403, "Forbidden")),
        (of_status(503, "Service Unavailable"), ("failed", 503, "Service Unavailable")),
        (SipRefusedError("no such trunk"), ("failed", None, "no such trunk")),
    ],
    ids=["403", "503", "refused"],
)
@pytest.mark.usefixtures("placing")
async def test_a_call_that_has_failed_by_then_says_why_in_the_answer(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, answer: Any, said: tuple[Any, ...]
) -> None:
    monkeypatch.setattr("control_plane.telephony.dialling.PHONE_WITHIN", 30.0)  # a busy machine
    platform.dialer.answer = answer
    platform.dialer.picked_up.set()
    placed = await dial(tenant)
    assert (placed["status"], placed["sip_status"], placed["reason"]) == said

    listed = await call_of(tenant, placed["id"])
    assert {name: listed[name] for name in ("status", "sip_status", "reason")}.items() <= placed.items()
