"""What an account knows of itself: keys, transactions, meetings; and what the operator is shown of it, once."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest

from control_plane.clock import Clock
from control_plane.meetings.models import Meeting
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.metering.prices import EXACT
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session
from tests.support.clocks import TurnedClock
from tests.support.platform import ADMIN_KEY, Platform, Tenant

pytestmark = pytest.mark.anyio

BEGAN = datetime(2026, 3, 1, 10, tzinfo=UTC)
SOON = "2099-01-01T00:00:00Z"


@pytest.fixture
async def operator(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=f"{platform.url}/api/v1", headers={"X-API-Key": ADMIN_KEY}, timeout=30
    ) as client:
        yield client


async def make_key(tenant: Tenant, **body: object) -> httpx2.Response:
    return await tenant.http.post("/api-keys", json={"label": "k"} | body)


async def test_an_account_is_named_by_its_owner(platform: Platform) -> None:
    tenant = await platform.tenant()
    changed = (await tenant.http.patch("/account", json={"name": " Byron & Co "})).json()["account"]
    assert (changed["name"], changed["email"]) == ("Byron & Co", "proj@example.org")
    assert (await tenant.http.patch("/account", json={"email": "other@example.org"})).status_code == 400


async def test_the_sixth_active_key_is_refused_until_one_is_revoked(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = [await make_key(tenant) for _ in range(4)]
    assert [answer.status_code for answer in made] == [201] * 4
    sixth = await make_key(tenant)
    assert (sixth.status_code, sixth.json()["code"]) == (409, "CONFLICT")
    assert "5 active" in sixth.json()["error"]
    assert (await tenant.http.delete(f"/api-keys/{made[0].json()['api_key']['id']}")).status_code == 200
    assert (await make_key(tenant)).status_code == 201
    listed = (await tenant.http.get("/api-keys")).json()["api_keys"]
    assert sorted(key["status"] for key in listed) == ["active"] * 5 + ["revoked"]
    account = (await tenant.http.get("/account")).json()["account"]
    assert (account["active_keys"], account["max_active_keys"]) == (5, 5)


async def test_keys_are_counted_over_all_projects_of_an_account(platform: Platform) -> None:
    tenant = await platform.tenant()
    project = (await tenant.http.post("/projects", json={"name": "second"})).json()["project"]["id"]
    answers = [(await make_key(tenant, project_id=project)).status_code for _ in range(5)]
    assert answers == [201] * 4 + [409]
    assert (await make_key(await platform.tenant("other"))).status_code == 201


async def test_of_many_keys_asked_for_at_once_five_are_made(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.second_process() as url:
        there = httpx2.AsyncClient(base_url=f"{url}/api/v1", headers={"X-API-Key": tenant.key}, timeout=30)
        async with there:
            asked = [client.post("/api-keys", json={"label": "k"}) for client in (tenant.http, there) for _ in range(6)]
            answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [409] * 8


async def test_keys_that_have_expired_do_not_count_and_do_not_come_back_as_a_sixth(platform: Platform) -> None:
    tenant = await platform.tenant()
    soon = (Clock().now() + timedelta(hours=1)).isoformat()
    old = [(await make_key(tenant, expires_at=soon)).json()["api_key"]["id"] for _ in range(4)]
    platform.app.state.clock = platform.app.state.keys.clock = TurnedClock(hours=2)
    listed = (await tenant.http.get("/api-keys")).json()["api_keys"]
    assert [key["status"] for key in listed] == ["expired"] * 4 + ["active"]
    assert [(await make_key(tenant)).status_code for _ in range(5)] == [201] * 4 + [409]
    for expires_at in (SOON, None):
        back = await tenant.http.patch(f"/api-keys/{old[0]}", json={"expires_at": expires_at})
        assert back.status_code == 409, back.text
    assert (await tenant.http.patch(f"/api-keys/{old[0]}", json={"label": "old"})).status_code == 200
    await tenant.http.delete(f"/api-keys/{listed[0]['id'] + 1}")
    both = [tenant.http.patch(f"/api-keys/{number}", json={"expires_at": SOON}) for number in old[:2]]
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [200, 409]


async def spend(platform: Platform, project_id: int, session_id: int | None, cost: str, source: str) -> None:
    """A priced piece of work."""
    entry = UsageEntry(
        project_id=project_id,
        session_id=session_id,
        source=source,
        service="llm",
        provider="openai",
        model="gpt-4o",
        output_tokens=int(Decimal(cost) * 100_000),  # ten dollars a million
        requests=1,
        at=BEGAN,
    )
    async with platform.database.platform() as db:
        assert await record(db, entry, clock=Clock())


async def held(platform: Platform, tenant: Tenant) -> None:
    """A meeting of three with a persona, one that nobody came to, one that goes on, and a conversation of its own."""
    project = tenant.project.id
    own = {"project_id": project, "status": "completed", "started_at": BEGAN, "ended_at": BEGAN + timedelta(minutes=5)}
    talk = Session(room_name="proj_aaa", agent_name="Robin", **own)
    alone = Session(room_name="proj_support", agent_name="Robin", **own | {"ended_at": BEGAN + timedelta(minutes=9)})
    await platform.add(talk, alone)
    meeting = {"project_id": project, "meeting_type": "people"}
    await platform.add(
        Meeting(code="aaa", room_name="proj_aaa", title="Standup", session_id=talk.id, **meeting | own),
        Meeting(code="bbb", room_name="proj_bbb", title="Nobody came", **meeting),
        Meeting(code="ccc", room_name="proj_ccc", title="Now", status="active", started_at=Clock().now(), **meeting),
    )
    room = Room(project_id=project, full_name="proj_aaa", name="aaa", status="closed")
    await platform.add(room)
    for number, identity in enumerate(("ada", "grace", "ada", "agent-1")):
        kind = "agent" if identity.startswith("agent") else "standard"
        who = {"identity": identity, "kind": kind, "sid": f"PA_{number}", "joined_at": BEGAN}
        await platform.add(Participant(project_id=project, room_id=room.id, **who))
    await spend(platform, project, talk.id, "0.25", "report:1:1:1")
    await spend(platform, project, talk.id, "0.05", "report:1:1:2")
    await spend(platform, project, alone.id, "1.00", "report:2:1:1")
    await spend(platform, project, None, "0.10", "recording:9")


async def test_what_was_charged_adds_up_to_what_was_used(
    platform: Platform, operator: httpx2.AsyncClient, tenant: Tenant
) -> None:
    await held(platform, tenant)
    path = f"/admin/accounts/{tenant.project.account_id}/transactions"
    for given in ({"type": "credit", "amount": 10, "description": "Welcome"}, {"type": "refund", "amount": 0.3}):
        assert (await operator.post(path, json=given)).status_code == 201
    answer = (await tenant.http.get("/account/transactions")).json()
    shown = [(entry["type"], entry["amount"], entry["description"]) for entry in answer["transactions"]]
    assert shown == [
        ("refund", 0.3, ""),
        ("credit", 10.0, "Welcome"),
        ("usage", 1.0, "Session 2 with Robin"),
        ("usage", 0.3, "Standup"),
        ("usage", 0.1, "Language model"),
    ]
    assert answer["transactions"][3]["date"] == "2026-03-01T10:05:00Z"
    usage = (await tenant.http.get("/usage?period=all")).json()["totals"]["cost_usd"]
    charged = sum(Decimal(str(amount)) for kind, amount, _ in shown if kind == "usage")
    assert charged == Decimal(str(usage)).quantize(EXACT)
    account = (await tenant.http.get("/account")).json()["account"]
    assert (account["balance"], account["used"]) == (8.9, 1.4)


async def test_transactions_come_by_pages(platform: Platform, tenant: Tenant) -> None:
    await held(platform, tenant)
    pages = [(await tenant.http.get(f"/account/transactions?per_page=2&page={page}")).json() for page in (1, 2, 3)]
    assert [len(page["transactions"]) for page in pages] == [2, 1, 0]
    assert {(page["total"], page["total_pages"]) for page in pages} == {(3, 2)}
    assert (await tenant.http.get("/account/transactions?per_page=0")).status_code == 400


async def test_meetings_are_listed_with_their_length_people_and_cost(platform: Platform, tenant: Tenant) -> None:
    await held(platform, tenant)
    answer = (await tenant.http.get("/account/meetings")).json()
    shown = [
        (each["id"], each["title"], each["status"], each["participants"], each["cost"]) for each in answer["meetings"]
    ]
    assert shown == [
        ("ccc", "Now", "active", 0, 0.0),
        ("bbb", "Nobody came", "scheduled", 0, 0.0),
        ("aaa", "Standup", "completed", 2, 0.3),
    ]
    now, never, over = answer["meetings"]
    assert (over["started_at"], over["duration"]) == ("2026-03-01T10:00:00Z", 300)
    assert (never["started_at"], never["duration"]) == (None, None)
    assert 0 <= now["duration"] < 60
    assert answer["total"] == 3


async def test_an_account_sees_nothing_of_another(platform: Platform, tenant: Tenant) -> None:
    await held(platform, tenant)
    other = await platform.tenant("other")
    await other.http.post("/account/support-keys")
    for path in ("transactions", "meetings"):
        assert (await other.http.get(f"/account/{path}")).json()["total"] == 0
    assert (await other.http.get("/account")).json()["account"]["used"] == 0
    assert (await tenant.http.get("/account/support-keys")).json()["support_keys"] == []


async def test_a_key_without_the_scope_reads_no_account(platform: Platform, tenant: Tenant) -> None:
    key = (await make_key(tenant, scopes=["account:read"])).json()["api_key"]["key"]
    reader = {"X-API-Key": key}
    assert (await tenant.http.get("/account", headers=reader)).status_code == 200
    assert (await tenant.http.post("/account/support-keys", headers=reader)).status_code == 403
    other = {"X-API-Key": (await make_key(tenant, scopes=["rooms:read"])).json()["api_key"]["key"]}
    assert (await tenant.http.get("/account/transactions", headers=other)).status_code == 403


async def support_key(tenant: Tenant) -> str:
    made = await tenant.http.post("/account/support-keys")
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_a_support_key_opens_the_activity_once_and_the_account_sees_it(
    platform: Platform, operator: httpx2.AsyncClient, tenant: Tenant
) -> None:
    await held(platform, tenant)
    await tenant.http.post("/webhooks", json={"url": "http://127.0.0.1:9/canary-of-the-address"})
    key = await support_key(tenant)
    answer = await operator.post("/admin/support-access", json={"key": key})
    assert answer.status_code == 200, answer.text
    activity = answer.json()["activity"]
    assert activity["account"]["email"] == "proj@example.org"
    assert [entry["amount"] for entry in activity["transactions"]] == [1.0, 0.3, 0.1]
    assert [meeting["title"] for meeting in activity["meetings"]] == ["Now", "Nobody came", "Standup"]
    assert [(each["label"], each["status"]) for each in activity["api_keys"]] == [("test", "active")]
    assert [each["is_active"] for each in activity["webhooks"]] == [True]
    for secret in (tenant.key, tenant.key[:10], key, "canary-of-the-address", "whsec_"):
        assert secret not in answer.text
    again = await operator.post("/admin/support-access", json={"key": key})
    assert (again.status_code, again.json()["code"]) == (410, "NOT_FOUND")
    assert key not in again.text
    entries = (await tenant.http.get("/audit")).json()["entries"]
    tries = [(entry["key_id"], entry["status"]) for entry in entries if entry["action"] == "POST /admin/support-access"]
    assert tries == [("operator", 410), ("operator", 200)]
    kept = (await tenant.http.get("/account/support-keys")).json()["support_keys"]
    assert len(kept) == 1
    assert kept[0]["used_at"] is not None
    assert key not in json.dumps(kept)


async def test_a_support_key_is_used_once_also_at_once(operator: httpx2.AsyncClient, tenant: Tenant) -> None:
    key = await support_key(tenant)
    answers = await asyncio.gather(*(operator.post("/admin/support-access", json={"key": key}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 7


async def test_a_support_key_is_over_after_a_day(
    platform: Platform, operator: httpx2.AsyncClient, tenant: Tenant
) -> None:
    made = (await tenant.http.post("/account/support-keys")).json()
    until = datetime.fromisoformat(made["expires_at"])
    assert abs(until - Clock().now() - timedelta(hours=24)) < timedelta(minutes=1)
    platform.app.state.clock = TurnedClock(hours=24, seconds=1)
    answer = await operator.post("/admin/support-access", json={"key": made["key"]})
    assert answer.status_code == 410
    assert (await tenant.http.get("/account/support-keys")).json()["support_keys"][0]["used_at"] is None


async def test_only_the_operator_uses_support_keys_and_only_those_there_are(
    operator: httpx2.AsyncClient, tenant: Tenant
) -> None:
    key = await support_key(tenant)
    assert (await tenant.http.post("/admin/support-access", json={"key": key})).status_code == 403
    assert (await operator.post("/admin/support-access", json={"key": "sup_nothing"})).status_code == 404
    for wrong in ({}, {"key": ""}, {"key": 7}, {"key": "k" * 201}, {"key": key, "account_id": 1}):
        assert (await operator.post("/admin/support-access", json=wrong)).status_code == 400
    assert (await operator.post("/admin/support-access", json={"key": key})).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"type": "usage"},
        {"amount": 0},
        {"amount": -5},
        {"amount": 0.001},
        {"amount": 1e9},
        {"amount": "5"},
        {"description": "d" * 201},
        {"account_id": 2},
    ],
)
async def test_a_wrong_credit_is_refused(
    operator: httpx2.AsyncClient, tenant: Tenant, change: dict[str, object]
) -> None:
    body = {"type": "credit", "amount": 5} | change
    path = f"/admin/accounts/{tenant.project.account_id}/transactions"
    assert (await operator.post(path, json=body)).status_code == 400
    assert (await operator.post(f"/admin/accounts/{10**9}/transactions", json=body | {"x": 1})).status_code == 400
    assert (await tenant.http.get("/account/transactions")).json()["total"] == 0


async def test_nobody_but_an_account_is_given_a_credit(operator: httpx2.AsyncClient, tenant: Tenant) -> None:
    body = {"type": "credit", "amount": 5}
    assert (await operator.post(f"/admin/accounts/{10**9}/transactions", json=body)).status_code == 404
    path = f"/admin/accounts/{tenant.project.account_id}/transactions"
    assert (await tenant.http.post(path, json=body)).status_code == 403
