"""Embed keys: what a page of another site may do with one, from where, how often; and nothing else."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx2
import jwt
import pytest
from sqlalchemy import text

from agents.calling import PersonaJob
from tests.support.platform import Platform, Tenant
from tests.support.uplink import worker

pytestmark = pytest.mark.anyio

SHOP = "https://shop.example.org"
VISITOR = {"visitor": "visitor-0001", "mode": "voice"}


async def make_key(tenant: Tenant, **body: Any) -> dict[str, Any]:
    """A key for an agent of its own, open to `SHOP`."""
    agent = body.pop("agent_id", None) or await tenant.make_agent(name="Robin")
    made = await tenant.http.post("/embed-keys", json={"agent_id": agent, "origins": [SHOP]} | body)
    assert made.status_code == 201, made.text
    return dict(made.json()["embed_key"])


class Page:
    """A page of another site, with a key in it."""

    def __init__(self, platform: Platform, key: dict[str, Any], origin: str | None = SHOP) -> None:
        headers = {"X-Embed-Key": key["key"]} | ({"Origin": origin} if origin is not None else {})
        self.http = httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=headers, timeout=30)
        platform.clients.append(self.http)

    async def config(self) -> httpx2.Response:
        return await self.http.get("/embed/config")

    async def token(self, **body: Any) -> httpx2.Response:
        return await self.http.post("/embed/token", json=VISITOR | body)


def claims_of(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return claims


async def test_a_key_is_made_listed_changed_switched_off_and_deleted(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_key(tenant, label="Shop", accent="#aa3366", origins=[SHOP, "HTTPS://SHOP.example.org:443"])
    assert made["key"].startswith("ek_")
    assert made["origins"] == [SHOP]
    assert (made["mode"], made["theme"], made["is_active"], made["last_used_at"]) == ("both", "auto", True, None)
    assert (await tenant.http.get("/embed-keys")).json() == {"embed_keys": [made]}
    changed = await tenant.http.patch(f"/embed-keys/{made['id']}", json={"mode": "text", "is_active": False})
    assert changed.json()["embed_key"] == made | {"mode": "text", "is_active": False}
    assert (await tenant.http.get(f"/embed-keys/{made['id']}")).json() == changed.json()
    assert (await tenant.http.delete(f"/embed-keys/{made['id']}")).json()["success"]
    assert (await tenant.http.get(f"/embed-keys/{made['id']}")).status_code == 404
    trail = [entry["action"] for entry in (await tenant.http.get("/audit")).json()["entries"]]
    changes = ["DELETE /embed-keys/{embed_key_id}", "PATCH /embed-keys/{embed_key_id}", "POST /embed-keys"]
    assert trail[:3] == changes


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agent_id"),
        ({"agent_id": 1}, "origins"),
        ({"agent_id": 1, "origins": []}, "origins"),
        ({"agent_id": 1, "origins": ["*"]}, "origins.0"),
        ({"agent_id": 1, "origins": ["null"]}, "origins.0"),
        ({"agent_id": 1, "origins": ["https://a.example/path"]}, "origins.0"),
        ({"agent_id": 1, "origins": ["https://*.example.org"]}, "origins.0"),
        ({"agent_id": 1, "origins": ["chrome-extension://abc"]}, "origins.0"),
        ({"agent_id": 1, "origins": [SHOP], "mode": "video"}, "mode"),
        ({"agent_id": 1, "origins": [SHOP], "accent": "red; }"}, "accent"),
        ({"agent_id": 1, "origins": [SHOP], "calls_at_once": 0}, "calls_at_once"),
        ({"agent_id": 1, "origins": [SHOP], "more": 1}, "more"),
    ],
)
async def test_a_wrong_key_is_refused_by_its_field(platform: Platform, body: dict[str, Any], field: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/embed-keys", json=body)
    assert answer.status_code == 400
    assert field in [each["field"] for each in answer.json()["details"]["fields"]]
    assert (await tenant.http.get("/embed-keys")).json() == {"embed_keys": []}


async def test_keys_and_agents_of_other_projects_are_out_of_reach(platform: Platform) -> None:
    one, other = await platform.tenant(), await platform.tenant("other")
    key = await make_key(other)
    refused = await one.http.post("/embed-keys", json={"agent_id": key["agent_id"], "origins": [SHOP]})
    assert refused.status_code == 403
    assert (await one.http.post("/embed-keys", json={"agent_id": 999_999, "origins": [SHOP]})).status_code == 404
    for method, body in (("GET", None), ("PATCH", {"label": "mine"}), ("DELETE", None)):
        answer = await one.http.request(method, f"/embed-keys/{key['id']}", json=body)
        assert answer.status_code == 403, method
    assert (await one.http.get("/embed-keys")).json() == {"embed_keys": []}
    assert (await other.http.get(f"/embed-keys/{key['id']}")).json()["embed_key"] == key


@pytest.mark.parametrize(
    ("number", "status"), [("1e999", 400), ("-1e999", 400), ("1" + "0" * 30, 200), ("1" + "0" * 400, 400)]
)
async def test_a_number_that_nobody_can_keep_is_refused_and_counts_as_no_call(
    platform: Platform, number: str, status: int
) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    page = Page(platform, await make_key(tenant, visitor_calls_per_hour=1))
    body = json.dumps(VISITOR | {"variables": {"n": "here"}}).replace('"here"', number)
    answer = await page.http.post("/embed/token", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert (await page.token()).status_code == 200


async def test_a_page_reads_how_its_button_looks(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant, theme="dark", button="Ask us", greeting="We answer at once.")
    answer = await Page(platform, key).config()
    assert answer.json() == {
        "agent": {"name": "Robin"},
        "mode": "both",
        "theme": "dark",
        "accent": None,
        "button": "Ask us",
        "greeting": "We answer at once.",
    }
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_visitor_gets_what_a_visitor_needs_and_no_more(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    key = await make_key(tenant, longest_call=120)
    answer = await Page(platform, key).token(variables={"name": "Ada"})
    claims = claims_of(answer)
    assert answer.json() | {"token": ""} == {
        "token": "",
        "wsUrl": platform.settings.livekit_public_url,
        "agent": {"name": "Robin"},
        "mode": "voice",
        "longest_call": 120,
    }
    assert claims["exp"] - claims["nbf"] <= 120
    assert claims["video"]["room"].startswith("proj_embed-")
    assert claims["video"] | {"room": ""} == {
        "roomJoin": True,
        "room": "",
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
        "canUpdateOwnMetadata": False,
        "canPublishSources": ["microphone"],
    }
    assert len(claims["roomConfig"]["agents"]) == 1
    other = claims_of(await Page(platform, key).token())
    assert other["video"]["room"] != claims["video"]["room"]
    assert other["sub"] != claims["sub"]
    assert (await tenant.http.get(f"/embed-keys/{key['id']}")).json()["embed_key"]["last_used_at"] is not None
    trail = (await tenant.http.get("/audit")).json()["entries"]
    assert (trail[0]["action"], trail[0]["key_id"]) == ("POST /token", f"embed_{key['id']}")


async def test_a_visitor_who_types_may_not_publish_and_is_answered_in_writing(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant, longest_call=90)
    async with worker(platform) as fake:
        claims = claims_of(await Page(platform, key).token(mode="text"))
        assert (claims["video"]["canPublish"], claims["video"]["canPublishData"]) == (False, True)
        ticket = json.loads(claims["roomConfig"]["agents"][0]["metadata"])["ticket"]
        exchanged = await fake.exchange(ticket, room=claims["video"]["room"])
        job = PersonaJob.model_validate(exchanged["job"])
    assert job.only_text
    assert job.max_call_duration == 90
    assert job.persona_id == key["agent_id"]


async def test_a_key_for_one_mode_refuses_the_other(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    key = await make_key(tenant, mode="voice")
    page = Page(platform, key)
    refused = await page.token(mode="text")
    assert (refused.status_code, refused.json()["details"]) == (403, {"rule": "mode"})
    assert claims_of(await page.token())["video"]["canPublishData"] is False


HOSTILE = (
    None,
    "null",
    "",
    "*",
    "http://shop.example.org",
    "https://shop.example.org:8443",
    "https://shop.example.org:443",
    "https://shop.example.org/",
    "https://shop.example.org.evil.example",
    "https://evilshop.example.org",
    "https://evil.example/https://shop.example.org",
    "https://user@shop.example.org",
    "https://SHOP.example.org",
    "https://shop.example.org, https://evil.example",
    "https://sub.shop.example.org",
    "https://evil.example#https://shop.example.org",
)


@pytest.mark.parametrize("origin", HOSTILE)
async def test_only_exactly_the_named_origins_come_in(platform: Platform, origin: str | None) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    page = Page(platform, await make_key(tenant), origin)
    for answer in (await page.config(), await page.token()):
        assert (answer.status_code, answer.json()["details"]) == (403, {"rule": "origin"})
        assert "access-control-allow-origin" not in answer.headers
    async with platform.database.platform() as db:
        assert await db.scalar(text("select count(*) from slot")) == 0


async def test_two_origins_are_none(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    headers = [("X-Embed-Key", key["key"]), ("Origin", SHOP), ("Origin", "https://evil.example")]
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        assert (await http.get(f"{platform.url}/api/v1/embed/config")).status_code == 403


async def test_a_preflight_is_granted_to_named_origins_and_below_embed_alone(platform: Platform) -> None:
    tenant = await platform.tenant()
    await make_key(tenant)

    async def preflight(path: str, origin: str) -> httpx2.Response:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        headers["Access-Control-Request-Headers"] = "x-embed-key, content-type"
        async with httpx2.AsyncClient(timeout=30) as http:
            return await http.options(f"{platform.url}/api/v1{path}", headers=headers)

    granted = await preflight("/embed/token", SHOP)
    assert granted.status_code == 204
    assert granted.headers["access-control-allow-origin"] == SHOP
    assert granted.headers["access-control-allow-methods"] == "GET, POST"
    assert granted.headers["access-control-allow-headers"] == "x-embed-key, content-type"
    for path, origin in (("/token", SHOP), ("/embed-keys", SHOP), ("/embed/token", "https://evil.example")):
        refused = await preflight(path, origin)
        assert refused.status_code == 403, path
        assert "access-control-allow-origin" not in refused.headers
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"allowed_origins": ["https://app.example.org"]})
    assert (await preflight("/embed/token", "https://app.example.org")).status_code == 403
    assert (await preflight("/token", "https://app.example.org")).status_code == 204


async def test_an_embed_key_opens_nothing_else_and_an_api_key_nothing_here(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"Origin": SHOP}, timeout=30) as http:
        for path in ("/agents", "/embed-keys", "/rooms", "/quota"):
            for header in ("X-API-Key", "X-Embed-Key"):
                answer = await http.get(path, headers={header: key["key"]})
                assert answer.status_code == 401, (path, header)
                assert "access-control-allow-origin" not in answer.headers
        for headers in ({"X-API-Key": tenant.key}, {"X-Embed-Key": tenant.key}, {"X-API-Key": key["key"]}, {}):
            assert (await http.get("/embed/config", headers=headers)).status_code == 401, headers
            answer = await http.post("/embed/token", headers=headers, json=VISITOR)
            assert answer.status_code == 401, headers


@pytest.mark.parametrize("hostile", ["ek_", "ek_unknown", "ek_" + "x" * 5000, "ek_' or '1'='1", "pk_x"])
async def test_an_unknown_key_opens_nothing(platform: Platform, hostile: str) -> None:
    answer = await Page(platform, {"key": hostile}).config()
    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers


async def test_a_key_that_is_switched_off_says_so_to_its_own_pages(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    key = await make_key(tenant)
    page = Page(platform, key)
    await tenant.http.patch(f"/embed-keys/{key['id']}", json={"is_active": False})
    for answer in (await page.config(), await page.token()):
        assert (answer.status_code, answer.json()["details"]) == (403, {"rule": "inactive"})
        assert answer.headers["access-control-allow-origin"] == SHOP
    await tenant.http.delete(f"/embed-keys/{key['id']}")
    assert (await page.config()).status_code == 401


async def test_an_agent_out_of_service_is_not_called_and_costs_the_visitor_nothing(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    key = await make_key(tenant, visitor_calls_per_hour=1)
    page = Page(platform, key)
    await tenant.http.patch(f"/agents/{key['agent_id']}", json={"is_active": False})
    for answer in (await page.config(), await page.token(), await page.token()):
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    await tenant.http.patch(f"/agents/{key['agent_id']}", json={"is_active": True})
    assert (await page.token()).status_code == 200
    await tenant.http.delete(f"/agents/{key['agent_id']}")
    assert (await page.config()).status_code == 404


@pytest.mark.parametrize(
    ("limits", "visitors", "admitted"),
    [
        ({"visitor_calls_per_hour": 7}, 1, 7),
        ({"address_calls_per_hour": 9}, 50, 9),
        ({"calls_at_once": 5}, 50, 5),
    ],
    ids=["visitor", "address", "at once"],
)
async def test_of_fifty_at_once_exactly_as_many_come_in_as_may(
    platform: Platform, limits: dict[str, int], visitors: int, admitted: int
) -> None:
    tenant = await platform.tenant(plan="enterprise")
    await platform.add_worker(capacity=1000)
    wide = {"visitor_calls_per_hour": 1000, "address_calls_per_hour": 10_000, "calls_at_once": 1000}
    page = Page(platform, await make_key(tenant, **(wide | limits)))
    asked = [page.token(visitor=f"visitor-{number % visitors:04}") for number in range(50)]
    answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: admitted, 429: 50 - admitted}
    async with platform.database.platform() as db:
        assert await db.scalar(text("select count(*) from slot where embed_key_id is not null")) == admitted
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["access-control-allow-origin"] == SHOP
    assert "retry-after" in refused.headers["access-control-expose-headers"]


async def test_who_was_turned_away_for_want_of_a_place_may_come_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    page = Page(platform, await make_key(tenant, visitor_calls_per_hour=1, address_calls_per_hour=1))
    for _ in range(3):
        assert (await page.token()).status_code == 503, "no worker is there"
    await platform.add_worker()
    assert (await page.token()).status_code == 200
    assert (await page.token()).status_code == 429


async def test_sessions_of_the_plan_count_visitors_too(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await platform.add_worker()
    page = Page(platform, await make_key(tenant))
    answers = [await page.token() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["code"] == "QUOTA_EXCEEDED"


@pytest.mark.parametrize(
    "body",
    [
        {"visitor": "short"},
        {"visitor": "with space in it"},
        {"mode": "both"},
        {"variables": {"a b": "x"}},
        {"variables": {"name": "x" * 501}},
        {"variables": {"nested": {"a": 1}}},
        {"variables": {f"v{number}": "x" for number in range(21)}},
        {"room": "another"},
        {"agent_config_id": 1},
    ],
)
async def test_what_a_visitor_may_not_say_is_refused(platform: Platform, body: dict[str, Any]) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    answer = await Page(platform, await make_key(tenant)).token(**body)
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == SHOP


async def test_scopes_confine_who_may_make_embed_keys(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await tenant.http.post("/api-keys", json={"label": "narrow", "scopes": ["embed-keys:read"]})
    header = {"X-API-Key": made.json()["api_key"]["key"]}
    assert (await tenant.http.get("/embed-keys", headers=header)).status_code == 200
    answer = await tenant.http.post("/embed-keys", headers=header, json={"agent_id": 1, "origins": [SHOP]})
    assert (answer.status_code, answer.json()["details"]) == (403, {"scope": "embed-keys:write"})
