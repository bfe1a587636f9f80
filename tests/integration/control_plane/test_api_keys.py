"""API keys: shown once, confined by scopes, gone at once."""

import asyncio
import json
import re
from typing import Any, NamedTuple

import httpx2
import pytest

from control_plane.api import MEETING_BAAS, PRIMARY
from control_plane.auth.scopes import AREAS, SCOPES
from control_plane.gate.operation import Operation
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

NOBODY = str(10**9)
"""Fills every parameter of a path: an id or a name of nothing."""


async def make_key(tenant: Tenant, **body: object) -> dict[str, Any]:
    answer = await tenant.http.post("/api-keys", json={"label": "second"} | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["api_key"])


def header(key: dict[str, Any]) -> dict[str, str]:
    return {"X-API-Key": key["key"]}


async def test_a_key_and_its_secret_are_shown_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_key(tenant, scopes=["rooms:read", "rooms:read"], expires_at="2099-01-01T00:00:00+01:00")
    assert made["key"].startswith("pk_")
    assert made["secret"].startswith("sk_")
    assert (made["scopes"], made["expires_at"]) == (["rooms:read"], "2098-12-31T23:00:00Z")
    listed = await tenant.http.get("/api-keys")
    read = await tenant.http.get(f"/api-keys/{made['id']}")
    for answer in (listed, read):
        assert made["key"] not in answer.text
        assert made["secret"] not in answer.text
    assert [key["label"] for key in listed.json()["api_keys"]] == ["second", "test"]
    assert read.json()["api_key"] == {name: made[name] for name in made if name not in ("key", "secret")}


async def test_a_key_of_another_own_project_sees_that_project(platform: Platform) -> None:
    tenant = await platform.tenant()
    project = (await tenant.http.post("/projects", json={"name": "n", "slug": "second"})).json()["project"]
    key = await make_key(tenant, project_id=project["id"])
    made = await tenant.http.post("/rooms", json={"name": "r"}, headers=header(key))
    assert made.json()["room"]["fullName"] == "second_r"
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"label": ""}, 400),
        ({"label": "a", "scopes": []}, 400),
        ({"label": "a", "scopes": ["rooms"]}, 400),
        ({"label": "a", "scopes": ["rooms:delete"]}, 400),
        ({"label": "a", "scopes": ["everything:read"]}, 400),
        ({"label": "a", "scopes": ["\ud800"]}, 400),
        ({"label": "a", "scopes": "*"}, 400),
        ({"label": "a", "expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"label": "a", "expires_at": "tomorrow"}, 400),
        ({"label": "a", "expires_at": 10**30}, 400),
        ({"label": "a", "project_id": 0}, 400),
        ({"label": "a", "project_id": 2**63}, 400),
        ({"label": "a", "project_id": 10**9}, 404),
        ({"label": "a", "secret": "sk_mine"}, 400),
    ],
)
async def test_a_wrong_key_request_makes_no_key(platform: Platform, body: dict[str, object], status: int) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/api-keys", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert len((await tenant.http.get("/api-keys")).json()["api_keys"]) == 1


async def test_label_scopes_and_expiry_can_be_changed_and_count_at_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant, expires_at="2099-01-01T00:00:00Z")
    assert (await tenant.http.post("/agents", json={"name": "n"}, headers=header(key))).status_code == 201
    change = {"label": "reader", "scopes": ["read"], "expires_at": None}
    changed = (await tenant.http.patch(f"/api-keys/{key['id']}", json=change)).json()["api_key"]
    assert {name: changed[name] for name in change} == change
    refused = await tenant.http.post("/agents", json={"name": "n"}, headers=header(key))
    assert (refused.status_code, refused.json()["details"]) == (403, {"scope": "agents:write"})
    assert (await tenant.http.get("/agents", headers=header(key))).status_code == 200
    relabelled = await tenant.http.patch(f"/api-keys/{key['id']}", json={"label": "other"})
    assert relabelled.json()["api_key"]["scopes"] == ["read"]


@pytest.mark.parametrize("body", [{}, {"scopes": None}, {"scopes": []}, {"label": None}, {"key": "pk_mine"}])
async def test_a_wrong_change_of_a_key_is_refused(platform: Platform, body: dict[str, object]) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    assert (await tenant.http.patch(f"/api-keys/{key['id']}", json=body)).status_code == 400


