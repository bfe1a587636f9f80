"""Agents over HTTP: what can be set, what is refused, tools, versions and which of them calls use."""

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
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

AGENT = {"name": "Receptionist", "instructions": "You help.", "greeting": "one"}
HTTP_TOOL = {
    "type": "http",
    "name": "find_order",
    "description": "Looks up an order",
    "url": "https://shop.example.org/orders",
    "method": "GET",
    "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
}


async def make_agent(tenant: Tenant, **changes: object) -> int:
    return await tenant.make_agent(**(AGENT | changes))


async def read(tenant: Tenant, agent: int) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.http.get(f"/agents/{agent}")).json()["agent"]
    return found


async def change(tenant: Tenant, agent: int, **changes: object) -> dict[str, Any]:
    answer = await tenant.http.patch(f"/agents/{agent}", json=changes)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()["agent"]
    return changed


async def publish(tenant: Tenant, agent: int, note: str | None = None) -> int:
    answer = await tenant.http.post(f"/agents/{agent}/publish", json=None if note is None else {"note": note})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


async def begin(tenant: Tenant, fake: FakeWorker, *, job_id: str, room: str) -> PersonaJob:
    ticket = await ticket_of(tenant, room)
    return PersonaJob.model_validate((await fake.exchange(ticket, job_id=job_id, room=f"proj_{room}"))["job"])


# --- fields -----------------------------------------------------------------------------------------------------


WRONG_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"colour": "red"}, "colour"),
    ({"greeting": None}, "greeting"),
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"turn_taking": None}, "turn_taking"),
    ({"fallback_number": "17751234567"}, "fallback_number"),
    ({"fallback_number": ""}, "fallback_number"),
    ({"transfer_numbers": None}, "transfer_numbers"),
    ({"transfer_numbers": ["+17751234567"]}, "transfer_numbers.0"),
    ({"transfer_numbers": [{"number": "+1"}]}, "transfer_numbers.0.number"),
    ({"transfer_numbers": [{"name": "Sales"}]}, "transfer_numbers.0.number"),
    ({"transfer_numbers": [{"number": "+17751234567", "to": "x"}]}, "transfer_numbers.0.to"),
    ({"transfer_numbers": [{"number": "+17751234567"}] * 2}, "transfer_numbers"),
    ({"turn_taking": {"pause": 1}}, "turn_taking.pause"),
    ({"turn_taking": {"max_endpointing_delay": 11}}, "turn_taking.max_endpointing_delay"),
    ({"turn_taking": {"allow_interruptions": "no"}}, "turn_taking.allow_interruptions"),
    ({"max_call_duration": "60"}, "max_call_duration"),
    ({"voicemail": {"detect": True, "loud": 1}}, "voicemail.loud"),
    ({"voicemail": {"message": "\x00"}}, "voicemail.message"),
    ({"fallbacks": {"video": []}}, "fallbacks.video"),
    ({"fallbacks": {"llm": [{"model": "gpt-4o"}]}}, "fallbacks.llm.0.provider"),
    ({"fallbacks": {"stt": [{"provider": "openai", "voice_id": "x"}]}}, "fallbacks.stt.0.voice_id"),
    ({"temperature": 2.1}, "temperature"),
    ({"max_call_duration": 9}, "max_call_duration"),
    ({"language": "english please"}, "language"),
    ({"knowledge_base_ids": [0]}, "knowledge_base_ids.0"),
    ({"is_active": None}, "is_active"),
    ({"published_version": 1}, "published_version"),
]


