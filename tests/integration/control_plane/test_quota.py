"""`GET /quota`: counts that are the rows themselves, also when two hundred come at once."""

import asyncio
import random
from typing import Any

import httpx2
import pytest
from sqlalchemy import event, text

from tests.support.platform import Platform, Tenant
from tests.support.statements import statements

pytestmark = pytest.mark.anyio

DOCUMENTED = ["projects", "agents", "knowledge_bases", "sip_configs", "webhook_configs", "team_members"]
RECOUNT = {
    "projects": "select id from project where account_id = :account",
    "agents": "select id from persona where deleted_at is null and {own}",
    "knowledge_bases": "select id from knowledge_base where {own}",
    "sip_configs": "select id from sip_config where {own}",
    "webhook_configs": "select id from webhook_endpoint where {own}",
    "team_members": "select id from member where account_id = :account",
    "rooms": "select id from room where status = 'open' and {own}",
    "sessions": "select id from slot where account_id = :account and (session_id is not null or expires_at > :now)",
    "recordings": "select id from recording where status = 'recording' and {own}",
    "sip_calls": "select id from call where ended_at is null and {own}",
}
OWN = "project_id in (select id from project where account_id = :account)"


async def used(tenant: Tenant) -> dict[str, int]:
    answer = await tenant.http.get("/quota")
    assert answer.status_code == 200, answer.text
    return {name: entry["used"] for name, entry in answer.json()["quotas"].items()}


async def recount(platform: Platform, tenant: Tenant) -> dict[str, int]:
    values = {"account": tenant.project.account_id, "now": platform.app.state.clock.now()}
    async with platform.database.platform() as db:
        return {
            name: len((await db.execute(text(query.format(own=OWN)), values)).all()) for name, query in RECOUNT.items()
        }


async def test_the_quota_of_a_plan_has_the_documented_shape(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.make_agent(name="Receptionist")
    body = (await tenant.http.get("/quota")).json()
    assert (body["plan"], body["plan_display"]) == ("professional", "Professional")
    assert list(body["quotas"]) == [*DOCUMENTED, "rooms", "sessions", "recordings", "sip_calls"]
    assert body["quotas"]["projects"] == {"limit": 10, "used": 1, "remaining": 9}
    assert body["quotas"]["agents"] == {"limit": 50, "used": 1, "remaining": 49}
    assert body["quotas"]["team_members"] == {"limit": 10, "used": 1, "remaining": 9}


async def test_an_unlimited_plan_says_minus_one(platform: Platform) -> None:
    tenant = await platform.tenant(plan="enterprise")
    quotas = (await tenant.http.get("/quota")).json()["quotas"]
    assert quotas["projects"] == {"limit": -1, "used": 1, "remaining": -1}
    assert {(entry["limit"], entry["remaining"]) for entry in quotas.values()} == {(-1, -1)}


async def test_a_plan_that_was_reduced_leaves_nothing_and_never_less(platform: Platform) -> None:
    tenant = await platform.tenant(plan="enterprise")
    for number in range(5):
        await tenant.http.post("/agents", json={"name": f"a{number}"})
    async with platform.database.platform() as db:
        await db.execute(text("update account set plan = 'free'"))
    await platform.app.state.limiter.mark_changed(*await key_ids(platform))
    assert (await tenant.http.get("/quota")).json()["quotas"]["agents"] == {"limit": 3, "used": 5, "remaining": 0}


async def key_ids(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.scalars(text("select key_id from api_key"))).all())


