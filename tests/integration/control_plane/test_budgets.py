"""Budgets: warned of once, used up once; then no call begins and those that run come to a polite end."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.sessions.models import SessionJob, Slot
from tests.support.meetings import hold, make_meeting
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

DOLLAR = 400_000
"""Input tokens of gpt-4o that cost one."""
_numbers = itertools.count(1)


async def spend(
    platform: Platform, tenant: Tenant, dollars: float, *, agent: int | None = None, at: datetime | None = None
) -> None:
    work = UsageEntry(
        project_id=tenant.project.id,
        source=f"test:{next(_numbers)}",
        persona_id=agent,
        service="llm",
        provider="api.openai.com",
        model="gpt-4o",
        input_tokens=round(dollars * DOLLAR),
        requests=1,
        at=at or Clock().now(),
    )
    async with platform.database.platform() as db:
        await record(db, work, clock=Clock())


async def new_agent(tenant: Tenant, limit: float | None = None, name: str = "Receptionist") -> int:
    budget = None if limit is None else {"limit_usd": limit}
    made = await tenant.http.post("/agents", json={"name": name, "budget": budget})
    assert made.status_code == 201, made.text
    return int(made.json()["agent"]["id"])


async def limit_project(tenant: Tenant, limit: float, **more: Any) -> None:
    path = f"/projects/{tenant.project.id}"
    answer = await tenant.http.patch(path, json={"budget": {"limit_usd": limit, **more}})
    assert answer.status_code == 200, answer.text


async def told(platform: Platform) -> list[tuple[str, int | None]]:
    """The facts of budgets, each with the agent whose budget it was."""
    async with platform.database.platform() as db:
        query = select(Event).where(col(Event.type).startswith("budget.")).order_by(col(Event.id))
        return [(event.type, event.data["agent_config_id"]) for event in (await db.exec(query)).all()]


async def test_a_budget_warns_and_ends_once_under_twenty_records_at_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    await limit_project(tenant, 10)
    await asyncio.gather(*(spend(platform, tenant, 0.45) for _ in range(20)))
    assert await told(platform) == [("budget.warning", None)]
    await asyncio.gather(*(spend(platform, tenant, 0.45) for _ in range(20)))
    assert await told(platform) == [("budget.warning", None), ("budget.exceeded", None)]


async def test_a_fact_says_which_budget_it_was_and_how_far(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await new_agent(tenant, 4)
    await limit_project(tenant, 10, soft_at=0.3)
    await spend(platform, tenant, 3.25, agent=agent)
    async with platform.database.platform() as db:
        found = (await db.exec(select(Event).where(Event.type == "budget.warning").order_by(col(Event.id)))).all()
    month = f"{Clock().now():%Y-%m}"
    common = {"month": month, "spent_usd": 3.25}
    assert [event.data for event in found] == [
        {"agent_config_id": None, "limit_usd": 10.0, "soft_at": 0.3, **common},
        {"agent_config_id": agent, "limit_usd": 4.0, "soft_at": 0.8, **common},
    ]


async def test_the_budget_of_an_agent_counts_its_own_work_only(platform: Platform) -> None:
    tenant = await platform.tenant()
    thrifty, other = await new_agent(tenant, 1), await new_agent(tenant)
    await spend(platform, tenant, 5, agent=other)
    await spend(platform, tenant, 5)
    assert await told(platform) == []
    await spend(platform, tenant, 1, agent=thrifty)
    assert await told(platform) == [("budget.warning", thrifty), ("budget.exceeded", thrifty)]


async def test_another_limit_is_another_budget(platform: Platform) -> None:
    tenant = await platform.tenant()
    await limit_project(tenant, 1)
    await spend(platform, tenant, 1)
    await limit_project(tenant, 100)
    await spend(platform, tenant, 80)
    assert [fact for fact, _ in await told(platform)] == ["budget.warning", "budget.exceeded", "budget.warning"]


async def test_a_month_does_not_pay_for_the_one_before(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await new_agent(tenant)
    await platform.add_worker()
    await limit_project(tenant, 1)
    before = Clock().now().replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    await spend(platform, tenant, 5, at=before)
    answer = await tenant.http.post("/token", json={"identity": "ada", "room": "r", "agent_config_id": agent})
    assert answer.status_code == 200, answer.text


async def test_no_call_begins_while_a_budget_is_used_up(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    spent, other = await new_agent(tenant, 2), await new_agent(tenant)
    await spend(platform, tenant, 2, agent=spent)

    refused = await tenant.http.post("/token", json={"identity": "ada", "room": "a", "agent_config_id": spent})
    assert refused.status_code == 403
    assert refused.json() == {
        "error": "This month's budget is used up",
        "code": "FORBIDDEN",
        "details": {"rule": "budget", "agent_config_id": spent},
    }
    async with platform.database.platform() as db:
        assert (await db.exec(select(Slot.id))).all() == []

    with_other = await tenant.http.post("/token", json={"identity": "ada", "room": "b", "agent_config_id": other})
    without = await tenant.http.post("/token", json={"identity": "ada", "room": "c", "no_agent": True})
    assert (with_other.status_code, without.status_code) == (200, 200)

    await tenant.http.patch(f"/agents/{spent}", json={"budget": None})
    again = await tenant.http.post("/token", json={"identity": "ada", "room": "a", "agent_config_id": spent})
    assert again.status_code == 200


async def test_no_persona_comes_to_a_meeting_while_its_budget_is_used_up(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    await limit_project(tenant, 1)
    await spend(platform, tenant, 1)
    assert (await hold(platform, made))["refused"] == "this month's budget is used up"
    await limit_project(tenant, 2)
    assert (await hold(platform, made))["job"]


async def test_the_budget_of_the_project_holds_for_every_agent(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await new_agent(tenant)
    await limit_project(tenant, 2)
    await spend(platform, tenant, 3)
    refused = await tenant.http.post("/token", json={"identity": "ada", "room": "a"})
    assert refused.status_code == 403
    assert refused.json()["details"] == {"rule": "budget"}


@pytest.mark.parametrize(
    "budget",
    [
        {},
        {"limit_usd": 0},
        {"limit_usd": -1},
        {"limit_usd": 1e300},
        {"limit_usd": "much"},
        {"limit_usd": 1, "soft_at": 1.1},
        {"limit_usd": 1, "hard_at": 1},
        5,
        [1],
    ],
)
async def test_a_wrong_budget_is_refused_and_changes_nothing(platform: Platform, budget: object) -> None:
    tenant = await platform.tenant()
    agent = await new_agent(tenant, 3)
    answer = await tenant.http.patch(f"/agents/{agent}", json={"budget": budget})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    shown = (await tenant.http.get(f"/agents/{agent}")).json()["agent"]["budget"]
    assert shown == {"limit_usd": 3.0, "soft_at": 0.8}


# --- calls that run ------------------------------------------------------------------------------------------------


async def begin(tenant: Tenant, fake: FakeWorker, room: str) -> PersonaJob:
    """A call that has started; its LiveKit job is called like its room."""
    ticket = await ticket_of(tenant, room)
    job = PersonaJob.model_validate((await fake.exchange(ticket, job_id=room, room=f"proj_{room}"))["job"])
    assert (await fake.report(job, 1, type="call.started.v1"))["refused"] is None
    return job


async def speak(fake: FakeWorker, job: PersonaJob, sequence: int, dollars: float) -> None:
    used = {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o", "requests": 1}
    counted = await fake.report(job, sequence, type="usage.counted.v1", input_tokens=round(dollars * DOLLAR), **used)
    assert counted["refused"] is None


async def commanded(fake: FakeWorker, *calls: str) -> dict[str, Any]:
    """The next command, with heartbeats as a worker sends them."""
    async with asyncio.timeout(60):
        while True:
            await fake.say(type="heartbeat", calls=list(calls))
            try:
                return await fake.hear("command", within=0.2)
            except TimeoutError:
                continue


async def test_the_costs_of_a_conversation_are_those_its_worker_reported(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(tenant, fake, "r")
        await speak(fake, job, 2, 0.5)
        await speak(fake, job, 3, 0.25)
        tts = {"service": "tts", "provider": "api.openai.com", "model": "tts-1", "characters": 1000, "requests": 2}
        await fake.report(job, 4, type="usage.counted.v1", **tts)
        await fake.report(job, 4, type="usage.counted.v1", **tts)
        stt = {"service": "stt", "provider": "api.openai.com", "model": "whisper-1", "audio_seconds": 30.0}
        await fake.report(job, 5, type="usage.counted.v1", **stt)
    shown = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()
    assert shown["costs"] == {
        "total": 0.768,
        "llm": 0.75,
        "stt": 0.003,
        "tts": 0.015,
        "telephony": 0.0,
        "recording": 0.0,
    }
    session = shown["session"]
    assert (session["agent_name"], session["llm_provider"], session["llm_model"]) == (
        "Receptionist",
        "openai",
        "gpt-4o",
    )
    totals = (await tenant.http.get("/usage?group_by=agent")).json()["totals"]
    assert (totals["cost_usd"], totals["api_calls"]) == (0.768, 4)


async def test_a_nonsensical_amount_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(tenant, fake, "r")
        used = {"service": "stt", "provider": "p", "model": "m"}
        for wrong in ({"audio_seconds": -1}, {"audio_seconds": float("nan")}, {"input_tokens": 10**30}):
            assert (await fake.report(job, 2, type="usage.counted.v1", **used, **wrong))["refused"]


async def test_a_running_call_is_wound_up_when_its_budget_is_used_up(platform: Platform) -> None:
    tenant = await platform.tenant()
    await limit_project(tenant, 1)
    async with platform.jobs(), worker(platform) as fake:
        job = await begin(tenant, fake, "r")
        await speak(fake, job, 2, 1.5)
        command = await commanded(fake, "r")
        assert (command["action"], command["job_id"], command["reason"]) == ("wind_up", "r", "budget")
        await fake.report(job, 3, type="call.ended.v1", reason="budget", duration_ms=9000)
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "budget")


async def test_only_the_calls_of_the_agent_are_wound_up(platform: Platform) -> None:
    tenant = await platform.tenant()
    thrifty = await new_agent(tenant, 1)
    async with platform.jobs(), worker(platform) as fake:
        job = await begin(tenant, fake, "first")
        await tenant.http.patch(f"/agents/{thrifty}", json={"is_active": False})
        other = await new_agent(tenant)
        spared = await begin(tenant, fake, "second")
        assert (job.persona_id, spared.persona_id) == (thrifty, other)
        await speak(fake, job, 2, 1.5)
        assert (await commanded(fake, "first", "second"))["job_id"] == "first"
        async with platform.database.platform() as db:
            marked = select(SessionJob.livekit_job_id).where(col(SessionJob.wind_up_at).is_not(None))
            assert (await db.exec(marked)).all() == ["first"]


async def test_a_call_that_goes_on_all_the_same_is_cut_off(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(tenant, fake, "r")
        async with platform.database.platform() as db:
            await db.exec(update(SessionJob).values(wind_up_at=datetime.now(UTC) - timedelta(seconds=21)))
        async with platform.jobs():
            async with asyncio.timeout(60):
                while (await commanded(fake, "r"))["action"] != "end":
                    continue
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "budget")