async def test_a_field_that_cannot_be_set_is_named_and_nothing_changes(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    before = await read(tenant, agent)
    for body, field in WRONG_FIELDS:
        created = await tenant.http.post("/agents", json=AGENT | body)
        changed = await tenant.http.patch(f"/agents/{agent}", json=body)
        for answer in (created, changed):
            assert answer.status_code == 400, (body, answer.text)
            assert [problem["field"] for problem in answer.json()["details"]["fields"]] == [field]
    assert (await tenant.http.get("/agents")).json()["agents"] == [before]


async def test_a_patch_leaves_alone_what_it_does_not_name(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(
        tenant,
        turn_taking={"detection": "vad", "allow_interruptions": False},
        voicemail={"detect": True, "message": "Call us back."},
        fallbacks={"llm": [{"provider": "b", "model": "m"}, {"provider": "a"}]},
        tools=[{"type": "builtin", "name": "end_call"}],
        llm_model="gpt-4o",
    )
    before = await read(tenant, agent)
    patch = {"turn_taking": {"vad_min_silence": 0.5}, "fallbacks": {"tts": [{"provider": "c", "voice_id": "v"}]}}
    after = await change(tenant, agent, **patch, llm_model=None, voicemail={"detect": False})
    assert after["turn_taking"] == before["turn_taking"] | {"vad_min_silence": 0.5}
    assert after["voicemail"] == {"detect": False, "message": "Call us back."}
    assert [model["provider"] for model in after["fallbacks"]["llm"]] == ["b", "a"]
    assert after["fallbacks"]["tts"] == [{"provider": "c", "model": None, "voice_id": "v"}]
    assert after["llm_model"] is None
    same = before.keys() - {"turn_taking", "voicemail", "fallbacks", "llm_model"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


async def test_an_agent_takes_only_knowledge_of_its_own_project(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    base = (await theirs.http.post("/knowledge-bases", json={"name": "b"})).json()["knowledge_base"]["id"]
    agent = await make_agent(mine)
    for wanted, status in ((base, 403), (base + 1, 404)):
        answer = await mine.http.patch(f"/agents/{agent}", json={"knowledge_base_ids": [wanted]})
        assert answer.status_code == status
    assert (await read(mine, agent))["knowledge_base_ids"] == []


# --- tools ------------------------------------------------------------------------------------------------------


async def test_tools_are_kept_and_listed_after_the_search_of_knowledge(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = (await tenant.http.post("/knowledge-bases", json={"name": "b"})).json()["knowledge_base"]["id"]
    agent = await make_agent(tenant, knowledge_base_ids=[base])
    mcp = {"type": "mcp", "name": "calendar", "description": "The calendar", "url": "https://mcp.example.org/sse"}
    tools = [{"type": "builtin", "name": "transfer_call"}, HTTP_TOOL, mcp]
    put = await tenant.http.put(f"/agents/{agent}/tools", json={"tools": tools})
    assert put.status_code == 200, put.text
    listed = (await tenant.http.get(f"/agents/{agent}/tools")).json()
    assert listed == put.json()
    search, transfer, order, calendar = listed["tools"]
    assert (search["name"], search["parameters"]["required"]) == ("search_kb", ["query"])
    assert (transfer["type"], transfer["parameters"]["required"]) == ("builtin", ["to"])
    assert transfer["description"]
    assert order == HTTP_TOOL
    assert calendar["url"] == mcp["url"]
    assert all({"name", "description", "parameters", "type"} <= tool.keys() for tool in listed["tools"])
    sent_back = (await read(tenant, agent))["tools"]
    assert (await tenant.http.put(f"/agents/{agent}/tools", json={"tools": sent_back})).status_code == 200


DEEP: dict[str, Any] = {"type": "object"}
for _ in range(30):
    DEEP = {"type": "object", "properties": {"a": DEEP}}


WRONG_TOOLS: list[object] = [
    None,
    {},
    [{"name": "end_call"}],
    [{"type": "shell", "name": "x", "description": "d"}],
    [{"type": "builtin", "name": "make_coffee"}],
    [{"type": "builtin", "name": "end_call"}] * 2,
    [{"type": "builtin", "name": "end_call", "url": "https://a.example.org"}],
    [HTTP_TOOL | {"name": "find order"}],
    [HTTP_TOOL | {"name": "search_kb"}],
    [HTTP_TOOL | {"name": "n" * 65}],
    [HTTP_TOOL | {"description": ""}],
    [HTTP_TOOL | {"url": "/orders"}],
    [HTTP_TOOL | {"url": "ftp://example.org"}],
    [HTTP_TOOL | {"url": "https://user:password@example.org/"}],
    [HTTP_TOOL | {"url": "https://example.org:99999/"}],
    [HTTP_TOOL | {"url": "http://[::1"}],
    [HTTP_TOOL | {"url": "http://0x7f000001/"}],
    [HTTP_TOOL | {"url": "http://127.1/x"}],
    [HTTP_TOOL | {"url": "http://a..b/"}],
    [HTTP_TOOL | {"method": "TRACE"}],
    [HTTP_TOOL | {"parameters": {"type": "array"}}],
    [HTTP_TOOL | {"parameters": {"type": "object", "properties": ["number"]}}],
    [HTTP_TOOL | {"parameters": {"type": "object", "required": "number"}}],
    [HTTP_TOOL | {"parameters": {"type": "object", "description": "\x00"}}],
    [HTTP_TOOL | {"parameters": DEEP}],
    [HTTP_TOOL | {"headers": {}}],
    [{"type": "mcp", "name": "m", "description": "d"}],
    [HTTP_TOOL | {"name": f"tool_{number}"} for number in range(51)],
]


async def test_tools_that_no_worker_could_offer_are_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant, tools=[{"type": "builtin", "name": "end_call"}])
    for tools in WRONG_TOOLS:
        answer = await tenant.http.put(f"/agents/{agent}/tools", json={"tools": tools})
        assert answer.status_code == 400, (tools, answer.text)
        assert answer.json()["details"]["fields"][0]["field"].startswith("tools")
    assert [tool["name"] for tool in (await read(tenant, agent))["tools"]] == ["end_call"]


# --- versions ---------------------------------------------------------------------------------------------------


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
