"""Agents over HTTP: what can be set, what is refused, and their tools."""

from typing import Any

import pytest

from tests.support.agents import AGENT, HTTP_TOOL, change, make_agent, read
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


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
