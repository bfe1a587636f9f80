"""Versions of agents over HTTP: published, rolled back, and which of them calls use."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import jwt
import pytest
from sqlmodel import update

from agents.calling import PersonaJob
from control_plane.sessions.models import SessionJob
from tests.support.agents import HTTP_TOOL, change, make_agent, publish, read
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio


async def begin(tenant: Tenant, fake: FakeWorker, *, job_id: str, room: str) -> PersonaJob:
    ticket = await ticket_of(tenant, room)
    return PersonaJob.model_validate((await fake.exchange(ticket, job_id=job_id, room=f"proj_{room}"))["job"])


async def test_publishing_numbers_the_settings_and_changes_wait_for_the_next_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    fresh = await read(tenant, agent)
    assert (fresh["published_version"], fresh["has_unpublished_changes"]) == (None, False)
    assert await publish(tenant, agent) == 1
    assert (await change(tenant, agent, greeting="two"))["has_unpublished_changes"] is True
    assert await publish(tenant, agent, "friendlier") == 2
    listed = (await tenant.http.get(f"/agents/{agent}/versions")).json()
    assert listed["published_version"] == 2
    assert [(found["version"], found["note"], found["is_published"]) for found in listed["versions"]] == [
        (2, "friendlier", True),
        (1, "", False),
    ]
    assert [found["settings"]["greeting"] for found in listed["versions"]] == ["two", "one"]
    assert listed["versions"][0]["created_at"].endswith("Z")
    shown = (await tenant.http.get("/agents")).json()["agents"][0]
    assert (shown["published_version"], shown["has_unpublished_changes"]) == (2, False)
    paged = (await tenant.http.get(f"/agents/{agent}/versions?per_page=1&page=2")).json()
    assert ([found["version"] for found in paged["versions"]], paged["total_pages"]) == ([1], 2)


async def test_publishing_unchanged_settings_again_makes_no_version(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant, temperature=0.7, tools=[HTTP_TOOL], voicemail={"detect": True})
    assert [await publish(tenant, agent, note) for note in (None, "again", "and again")] == [1, 1, 1]
    assert (await tenant.http.get(f"/agents/{agent}/versions")).json()["total"] == 1


async def test_being_in_service_is_no_setting_of_a_version(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    await publish(tenant, agent)
    stopped = await change(tenant, agent, is_active=False)
    assert stopped["has_unpublished_changes"] is False
    refused = await tenant.http.post("/token", json={"identity": "u", "room": "r", "agent_config_id": agent})
    assert refused.status_code == 409


async def test_rolling_back_restores_the_draft_and_ends_at_the_first_version(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant, tools=[HTTP_TOOL])
    for greeting, tools in (("one", [HTTP_TOOL]), ("two", []), ("three", [])):
        await change(tenant, agent, greeting=greeting, tools=tools)
        await publish(tenant, agent)
    await change(tenant, agent, greeting="a draft")
    path = f"/agents/{agent}/rollback"
    back = (await tenant.http.post(path)).json()
    assert (back["version"], back["agent"]["greeting"], back["agent"]["has_unpublished_changes"]) == (2, "two", False)
    assert (await tenant.http.post(path, json={"version": 3})).json()["agent"]["greeting"] == "three"
    assert (await tenant.http.post(path, json={"version": 1})).json()["agent"]["tools"] == [HTTP_TOOL]
    assert (await tenant.http.post(path)).status_code == 409
    assert (await tenant.http.post(path, json={"version": 4})).status_code == 404
    assert await publish(tenant, agent) == 1
    await change(tenant, agent, greeting="four")
    assert await publish(tenant, agent) == 4
    assert (await tenant.http.post(path)).json()["version"] == 3


@pytest.mark.parametrize("body", [{"version": 0}, {"version": "first"}, {"version": 2**40}, {"to": 1}, [], {"note": 1}])
async def test_a_wrong_rollback_or_publish_is_refused(platform: Platform, body: object) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    for action in ("rollback", "publish"):
        answer = await tenant.http.post(f"/agents/{agent}/{action}", json=body)
        assert answer.status_code == 400, answer.text
    assert (await tenant.http.post(f"/agents/{agent}/rollback")).status_code == 409
    assert (await read(tenant, agent))["published_version"] is None


async def test_twenty_publishes_at_once_give_consecutive_versions(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)

    async def change_and_publish(number: int) -> int:
        await change(tenant, agent, greeting=f"greeting {number}")
        return await publish(tenant, agent, f"{number}")

    given = await asyncio.gather(*(change_and_publish(number) for number in range(20)))
    listed = (await tenant.http.get(f"/agents/{agent}/versions?per_page=100")).json()
    numbers = [found["version"] for found in listed["versions"]]
    assert numbers == list(range(len(numbers), 0, -1))
    assert set(given) == set(numbers)
    assert listed["published_version"] == len(numbers)
    greetings = [found["settings"]["greeting"] for found in listed["versions"]]
    assert all(newer != older for newer, older in pairwise(greetings))


FOREIGN: list[tuple[str, str, object]] = [
    ("GET", "versions", None),
    ("POST", "publish", None),
    ("POST", "rollback", None),
    ("POST", "rollback", {"version": 1}),
    ("GET", "tools", None),
    ("PUT", "tools", {"tools": []}),
]


@pytest.mark.parametrize(("method", "path", "body"), FOREIGN)
async def test_another_projects_agent_is_forbidden_on_every_path(
    platform: Platform, method: str, path: str, body: object
) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    agent = await make_agent(theirs, tools=[HTTP_TOOL])
    await publish(theirs, agent)
    before = await read(theirs, agent)
    answer = await mine.http.request(method, f"/agents/{agent}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    unknown = await mine.http.request(method, f"/agents/{agent + 1}/{path}", json=body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")
    assert await read(theirs, agent) == before


# --- calls ------------------------------------------------------------------------------------------------------


async def test_calls_use_the_draft_until_something_is_published_and_then_the_published_version(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    steps: list[tuple[Callable[[], Awaitable[Any]], str]] = [
        (lambda: change(tenant, agent, greeting="zero"), "zero"),
        (lambda: publish(tenant, agent), "zero"),
        (lambda: change(tenant, agent, greeting="one"), "zero"),
        (lambda: publish(tenant, agent), "one"),
        (lambda: tenant.http.post(f"/agents/{agent}/rollback"), "zero"),
    ]
    async with worker(platform) as fake:
        for number, (step, greeting) in enumerate(steps):
            await step()
            job = await begin(tenant, fake, job_id=f"AJ_{number}", room=f"r{number}")
            assert job.greeting == greeting


async def test_a_call_keeps_the_version_it_began_with_when_its_job_is_fetched_again_or_replaced(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant, store_transcripts=False)
    await publish(tenant, agent)
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant, "r")
        first = await fake.exchange(ticket, job_id="AJ_1")
        await change(tenant, agent, greeting="two", name="Second", store_transcripts=True)
        await publish(tenant, agent)
        again = await fake.exchange(ticket, job_id="AJ_1")
        async with platform.database.platform() as db:
            await db.exec(update(SessionJob).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
        replaced = await fake.exchange(ticket, job_id="AJ_2")
        other = await begin(tenant, fake, job_id="AJ_3", room="other")
    for answer in (first, again, replaced):
        assert (answer["job"]["greeting"], answer["job"]["persona_name"]) == ("one", "Receptionist")
    assert (replaced["job"]["session_id"], replaced["job"]["epoch"]) == (first["job"]["session_id"], 2)
    assert (other.greeting, other.persona_name) == ("two", "Second")


async def test_callers_see_the_published_name_of_an_agent(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    await publish(tenant, agent)
    await change(tenant, agent, name="Not yet")
    async with worker(platform) as fake:
        job = await begin(tenant, fake, job_id="AJ_1", room="r")
    detail = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (job.persona_name, detail["agent_name"]) == ("Receptionist", "Receptionist")
    await platform.add_worker()
    token = (await tenant.http.post("/token", json={"identity": "u", "room": "other"})).json()["token"]
    dispatched = jwt.decode(token, options={"verify_signature": False})["roomConfig"]["agents"][0]
    assert json.loads(dispatched["metadata"])["name"] == "Receptionist"


async def test_a_session_that_a_customer_opens_is_of_the_published_version(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant, llm_model="published")
    await publish(tenant, agent)
    await change(tenant, agent, name="Not yet", llm_model="not-yet")
    opened = await tenant.http.post("/sessions", json={"room_name": "r", "agent_config_id": agent})
    assert opened.status_code == 201, opened.text
    detail = (await tenant.http.get(f"/sessions/{opened.json()['session']['id']}/detail")).json()["session"]
    assert (detail["agent_name"], detail["llm_model"]) == ("Receptionist", "published")


async def test_a_knowledge_base_that_is_deleted_leaves_its_agents(platform: Platform) -> None:
    tenant = await platform.tenant()
    bases = [
        (await tenant.http.post("/knowledge-bases", json={"name": name})).json()["knowledge_base"]["id"]
        for name in ("Library", "Garden")
    ]
    agent = await make_agent(tenant, knowledge_base_ids=bases)
    await tenant.http.post(f"/agents/{agent}/publish", json={"note": "first"})
    assert (await tenant.http.delete(f"/knowledge-bases/{bases[0]}")).status_code == 200
    read_again = await read(tenant, agent)
    assert read_again["knowledge_base_ids"] == bases[1:]
    assert (await tenant.http.patch(f"/agents/{agent}", json={"knowledge_base_ids": bases[1:]})).status_code == 200
    await tenant.http.post(f"/agents/{agent}/publish", json={"note": "second"})
    versions = (await tenant.http.get(f"/agents/{agent}/versions")).json()["versions"]
    assert (versions[0]["note"], len(versions)) == ("second", 1)
    assert versions[0]["settings"]["knowledge_base_ids"] == bases[1:]
    await tenant.http.delete(f"/knowledge-bases/{bases[1]}")
    assert "search_kb" not in (await tenant.http.get(f"/agents/{agent}/tools")).text


async def test_whom_an_agent_transfers_to_is_part_of_its_versions(platform: Platform) -> None:
    tenant = await platform.tenant()
    sales = [{"number": "+17751234567", "name": "Sales"}]
    agent = await make_agent(tenant, transfer_numbers=sales, fallback_number="+17751234568")
    shown = await read(tenant, agent)
    assert (shown["transfer_numbers"], shown["fallback_number"]) == (sales, "+17751234568")
    await publish(tenant, agent)
    await change(tenant, agent, transfer_numbers=[], fallback_number=None)
    assert (await read(tenant, agent))["has_unpublished_changes"]
    await publish(tenant, agent)
    answer = await tenant.http.post(f"/agents/{agent}/rollback", json={"version": 1})
    assert answer.status_code == 200, answer.text
    shown = await read(tenant, agent)
    assert (shown["transfer_numbers"], shown["fallback_number"]) == (sales, "+17751234568")
