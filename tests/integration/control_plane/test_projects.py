"""Projects, members and the audit trail of an account."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

CHANGES = {
    "name": "Renamed",
    "retention_days": 30,
    "store_transcripts": False,
    "redact": True,
    "allowed_origins": ["https://app.example.org", "http://localhost:5173"],
    "budget": {"limit_usd": 25.5, "soft_at": 0.5},
}


async def project_of(tenant: Tenant) -> dict[str, Any]:
    answer = await tenant.http.get(f"/projects/{tenant.project.id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["project"])


async def test_a_project_is_made_listed_and_read(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await tenant.http.post("/projects", json={"name": " Second ", "slug": "second2"})
    assert made.status_code == 201, made.text
    project = made.json()["project"]
    assert (project["name"], project["slug"], project["account_id"]) == ("Second", "second2", tenant.project.account_id)
    assert (await tenant.http.get(f"/projects/{project['id']}")).json()["project"] == project
    listed = (await tenant.http.get("/projects")).json()["projects"]
    assert [each["slug"] for each in listed] == ["proj", "second2"]


async def test_a_project_without_a_slug_gets_one_that_rooms_can_begin_with(platform: Platform) -> None:
    tenant = await platform.tenant()
    slug = (await tenant.http.post("/projects", json={"name": "n"})).json()["project"]["slug"]
    assert slug.isalnum()
    assert 3 <= len(slug) <= 20


async def test_a_slug_belongs_to_one_project_on_the_whole_server(platform: Platform) -> None:
    mine, _ = await platform.tenant("mine"), await platform.tenant("theirs")
    answer = await mine.http.post("/projects", json={"name": "n", "slug": "theirs"})
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


async def test_a_project_is_made_in_the_callers_account_only(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    statuses = [
        (await mine.http.post("/projects", json={"name": "n", "account_id": account})).status_code
        for account in (mine.project.account_id, theirs.project.account_id, 10**9)
    ]
    assert statuses == [201, 403, 404]


async def test_projects_are_made_up_to_the_plan(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    answer = await tenant.http.post("/projects", json={"name": "n"})
    assert answer.status_code == 429
    assert answer.json()["details"]["resource"] == "projects"


async def test_everything_of_a_project_but_its_slug_can_be_changed(platform: Platform) -> None:
    tenant = await platform.tenant()
    changed = await tenant.http.patch(f"/projects/{tenant.project.id}", json=CHANGES)
    assert changed.status_code == 200, changed.text
    project = await project_of(tenant)
    assert {name: project[name] for name in CHANGES} == CHANGES
    assert project["slug"] == "proj"
    slug = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"slug": "other"})
    assert slug.status_code == 400
    assert slug.json()["details"]["fields"] == [{"field": "slug", "problem": "unknown field"}]


async def test_what_a_change_does_not_name_stays(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.patch(f"/projects/{tenant.project.id}", json=CHANGES)
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"retention_days": None, "budget": None})
    project = await project_of(tenant)
    assert {name: project[name] for name in CHANGES} == CHANGES | {"retention_days": None, "budget": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": 2**70}, "retention_days"),
        ({"store_transcripts": None}, "store_transcripts"),
        ({"redact": "perhaps"}, "redact"),
        ({"allowed_origins": None}, "allowed_origins"),
        ({"allowed_origins": "https://app.example.org"}, "allowed_origins"),
        ({"allowed_origins": ["https://app.example.org/page"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://app.example.org/"]}, "allowed_origins.0"),
        ({"allowed_origins": ["app.example.org"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://*.example.org"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://user@example.org"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://app.example.org:99999"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://[::1"]}, "allowed_origins.0"),
        ({"allowed_origins": ["null"]}, "allowed_origins.0"),
        ({"allowed_origins": ["a\ud800"]}, "allowed_origins.0"),
        ({"budget": {"limit_usd": 0}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": 1, "soft_at": 2}}, "budget.soft_at"),
        ({"budget": {"limit_usd": 10**400}}, "budget.limit_usd"),
        ({"budget": []}, "budget"),
    ],
)
async def test_a_wrong_change_of_a_project_names_its_field_and_changes_nothing(
    platform: Platform, body: dict[str, object], field: str
) -> None:
    tenant = await platform.tenant()
    before = await project_of(tenant)
    answer = await tenant.http.patch(
        f"/projects/{tenant.project.id}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == field
    assert await project_of(tenant) == before


async def test_origins_are_kept_as_browsers_send_them(platform: Platform) -> None:
    tenant = await platform.tenant()
    given = [
        "HTTPS://App.Example.org:443",
        "https://app.example.org",
        "http://[::1]:8080",
        "capacitor://localhost",
        "*",
    ]
    answer = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"allowed_origins": given})
    kept = ["https://app.example.org", "http://[::1]:8080", "capacitor://localhost", "*"]
    assert answer.json()["project"]["allowed_origins"] == kept


async def test_a_page_may_read_answers_from_the_moment_its_origin_is_allowed(platform: Platform) -> None:
    tenant = await platform.tenant()
    origin = {"Origin": "https://app.example.org"}
    assert "access-control-allow-origin" not in (await tenant.http.get("/agents", headers=origin)).headers
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"allowed_origins": [origin["Origin"]]})
    opened = await tenant.http.get("/agents", headers=origin)
    assert opened.headers["access-control-allow-origin"] == origin["Origin"]
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"allowed_origins": []})
    assert "access-control-allow-origin" not in (await tenant.http.get("/agents", headers=origin)).headers


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_another_accounts_project_is_forbidden_and_not_shown(platform: Platform, method: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    body = {"name": "Taken"} if method == "PATCH" else None
    foreign = await mine.http.request(method, f"/projects/{theirs.project.id}", json=body)
    unknown = await mine.http.request(method, f"/projects/{10**9}", json=body)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "FORBIDDEN")
    assert "theirs" not in foreign.text
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")
    assert (await project_of(theirs))["name"] == "theirs"
    assert [each["slug"] for each in (await mine.http.get("/projects")).json()["projects"]] == ["mine"]


async def test_members_are_added_listed_and_removed(platform: Platform) -> None:
    tenant = await platform.tenant()
    added = await tenant.http.post("/members", json={"email": " Ada.Byron@Example.ORG ", "name": "Ada"})
    assert added.status_code == 201, added.text
    member = added.json()["member"]
    assert (member["email"], member["name"], member["role"]) == ("ada.byron@example.org", "Ada", "member")
    listed = (await tenant.http.get("/members")).json()["members"]
    assert [(each["email"], each["role"]) for each in listed] == [
        ("proj@example.org", "owner"),
        ("ada.byron@example.org", "member"),
    ]
    assert (await tenant.http.delete(f"/members/{member['id']}")).json()["success"] is True
    assert (await tenant.http.delete(f"/members/{member['id']}")).status_code == 404


async def test_an_address_is_one_members_whatever_its_case(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/members", json={"email": "ada@example.org"})
    again = await tenant.http.post("/members", json={"email": "ADA@example.org"})
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    other = await platform.tenant("other")
    assert (await other.http.post("/members", json={"email": "ada@example.org"})).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "Ada <ada@example.org>"}, "email"),
        ({"email": "a\x00@example.org"}, "email"),
        ({"email": "a\ud800@example.org"}, "email"),
        ({"email": "a@example.org", "role": "admin"}, "role"),
        ({"email": "a@example.org", "name": "n" * 201}, "name"),
    ],
)
async def test_a_wrong_member_is_refused(platform: Platform, body: dict[str, str], field: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/members", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == field


async def test_members_are_added_up_to_the_plan_and_the_owner_is_one(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    answer = await tenant.http.post("/members", json={"email": "ada@example.org"})
    assert answer.status_code == 429
    assert answer.json()["details"] | {"upgrade_url": ""} == {
        "resource": "team_members",
        "limit": 1,
        "used": 1,
        "upgrade_url": "",
    }


async def test_two_owners_who_remove_one_another_leave_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/members", json={"email": "second@example.org", "role": "owner"})
    owners = (await tenant.http.get("/members")).json()["members"]
    answers = await asyncio.gather(*(tenant.http.delete(f"/members/{owner['id']}") for owner in owners))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len((await tenant.http.get("/members")).json()["members"]) == 1


async def test_a_member_becomes_an_owner_and_the_last_owner_stays_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    member = (await tenant.http.post("/members", json={"email": "ada@example.org", "name": "Ada"})).json()["member"]
    first = (await tenant.http.get("/members")).json()["members"][0]["id"]
    last = await tenant.http.patch(f"/members/{first}", json={"role": "member"})
    assert (last.status_code, last.json()["code"]) == (409, "CONFLICT")
    promoted = (await tenant.http.patch(f"/members/{member['id']}", json={"role": "owner"})).json()["member"]
    assert (promoted["name"], promoted["role"]) == ("Ada", "owner")
    both = (tenant.http.patch(f"/members/{each}", json={"role": "member"}) for each in (first, member["id"]))
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [200, 409]
    assert (await tenant.http.patch(f"/members/{first}", json={"role": "king"})).status_code == 400


async def test_another_accounts_member_is_forbidden(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    member = (await theirs.http.post("/members", json={"email": "ada@example.org"})).json()["member"]["id"]
    assert (await mine.http.delete(f"/members/{member}")).status_code == 403
    assert (await mine.http.patch(f"/members/{member}", json={"role": "owner"})).status_code == 403
    assert len((await theirs.http.get("/members")).json()["members"]) == 2


async def test_the_trail_tells_who_changed_what_newest_first(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = (await tenant.http.post("/api-keys", json={"label": "Deployment"})).json()["api_key"]
    agent = (await tenant.http.post("/agents", json={"name": "n"}, headers={"X-API-Key": key["key"]})).json()["agent"]
    await tenant.http.delete(f"/agents/{agent['id']}")
    page = (await tenant.http.get("/audit?per_page=2")).json()
    assert (page["total"], page["page"], page["total_pages"]) == (3, 1, 2)
    deleted, created = page["entries"]
    assert deleted["action"].startswith("DELETE ")
    assert deleted["action"].endswith("/agents/{agent_id}")
    assert (deleted["target"], deleted["status"], deleted["key_label"]) == ({"agent_id": str(agent["id"])}, 200, "test")
    assert (created["key_id"], created["key_label"], created["status"]) == (key["key_id"], "Deployment", 201)
    assert created["id"] < deleted["id"]
    assert created["at"].endswith("Z")
    assert (await tenant.http.get("/audit?page=9")).json()["entries"] == []


async def test_the_trail_is_the_projects_own_and_reads_leave_none(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    await theirs.http.post("/agents", json={"name": "n"})
    await mine.http.get("/agents")
    await mine.http.post("/agents", json={})
    assert (await mine.http.get("/audit")).json() == {"entries": [], "total": 0, "page": 1, "total_pages": 0}
