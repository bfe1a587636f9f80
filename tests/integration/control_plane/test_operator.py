"""The operator's surface: accounts, plans, health, all trails."""

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from sqlmodel import select

from control_plane.accounts.models import Account
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.gate.window import RateLimiter
from control_plane.jobs.models import Job
from control_plane.media.server import LiveRoom
from control_plane.settings import Settings
from tests.support.media import FakeMedia
from tests.support.platform import ADMIN_KEY, Platform

pytestmark = pytest.mark.anyio

NEW = {"email": "Ops@Example.org", "name": "Canary Ltd", "password": "correct horse battery", "plan": "professional"}
PATHS = ["/admin/accounts", "/admin/plans", "/admin/health", "/admin/audit"]


@pytest.fixture
async def operator(platform: Platform) -> Any:
    async with httpx2.AsyncClient(
        base_url=f"{platform.url}/api/v1", headers={"X-API-Key": ADMIN_KEY}, timeout=30
    ) as client:
        yield client


async def make_account(operator: httpx2.AsyncClient, **changes: object) -> dict[str, Any]:
    answer = await operator.post("/admin/accounts", json=NEW | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("path", PATHS)
async def test_only_the_operators_key_opens_the_operators_surface(platform: Platform, path: str) -> None:
    tenant = await platform.tenant()
    answers = [
        await tenant.http.get(path),
        await tenant.http.get(path, headers={"X-API-Key": ADMIN_KEY[:-1] + "x"}),
        await tenant.http.get(path, headers={"X-API-Key": ""}),
        await tenant.http.get(path, headers={"X-API-Key": "ak_" + "x" * 5000}),
        await tenant.http.get(path, headers={"X-API-Key": ADMIN_KEY}),
    ]
    assert [answer.status_code for answer in answers] == [403, 401, 401, 401, 200]


async def test_changes_of_the_operators_need_his_key_too(platform: Platform) -> None:
    tenant = await platform.tenant()
    assert (await tenant.http.post("/admin/accounts", json=NEW)).status_code == 403
    account = f"/admin/accounts/{tenant.project.account_id}"
    assert (await tenant.http.patch(account, json={"plan": "enterprise"})).status_code == 403
    assert (await tenant.http.get("/quota")).json()["plan"] == "professional"


async def test_the_operators_key_opens_no_project(platform: Platform, operator: httpx2.AsyncClient) -> None:
    await platform.tenant()
    for path in ("/agents", "/rooms", "/quota", "/api-keys", "/events"):
        answer = await operator.get(path)
        assert answer.status_code == 403
        assert answer.json() == {"error": "The operator's key opens only /api/v1/admin", "code": "FORBIDDEN"}
    assert (await operator.get("/nothing")).status_code == 404


async def test_the_operator_has_a_window_of_his_own(operator: httpx2.AsyncClient) -> None:
    first, second = [await operator.get("/admin/plans") for _ in range(2)]
    assert first.headers["x-ratelimit-limit"] == "300"
    assert int(second.headers["x-ratelimit-remaining"]) == int(first.headers["x-ratelimit-remaining"]) - 1


async def test_a_new_account_can_begin_with_what_it_is_given(platform: Platform, operator: httpx2.AsyncClient) -> None:
    made = await make_account(operator)
    account = made["account"]
    assert (account["email"], account["plan"]) == ("ops@example.org", "professional")
    assert (account["projects"], account["members"], account["api_keys"]) == (1, 1, 1)
    key = {"X-API-Key": made["api_key"]["key"]}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=key, timeout=30) as customer:
        assert (await customer.post("/agents", json={"name": "First"})).status_code == 201
        quota = (await customer.get("/quota")).json()
        members = (await customer.get("/members")).json()["members"]
        projects = (await customer.get("/projects")).json()["projects"]
    assert (quota["plan"], quota["quotas"]["team_members"]["used"]) == ("professional", 1)
    assert [(member["email"], member["role"]) for member in members] == [("ops@example.org", "owner")]
    assert [project["slug"] for project in projects] == [made["project"]["slug"]]