async def test_an_agent_is_made_with_its_entry_in_the_trail_in_one_statement(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await tenant.make_agent(name="first")
    with statements() as sent:
        await tenant.make_agent(name="second")
    assert len(sent) == 2, "the project is named, the agent made"
    again: dict[str, Any] = {"json": {"name": "third"}, "headers": {"Idempotency-Key": "third"}}
    third, repeated = await tenant.http.post("/agents", **again), await tenant.http.post("/agents", **again)
    assert (third.status_code, third.json()) == (201, repeated.json())
    refused = await tenant.http.post("/agents", json={"name": "fourth"})
    assert (refused.status_code, refused.json()["code"]) == (429, "QUOTA_EXCEEDED")
    assert {name: refused.json()["details"][name] for name in ("resource", "limit", "used")} == {
        "resource": "agents",
        "limit": 3,
        "used": 3,
    }
    agents = (await tenant.http.get("/agents")).json()["agents"]
    assert agents[-1] == third.json()["agent"]
    assert (await tenant.http.get(f"/agents/{agents[-1]['id']}")).json() == third.json()
    trail = (await tenant.http.get("/audit")).json()["entries"]
    assert [(entry["action"], entry["status"]) for entry in trail] == [("POST /agents", 201)] * 3


async def test_all_counts_take_one_statement(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.get("/quota")
    statements: list[str] = []
    engine = platform.database._engines[0].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await tenant.http.get("/quota")
    assert len(statements) == 2, statements  # the first names the project


class Customer:
    """Does one thing after another, as chance will have it."""

    def __init__(self, platform: Platform, tenant: Tenant, dice: random.Random) -> None:
        self.platform, self.http, self.dice = platform, tenant.http, dice
        self.made: dict[str, list[str]] = {"rooms": [], "agents": [], "knowledge-bases": [], "members": []}
        self.number = 0

    async def act(self) -> None:
        kind = self.dice.choice(["rooms", "agents", "knowledge-bases", "members", "projects", "token"])
        if kind in self.made and self.made[kind] and self.dice.random() < 0.4:
            gone = self.made[kind].pop(self.dice.randrange(len(self.made[kind])))
            answer = await self.http.delete(f"/{kind}/{gone}")
        else:
            answer = await self.make(kind)
        assert answer.status_code in (200, 201, 429), answer.text

    async def make(self, kind: str) -> Any:
        self.number += 1
        name = f"n{self.number}"
        body = {"token": {"identity": name, "room": name}, "members": {"email": f"{name}@example.org"}}
        answer = await self.http.post(f"/{kind}", json=body.get(kind, {"name": name}))
        if answer.status_code == 201 and kind in self.made:
            only = next(iter(answer.json().values())) if kind != "rooms" else {}
            self.made[kind].append(name if kind == "rooms" else str(only["id"]))
        return answer


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_at_any_moment_what_is_used_equals_the_rows(platform: Platform, seed: int) -> None:
    tenant = await platform.tenant(plan="free")
    await platform.add_worker()
    await tenant.make_agent(name="first")
    customer = Customer(platform, tenant, random.Random(seed))
    for _ in range(40):
        await customer.act()
        assert await used(tenant) == await recount(platform, tenant)


async def test_a_place_that_nobody_took_stops_counting_when_its_token_is_old(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await tenant.make_agent(name="first")
    await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert (await used(tenant))["sessions"] == 1
    async with platform.database.platform() as db:
        await db.execute(text("update slot set expires_at = now() - interval '1 second'"))
    assert (await used(tenant))["sessions"] == (await recount(platform, tenant))["sessions"] == 0


async def create(tenant: Tenant, path: str, name: str) -> httpx2.Response:
    """Create it as clients do: what a busy server puts off (503) is sent again when it says, under the same key."""
    while True:
        answer = await tenant.http.post(f"/{path}", json={"name": name}, headers={"Idempotency-Key": name})
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(int(answer.headers["retry-after"]))


@pytest.mark.parametrize(
    ("path", "resource", "limit"),
    [("rooms", "rooms", 100), ("agents", "agents", 50), ("knowledge-bases", "knowledge_bases", 20)],
)
async def test_two_hundred_at_once_get_exactly_what_the_plan_allows(
    platform: Platform, path: str, resource: str, limit: int
) -> None:
    tenant = await platform.tenant()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(create(tenant, path, f"n{number}") for number in range(200)))
    assert sorted(answer.status_code for answer in answers) == [201] * limit + [429] * (200 - limit)
    refused = [answer.json() for answer in answers if answer.status_code == 429]
    assert {answer["code"] for answer in refused} == {"QUOTA_EXCEEDED"}
    upgrade = f"{platform.settings.public_url}/docs"
    assert refused[0]["details"] == {"resource": resource, "limit": limit, "used": limit, "upgrade_url": upgrade}
    assert (await used(tenant))[resource] == (await recount(platform, tenant))[resource] == limit