async def test_a_key_that_expired_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    past = await tenant.http.patch(f"/api-keys/{key['id']}", json={"expires_at": "2001-01-01T00:00:00Z"})
    assert past.status_code == 400
    assert (await tenant.http.get("/agents", headers=header(key))).status_code == 200


async def test_a_key_can_revoke_itself_and_stays_revoked(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    path = f"/api-keys/{key['id']}"
    assert (await tenant.http.delete(path, headers=header(key))).status_code == 200
    assert (await tenant.http.get("/agents", headers=header(key))).status_code == 401
    revoked = (await tenant.http.get(path)).json()["api_key"]["revoked_at"]
    assert (await tenant.http.delete(path)).status_code == 200
    assert (await tenant.http.get(path)).json()["api_key"]["revoked_at"] == revoked
    assert (await tenant.http.patch(path, json={"label": "again"})).status_code == 409


async def test_a_key_revoked_in_one_process_is_refused_in_the_other(platform: Platform) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant)
    async with (
        platform.second_process() as url,
        httpx2.AsyncClient(base_url=url, headers=header(key), timeout=30) as elsewhere,
    ):
        assert (await elsewhere.get("/api/v1/agents")).status_code == 200
        await tenant.http.delete(f"/api-keys/{key['id']}")
        assert (await elsewhere.get("/api/v1/agents")).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_accounts_key_is_forbidden(platform: Platform, method: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    key = await make_key(theirs, label="Canary")
    body = {"label": "Taken"} if method == "PATCH" else None
    foreign = await mine.http.request(method, f"/api-keys/{key['id']}", json=body)
    assert foreign.status_code == 403
    assert "Canary" not in foreign.text
    assert (await mine.http.request(method, f"/api-keys/{NOBODY}", json=body)).status_code == 404
    assert (await mine.http.post("/api-keys", json={"label": "a", "project_id": theirs.project.id})).status_code == 403
    assert (await theirs.http.get("/agents", headers=header(key))).status_code == 200


@pytest.mark.parametrize(
    ("own", "wanted", "status"),
    [
        (["*"], ["*"], 201),
        (["*"], ["write", "rooms:read"], 201),
        (["write"], ["read", "sip:write"], 201),
        (["write"], ["*"], 403),
        (["api-keys:write"], ["api-keys:read"], 201),
        (["api-keys:write"], ["read"], 403),
        (["api-keys:write", "rooms:read"], ["rooms:read"], 201),
        (["api-keys:write", "rooms:read"], ["rooms:read", "rooms:write"], 403),
        (["api-keys:write", "rooms:write"], ["rooms:read"], 201),
    ],
)
async def test_a_key_makes_no_key_that_may_do_more(
    platform: Platform, own: list[str], wanted: list[str], status: int
) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant, scopes=own)
    answer = await tenant.http.post("/api-keys", json={"label": "a", "scopes": wanted}, headers=header(key))
    assert answer.status_code == status, answer.text


async def test_a_key_widens_neither_itself_nor_the_life_of_one_that_may_do_more(platform: Platform) -> None:
    tenant = await platform.tenant()
    full = await make_key(tenant, expires_at="2098-01-01T00:00:00Z")
    small = await make_key(tenant, scopes=["api-keys:write"])
    refused = [
        (small["id"], {"scopes": ["*"]}),
        (small["id"], {"scopes": ["api-keys:write", "rooms:read"]}),
        (full["id"], {"expires_at": None}),
    ]
    for number, change in refused:
        answer = await tenant.http.patch(f"/api-keys/{number}", json=change, headers=header(small))
        assert answer.status_code == 403, change
    narrowed = await tenant.http.patch(
        f"/api-keys/{full['id']}", json={"scopes": ["api-keys:read"]}, headers=header(small)
    )
    assert narrowed.status_code == 200