async def test_a_password_is_kept_as_a_slow_hash_only(platform: Platform, operator: httpx2.AsyncClient) -> None:
    made = await make_account(operator)
    async with platform.database.platform() as db:
        kept = (await db.exec(select(Account.password_hash).where(Account.id == made["account"]["id"]))).one()
    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert NEW["password"] not in json.dumps(made)


async def test_an_address_has_one_account(operator: httpx2.AsyncClient) -> None:
    await make_account(operator)
    again = await operator.post("/admin/accounts", json=NEW | {"email": "ops@EXAMPLE.org"})
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    assert (await operator.get("/admin/accounts")).json()["total"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "p" * 201}, "password"),
        ({"password": "correct\ud800horse"}, "password"),
        ({"password": None}, "password"),
        ({"plan": "gold"}, "plan"),
        ({"name": "n\x00"}, "name"),
        ({"role": "owner"}, "role"),
    ],
)
async def test_a_wrong_account_is_refused_without_repeating_it(
    operator: httpx2.AsyncClient, change: dict[str, object], field: str
) -> None:
    content = json.dumps(NEW | change)
    answer = await operator.post("/admin/accounts", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == field
    assert NEW["password"] not in answer.text
    assert (await operator.get("/admin/accounts")).json()["total"] == 0


async def test_plan_and_rate_of_an_account_change_at_once(platform: Platform, operator: httpx2.AsyncClient) -> None:
    tenant = await platform.tenant(plan="free", rate=None)
    path = f"/admin/accounts/{tenant.project.account_id}"
    assert (await tenant.http.get("/quota")).headers["x-ratelimit-limit"] == "60"
    changed = await operator.patch(path, json={"plan": "enterprise"})
    assert changed.json()["account"]["plan"] == "enterprise"
    quota = await tenant.http.get("/quota")
    assert quota.json()["plan"] == "enterprise"
    await operator.patch(path, json={"requests_per_minute": 77})
    assert (await tenant.http.get("/quota")).json()["plan"] == "enterprise"
    assert (await tenant.http.get("/quota")).headers["x-ratelimit-limit"] == "77"
    await operator.patch(path, json={"requests_per_minute": None})
    await tenant.http.get("/quota")
    assert (await tenant.http.get("/quota")).headers["x-ratelimit-limit"] == "1000"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"plan": "gold"}, 400),
        ({"plan": None}, 400),
        ({"requests_per_minute": 0}, 400),
        ({"requests_per_minute": 2**40}, 400),
        ({"email": "other@example.org"}, 400),
    ],
)
async def test_a_wrong_change_of_an_account_is_refused(
    platform: Platform, operator: httpx2.AsyncClient, body: dict[str, object], status: int
) -> None:
    tenant = await platform.tenant()
    answer = await operator.patch(f"/admin/accounts/{tenant.project.account_id}", json=body)
    assert answer.status_code == status, answer.text
    assert (await operator.patch(f"/admin/accounts/{10**9}", json={"plan": "free"})).status_code == 404


