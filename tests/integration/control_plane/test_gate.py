"""What stands before every operation: the window, the key, its scopes, replay, audit, other origins."""

import asyncio
from collections import Counter
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import select

from control_plane.errors import Unavailable
from control_plane.gate.idempotency import WAITING
from control_plane.gate.models import AuditEntry
from control_plane.media.server import LiveRoom
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

IN_TRANSACTION = text("""
    select count(*) from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%' and pid <> pg_backend_pid()
        and state_change < clock_timestamp() - interval '20 milliseconds'
""")
LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


async def key_with(tenant: Tenant, *scopes: str) -> dict[str, str]:
    """The header of a new key with these scopes."""
    made = await tenant.http.post("/api-keys", json={"label": "narrow", "scopes": list(scopes)})
    return {"X-API-Key": made.json()["api_key"]["key"]}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/agents", {}, 200),
        ("GET", "/agents/999", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/agents", {}, 405),
        ("POST", "/agents", {"content": b"{"}, 400),
        ("POST", "/agents", {"content": b" " * 1_100_000}, 413),
        ("GET", "/agents", {"headers": {"X-API-Key": "pk_wrong"}}, 401),
    ],
)
async def test_every_answer_says_what_is_left_of_the_window(
    platform: Platform, method: str, path: str, options: dict[str, object], status: int
) -> None:
    tenant = await platform.tenant(rate=50)
    answer = await tenant.http.request(method, path, **options)  # type: ignore[arg-type]
    assert answer.status_code == status
    limit, remaining, _ = (int(answer.headers[name]) for name in LIMIT_HEADERS)
    assert limit == (600 if status == 401 else 50)
    assert remaining == limit - 1


async def test_of_many_simultaneous_requests_to_two_processes_exactly_the_limit_is_admitted(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free", rate=None)
    async with platform.second_process() as second:
        other = httpx2.AsyncClient(base_url=f"{second}/api/v1", headers={"X-API-Key": tenant.key}, timeout=30)
        async with other:
            asked = [client.get("/agents") for client in (tenant.http, other) for _ in range(100)]
            answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 60, 429: 140}
    refused = next(answer for answer in answers if answer.status_code == 429)
    body = refused.json()
    assert body == {
        "error": "Rate limit exceeded",
        "code": "RATE_LIMITED",
        "limit": 60,
        "remaining": 0,
        "retry_after": int(refused.headers["retry-after"]),
    }
    assert 1 <= body["retry_after"] <= 60


async def test_a_key_revoked_in_one_process_is_refused_by_another_at_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/api-keys", json={"label": "second"})).json()["api_key"]
    header = {"X-API-Key": made["key"]}
    async with (
        platform.second_process() as second,
        httpx2.AsyncClient(base_url=f"{second}/api/v1", timeout=30) as other,
    ):
        for _ in range(3):
            assert (await other.get("/agents", headers=header)).status_code == 200
        await tenant.http.delete(f"/api-keys/{made['id']}")
        assert (await other.get("/agents", headers=header)).status_code == 401


async def test_without_redis_each_process_goes_on_with_windows_of_its_own(platform: Platform) -> None:
    tenant = await platform.tenant(rate=3)
    limiter = platform.app.state.limiter
    await limiter.close()
    limiter.__init__("redis://127.0.0.1:1")
    answers = [(await tenant.http.get("/agents")).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    assert not limiter.shared


async def test_a_key_can_do_what_its_scopes_say_and_nothing_else(platform: Platform) -> None:
    tenant = await platform.tenant()
    reading, rooms = await key_with(tenant, "read"), await key_with(tenant, "rooms:write")
    assert (await tenant.http.get("/agents", headers=reading)).status_code == 200
    assert (await tenant.http.get("/rooms", headers=rooms)).status_code == 200
    assert (await tenant.http.post("/rooms", json={"name": "r"}, headers=rooms)).status_code == 201
    for method, path, header in (
        ("POST", "/rooms", reading),
        ("GET", "/agents", rooms),
        ("DELETE", "/rooms/r", reading),
    ):
        answer = await tenant.http.request(method, path, headers=header)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_a_repeat_under_an_idempotency_key_gets_the_first_answer(platform: Platform) -> None:
    tenant = await platform.tenant()
    header = {"Idempotency-Key": "order-1"}
    first = await tenant.http.post("/agents", json={"name": "Robin"}, headers=header)
    again = await tenant.http.post("/agents", json={"name": "Robin"}, headers=header)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await tenant.http.get("/agents")).json()["agents"]) == 1
    other = await tenant.http.post("/agents", json={"name": "Jay"}, headers=header)
    assert (other.status_code, other.json()["code"]) == (409, "CONFLICT")