async def test_a_key_that_ends_makes_none_that_lasts_longer(platform: Platform) -> None:
    tenant = await platform.tenant()
    key, other = await make_key(tenant, expires_at="2098-01-01T00:00:00Z"), await make_key(tenant)
    tries = [(None, 403), ("2098-01-01T00:00:01Z", 403), ("2098-01-01T00:00:00Z", 201), ("2097-01-01T00:00:00Z", 201)]
    for wanted, status in tries:
        answer = await tenant.http.post("/api-keys", json={"label": "a", "expires_at": wanted}, headers=header(key))
        assert answer.status_code == status, (wanted, answer.text)
    for number in (key["id"], other["id"]):
        for change, status in (({"expires_at": None}, 403), ({"expires_at": "2099-01-01T00:00:00Z"}, 403)):
            answer = await tenant.http.patch(f"/api-keys/{number}", json=change, headers=header(key))
            assert answer.status_code == status, (change, answer.text)
            assert answer.json()["details"] == {"expires_at": "2098-01-01T00:00:00Z"}
        named = await tenant.http.patch(f"/api-keys/{number}", json={"label": "b"}, headers=header(key))
        assert named.status_code == 200
    sooner = {"expires_at": "2096-01-01T00:00:00Z"}
    ended = await tenant.http.patch(f"/api-keys/{key['id']}", json=sooner, headers=header(key))
    assert ended.status_code == 200


async def test_where_the_keys_of_bots_are_shown_is_named_by_keys_that_may_do_all(platform: Platform) -> None:
    tenant = await platform.tenant()
    url = {"meeting_baas_webhook_url": "https://example.com/hook"}
    for scopes, status in ((["account:write"], 403), (["write"], 403), (["*"], 200)):
        key = await make_key(tenant, scopes=scopes)
        answer = await tenant.http.patch("/account", json=url, headers=header(key))
        assert answer.status_code == status, (scopes, answer.text)
        if status == 403:
            assert answer.json()["details"] == {"scope": "*"}
            renamed = await tenant.http.patch("/account", json={"name": "Ada"}, headers=header(key))
            assert renamed.status_code == 200
            assert renamed.json()["account"]["meeting_baas_webhook_url"] is None


async def test_each_keys_last_use_is_written_as_its_own(platform: Platform) -> None:
    tenant = await platform.tenant()
    first, second = await make_key(tenant), await make_key(tenant)

    async def last_uses() -> list[str | None]:
        return [
            (await tenant.http.get(f"/api-keys/{key['id']}")).json()["api_key"]["last_used_at"]
            for key in (first, second)
        ]

    assert await last_uses() == [None, None]
    await tenant.http.get("/agents", headers=header(first))
    async with asyncio.timeout(60):
        while (uses := await last_uses())[0] is None:
            await asyncio.sleep(0.1)
    assert uses[1] is None
    await tenant.http.get("/agents", headers=header(second))
    await platform.app.state.keys.write_use()
    later = await last_uses()
    assert later[0] == uses[0]
    assert later[1] is not None


class Asked(NamedTuple):
    """An operation, as a customer sees it; a route itself is too large to be shown when an assertion fails."""

    method: str
    path: str
    area: str
    writes: bool


OPERATIONS = [
    Asked(next(iter((route.methods or set()) - {"HEAD"})), route.path, route.area, route.writes)
    for router in (*PRIMARY, *MEETING_BAAS)
    for route in router.routes
    if isinstance(route, Operation)
]


OF_TWO_AREAS = {"/api/v1/overview", "/api/v1/sessions/{session_id}/share"}
"""What they answer with is of another area, too: a scope of one alone does not open them."""


def test_every_operation_has_an_area_that_a_scope_can_name() -> None:
    assert {asked.area for asked in OPERATIONS} == set(AREAS)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_can_do_what_its_scope_says_and_nothing_else(platform: Platform, scope: str) -> None:
    tenant = await platform.tenant()
    key = await make_key(tenant, scopes=[scope])
    area, _, use = scope.rpartition(":")
    for asked in OPERATIONS:
        path = re.sub(r"{[^}]*}", NOBODY, asked.path)
        answer = await tenant.http.request(asked.method, f"{platform.url}{path}", headers=header(key))
        lacks = answer.status_code == 403 and "scope" in answer.json().get("details", {})
        may = use == "*" or (area in ("", asked.area) and (use == "write" or not asked.writes))
        may = may and not (area and asked.path in OF_TWO_AREAS)
        assert lacks is not may, (asked, answer.text)
        assert answer.status_code < 500 or answer.status_code == 503, (asked, answer.text)