async def test_accounts_are_listed_by_pages_without_what_customers_named(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    for slug in ("first", "second", "third"):
        await platform.tenant(slug)
    await make_account(operator)
    page = (await operator.get("/admin/accounts?per_page=2&page=2")).json()
    assert [account["email"] for account in page["accounts"]] == ["third@example.org", "ops@example.org"]
    assert (page["total"], page["total_pages"]) == (4, 2)
    assert "Canary" not in json.dumps(page)


async def test_the_customer_sees_what_the_operator_changed(platform: Platform, operator: httpx2.AsyncClient) -> None:
    tenant = await platform.tenant()
    await operator.patch(f"/admin/accounts/{tenant.project.account_id}", json={"plan": "free"})
    entry = (await tenant.http.get("/audit")).json()["entries"][0]
    assert (entry["action"], entry["key_id"], entry["key_label"]) == (
        "PATCH /admin/accounts/{account_id}",
        "operator",
        None,
    )


async def test_the_operator_reads_all_trails_without_what_the_paths_named(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    for tenant in (mine, theirs):
        await tenant.http.post("/rooms", json={"name": "Canary"})
        await tenant.http.delete("/rooms/Canary")
    page = (await operator.get("/admin/audit?per_page=3")).json()
    assert (page["total"], len(page["entries"])) == (4, 3)
    assert [entry["project_id"] for entry in page["entries"]] == [theirs.project.id, theirs.project.id, mine.project.id]
    assert "Canary" not in json.dumps(page)


async def test_plans_are_listed_as_they_are_configured(operator: httpx2.AsyncClient) -> None:
    plans = {plan["name"]: plan for plan in (await operator.get("/admin/plans")).json()["plans"]}
    assert {name: plan["requests_per_minute"] for name, plan in plans.items()} == {
        "free": 60,
        "professional": 300,
        "enterprise": 1000,
    }
    assert plans["enterprise"]["limits"]["agents"] == -1


class AbsentMedia(FakeMedia):
    """A media server that cannot be reached."""

    async def list_rooms(self) -> list[LiveRoom]:
        raise Unavailable("LiveKit cannot be reached; try again")


async def test_health_names_the_part_that_is_away(platform: Platform, operator: httpx2.AsyncClient) -> None:
    without_worker = (await operator.get("/admin/health")).json()
    assert without_worker["status"] == "degraded"
    assert without_worker["parts"]["workers"]["status"] == "unavailable"
    await platform.add_worker(capacity=7)
    whole = (await operator.get("/admin/health")).json()
    assert whole["parts"]["redis"] == {"status": "ok", "reason": None, "shared": True}
    assert (whole["parts"]["workers"]["connected"], whole["parts"]["workers"]["capacity"]) == (1, 7)
    assert whole["parts"]["database"]["revision"]
    await platform.add(Job(kind="room.close", key="1", state="failed", run_at=Clock().now()))
    await platform.add(Job(kind="room.close", key="2", run_at=Clock().now() - timedelta(seconds=90)))
    jobs = (await operator.get("/admin/health")).json()["parts"]["jobs"]
    assert (jobs["status"], jobs["failed"], jobs["due"], jobs["behind_seconds"] >= 90) == ("unavailable", 1, 1, True)
    platform.app.state.media = AbsentMedia()
    degraded = (await operator.get("/admin/health")).json()
    assert (degraded["status"], degraded["parts"]["livekit"]["status"]) == ("degraded", "unavailable")
    assert degraded["parts"]["database"]["status"] == "ok"


async def test_readiness_says_whether_rate_windows_are_shared(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        assert (await client.get("/health/ready")).json()["rate_windows"] == "shared"
        whole, platform.app.state.limiter = platform.app.state.limiter, RateLimiter("redis://127.0.0.1:1")
        alone = await client.get("/health/ready")
        assert (alone.status_code, alone.json()["rate_windows"]) == (200, "per process")
        parts = (await client.get("/api/v1/admin/health", headers={"X-API-Key": ADMIN_KEY})).json()["parts"]
        assert (parts["redis"]["status"], parts["redis"]["shared"]) == ("unavailable", False)
        platform.app.state.limiter = whole


async def test_an_operators_key_that_could_be_guessed_does_not_start(platform: Platform) -> None:
    given = {name: getattr(platform.settings, name) for name in platform.settings.model_fields_set}
    for key in ("ak_short", "pk_" + "x" * 40, "ak_" + "x" * 300):
        with pytest.raises(ValidationError):
            Settings.model_validate(given | {"admin_key": key})
    assert Settings.model_validate(given | {"admin_key": ""}).admin_key is None