async def test_many_simultaneous_repeats_do_the_thing_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    header = {"Idempotency-Key": "once"}
    async with platform.second_process() as second:
        other = httpx2.AsyncClient(base_url=f"{second}/api/v1", headers={"X-API-Key": tenant.key}, timeout=30)
        async with other:
            asked = [
                client.post("/agents", json={"name": "Robin"}, headers=header)
                for client in (tenant.http, other)
                for _ in range(6)
            ]
            answers = await asyncio.gather(*asked)
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert len((await tenant.http.get("/agents")).json()["agents"]) == 1


async def test_what_was_refused_for_good_is_refused_again_and_what_may_pass_is_tried_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    header = {"Idempotency-Key": "a room"}
    platform.media.fail_next = Unavailable("LiveKit cannot be reached; try again")
    assert (await tenant.http.post("/rooms", json={"name": "r"}, headers=header)).status_code == 503
    assert (await tenant.http.post("/rooms", json={"name": "r"}, headers=header)).status_code == 201
    header = {"Idempotency-Key": "the same room"}
    refused = [await tenant.http.post("/rooms", json={"name": "r"}, headers=header) for _ in range(2)]
    assert [answer.status_code for answer in refused] == [409, 409]
    assert refused[0].content == refused[1].content
    assert "idempotent-replayed" in refused[1].headers


async def test_what_a_key_was_told_is_not_told_to_another(platform: Platform) -> None:
    tenant = await platform.tenant()
    narrow = await key_with(tenant, "api-keys:write")
    asked = {"json": {"label": "all"}, "headers": {"Idempotency-Key": "the keys"}}
    first = await tenant.http.post("/api-keys", **asked)
    asked["headers"] |= narrow
    other = await tenant.http.post("/api-keys", **asked)
    assert first.status_code == 201
    assert first.json()["api_key"]["key"] not in other.text
    assert "idempotent-replayed" not in other.headers


async def test_repeats_that_wait_hold_no_connection_and_the_first_is_not_kept_from_ending(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, neighbour = await platform.tenant(), await platform.tenant("other")
    go_on, create_room = asyncio.Event(), platform.media.create_room

    async def slowly(name: str, **options: Any) -> LiveRoom:
        made = await create_room(name, **options)
        await go_on.wait()
        return made

    monkeypatch.setattr(platform.media, "create_room", slowly)
    asked = [
        asyncio.create_task(tenant.http.post("/rooms", json={"name": "r"}, headers={"Idempotency-Key": "slow"}))
        for _ in range(60)
    ]
    async with asyncio.timeout(60):
        while sum(one.done() for one in asked) < 60 - WAITING - 1:
            await asyncio.sleep(0.02)
    held = 0
    for _ in range(20):
        await asyncio.sleep(0.03)
        async with platform.database.platform() as db:
            held = max(held, await db.scalar(IN_TRANSACTION) or 0)
    assert (await neighbour.http.get("/agents")).status_code == 200
    go_on.set()
    answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {201: WAITING + 1, 409: 60 - WAITING - 1}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 409} == {"1"}
    assert held <= 1, "a repeat waits in a transaction"


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_wrong_idempotency_key_is_refused(platform: Platform, key: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/agents", json={"name": "Robin"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["field"] == "Idempotency-Key"


async def test_who_changed_what_is_written_down(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = (await tenant.http.post("/agents", json={"name": "Robin"})).json()["agent"]
    await tenant.http.get("/agents")
    await tenant.http.delete("/agents/999")
    await tenant.http.delete(f"/agents/{agent['id']}")
    async with platform.database.platform() as db:
        entries = (await db.exec(select(AuditEntry).order_by(AuditEntry.id))).all()  # type: ignore[arg-type]
    assert [(entry.action, entry.target, entry.status) for entry in entries] == [
        ("POST /agents", {}, 201),
        ("DELETE /agents/{agent_id}", {"agent_id": str(agent["id"])}, 200),
    ]


async def test_a_page_of_an_allowed_origin_may_read_answers(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.database.platform() as db:
        tenant.project.allowed_origins = ["https://shop.example"]
        db.add(tenant.project)
    origin = {"Origin": "https://shop.example"}
    asked = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as stranger:
        preflight = await stranger.options("/agents", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
        assert "x-api-key" in preflight.headers["access-control-allow-headers"]
        elsewhere = await stranger.options("/agents", headers=asked | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in elsewhere.headers
    answer = await tenant.http.get("/agents", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    foreign = await tenant.http.get("/agents", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


async def test_a_burst_of_one_account_that_waits_for_its_lock_leaves_connections_to_others(platform: Platform) -> None:
    tenant, other = await platform.tenant("proj"), await platform.tenant("other")
    async with platform.database.platform() as db:
        lock = text("select lock_and_count(:account, 'rooms', now())")
        await db.execute(lock, {"account": tenant.project.account_id})
        burst = [asyncio.create_task(tenant.http.post("/rooms", json={"name": f"r{n}"})) for n in range(40)]
        for _ in range(5):
            async with asyncio.timeout(20):
                assert (await other.http.get("/agents")).status_code == 200
        assert not any(each.done() for each in burst)
    assert {(await each).status_code for each in burst} == {201}
