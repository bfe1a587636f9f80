"""Trying an agent before it is published: what such a call uses, what it leaves alone, who may begin one."""

import json
from typing import Any

import jwt
import pytest
from sqlalchemy import text

from agents.calling import PersonaJob
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

AGENT = {"name": "Ada", "instructions": "You help {{who}}.", "greeting": "one", "turn_taking": {"detection": "vad"}}


async def begin(tenant: Tenant, agent: int, **body: Any) -> dict[str, Any]:
    answer = await tenant.http.post(f"/agents/{agent}/try", json={"mode": "voice"} | body)
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return claims | {"room": answer.json()["room"]}


async def job_of(fake: FakeWorker, claims: dict[str, Any], *, job_id: str = "AJ_1") -> PersonaJob:
    [dispatch] = claims["roomConfig"]["agents"]
    ticket = json.loads(dispatch["metadata"])["ticket"]
    return PersonaJob.model_validate((await fake.exchange(ticket, job_id=job_id, room=claims["room"]))["job"])


async def test_a_trial_uses_the_draft_with_changes_that_nothing_keeps(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await tenant.make_agent(**AGENT)
    await tenant.http.post(f"/agents/{agent}/publish")
    await tenant.http.patch(f"/agents/{agent}", json={"greeting": "two"})
    before = (await tenant.http.get(f"/agents/{agent}")).json()
    written = {"name": "Grace", "instructions": "Be brief, {{who}}.", "turn_taking": {"allow_interruptions": False}}
    async with worker(platform) as fake:
        claims = await begin(tenant, agent, settings=written, variables={"who": "Bob"})
        assert json.loads(claims["roomConfig"]["agents"][0]["metadata"])["name"] == "Grace"
        tried = await job_of(fake, claims)
        heard = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant), job_id="AJ_2"))["job"])
    assert (tried.persona_name, tried.greeting, tried.instructions) == ("Grace", "two", "Be brief, Bob.")
    assert (tried.turn_taking.detection, tried.turn_taking.allow_interruptions) == ("vad", False)
    assert not tried.only_text
    assert (heard.persona_name, heard.greeting) == ("Ada", "one")
    assert (await tenant.http.get(f"/agents/{agent}")).json() == before
    assert [row["version"] for row in (await tenant.http.get(f"/agents/{agent}/versions")).json()["versions"]] == [1]


async def test_a_trial_keeps_its_settings_whoever_answers_it_and_whatever_is_published_meanwhile(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    agent = await tenant.make_agent(**AGENT)
    async with worker(platform) as fake:
        claims = await begin(tenant, agent, settings={"greeting": "tried"})
        first = await job_of(fake, claims)
        await tenant.http.patch(f"/agents/{agent}", json={"greeting": "three"})
        await tenant.http.post(f"/agents/{agent}/publish")
        again = await job_of(fake, claims)
        async with platform.database.platform() as db:
            await db.execute(text("update session_job set ended_at = now(), lost_at = now()"))
        replaced = await job_of(fake, claims, job_id="AJ_2")
    assert [job.greeting for job in (first, again, replaced)] == ["tried"] * 3
    assert (replaced.session_id, replaced.epoch) == (first.session_id, 2)


async def test_a_trial_in_writing_is_answered_in_writing(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await tenant.make_agent(**AGENT)
    async with worker(platform) as fake:
        claims = await begin(tenant, agent, mode="text")
        assert (claims["video"]["canPublish"], claims["video"]["canPublishData"]) == (False, True)
        assert (await job_of(fake, claims)).only_text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "mode"),
        ({"mode": "video"}, "mode"),
        ({"mode": "voice", "settings": {}}, "settings"),
        ({"mode": "voice", "settings": {"greeting": 1}}, "settings.greeting"),
        ({"mode": "voice", "settings": {"temperature": 3}}, "settings.temperature"),
        ({"mode": "voice", "settings": {"is_active": True}}, "settings.is_active"),
        ({"mode": "voice", "settings": {"budget": None}}, "settings.budget"),
        ({"mode": "voice", "room": "mine"}, "room"),
    ],
)
async def test_what_cannot_be_tried_is_named_and_no_call_begins(
    platform: Platform, body: dict[str, Any], field: str
) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    agent = await tenant.make_agent(**AGENT)
    refused = await tenant.http.post(f"/agents/{agent}/try", json=body)
    assert refused.status_code == 400, refused.text
    assert [each["field"] for each in refused.json()["details"]["fields"]] == [field]
    assert (await tenant.http.get("/quota")).json()["quotas"]["sessions"]["used"] == 0


async def test_a_trial_takes_only_what_is_the_projects_own(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    await platform.add_worker()
    agent, foreign = await tenant.make_agent(**AGENT), await other.make_agent(**AGENT)
    made = await other.http.post("/knowledge-bases", json={"name": "Theirs"})
    base = made.json()["knowledge_base"]["id"]
    answers = [
        await tenant.http.post(f"/agents/{foreign}/try", json={"mode": "voice"}),
        await tenant.http.post("/agents/999999/try", json={"mode": "voice"}),
        await tenant.http.post(
            f"/agents/{agent}/try", json={"mode": "voice", "settings": {"knowledge_base_ids": [base]}}
        ),
    ]
    assert [answer.status_code for answer in answers] == [403, 404, 403]


async def test_a_trial_needs_a_key_that_may_change_agents_and_make_tokens(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    agent = await tenant.make_agent(**AGENT)
    statuses = []
    for scopes in (["agents:write"], ["tokens:write"], ["agents:write", "tokens:write"]):
        made = await tenant.http.post("/api-keys", json={"label": "some", "scopes": scopes})
        headers = {"X-API-Key": made.json()["api_key"]["key"]}
        answer = await tenant.http.post(f"/agents/{agent}/try", json={"mode": "text"}, headers=headers)
        statuses.append((answer.status_code, answer.json().get("details")))
    assert statuses == [(403, {"scope": "tokens:write"}), (403, {"scope": "agents:write"}), (200, None)]
