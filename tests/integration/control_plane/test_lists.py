"""Long lists: narrowed by the server, and read on from a row while others are written above it."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.gate.models import AuditEntry
from control_plane.recordings.models import Recording
from control_plane.sessions.models import Session
from control_plane.telephony.models import Call
from control_plane.webhooks.models import WebhookDelivery
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def session(project_id: int, **values: Any) -> Session:
    given: dict[str, Any] = {"room_name": f"proj_r{next(_numbers)}", "status": "completed", "outcome": "ok"}
    given |= {"end_reason": "caller_left", "started_at": BEGIN}
    return Session(project_id=project_id, **(given | values))


def call(project_id: int, **values: Any) -> Call:
    given: dict[str, Any] = {"room_name": "proj_c", "phone_number": "+4930111", "status": "ended", "started_at": BEGIN}
    return Call(project_id=project_id, **(given | values))


def entry(project_id: int, **values: Any) -> AuditEntry:
    given: dict[str, Any] = {"key_id": "key_1", "action": "POST /rooms", "status": 201, "at": BEGIN}
    return AuditEntry(project_id=project_id, **(given | values))


def recording(project_id: int, **values: Any) -> Recording:
    given: dict[str, Any] = {"room_name": "proj_r", "status": "completed", "started_at": BEGIN}
    return Recording(project_id=project_id, **(given | values))


async def delivery(platform: Platform, tenant: Tenant, **values: Any) -> WebhookDelivery:
    shown = (await tenant.http.get("/webhooks")).json()["webhooks"]
    if not shown:
        body = {"url": "http://127.0.0.1:9/", "events": ["room.started"], "is_active": False}
        made = await tenant.http.post("/webhooks", json=body)
        assert made.status_code == 201, made.text
        shown = [made.json()["webhook"]]
    given: dict[str, Any] = {"endpoint_id": shown[0]["id"], "event_type": "room.started", "body": "{}"}
    given |= {"next_at": BEGIN, "created_at": BEGIN, "in_order": False, "state": "delivered"}
    return WebhookDelivery(project_id=tenant.project.id, **(given | values))


async def ids(tenant: Tenant, path: str, **query: Any) -> list[int]:
    answer = await tenant.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in next(rows for rows in answer.json().values() if isinstance(rows, list))]


@pytest.fixture(params=["/sessions", "/sip/calls", "/audit", "/recordings", "deliveries"])
async def listed(request: pytest.FixtureRequest, platform: Platform) -> tuple[Tenant, str, list[int]]:
    """A list with seven rows among those of another project: whose it is, its path, its ids from the newest on."""
    tenant, other = await platform.tenant(), await platform.tenant("other")
    makers = {"/sessions": session, "/sip/calls": call, "/audit": entry, "/recordings": recording}
    rows: list[Any] = []
    for _ in range(7):
        for owner in (tenant, other):
            if request.param == "deliveries":
                row: Any = await delivery(platform, owner)
            else:
                row = makers[request.param](owner.project.id)
            await platform.add(row)
            rows += [row] if owner is tenant else []
    path = f"/webhooks/{rows[0].endpoint_id}/deliveries" if request.param == "deliveries" else request.param
    return tenant, path, [row.id for row in reversed(rows)]


async def test_a_list_is_read_on_from_the_last_row_that_was_seen(listed: tuple[Tenant, str, list[int]]) -> None:
    tenant, path, expected = listed
    found = await ids(tenant, path, per_page=3)
    while len(more := await ids(tenant, path, per_page=3, before_id=found[-1])) > 0:
        found += more
    assert found == expected
    answer = (await tenant.http.get(path, params={"before_id": expected[-1], "per_page": 3})).json()
    assert (answer["total"], answer["page"], answer["total_pages"]) == (7, 1, 3)


async def test_what_is_newer_comes_next_to_what_was_seen(listed: tuple[Tenant, str, list[int]]) -> None:
    tenant, path, expected = listed
    assert await ids(tenant, path, per_page=2, after_id=expected[4]) == expected[2:4]
    assert await ids(tenant, path, after_id=expected[0]) == []
    answer = (await tenant.http.get(path, params={"after_id": expected[4], "per_page": 2})).json()
    assert (answer["total"], answer["page"], answer["total_pages"]) == (7, 1, 4)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"before_id": 3, "after_id": 1}, "after_id"),
        ({"before_id": 3, "page": 2}, "page"),
        ({"after_id": 3, "page": 2}, "page"),
        ({"before_id": 0}, "before_id"),
        ({"after_id": "x"}, "after_id"),
        ({"before_id": 2**53}, "before_id"),
    ],
)
async def test_a_cursor_is_one_row_and_no_page(tenant: Tenant, query: dict[str, Any], field: str) -> None:
    refused = await tenant.http.get("/sessions", params=query)
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST")
    assert refused.json()["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize(
    ("path", "go_on"),
    [
        ("/sessions", "before_id"),
        ("/scenarios", "before_id"),
        ("/meetings", "before_id"),
        ("/account/transactions", "narrow"),
    ],
)
async def test_pages_end_where_cursors_go_on(tenant: Tenant, path: str, go_on: str) -> None:
    for query in ({"page": 101, "per_page": 100}, {"page": 10_001, "per_page": 1}):
        answer = await tenant.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
    for query in ({"page": 102, "per_page": 100}, {"page": 403}, {"page": 10_002, "per_page": 1}):
        refused = await tenant.http.get(path, params=query)
        assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "page")
    assert go_on in (await tenant.http.get(path, params={"page": 1002, "per_page": 10})).text


async def test_sessions_are_narrowed_by_how_they_ended_and_searched(platform: Platform, tenant: Tenant) -> None:
    own = tenant.project.id
    ok = session(own, room_name="proj_sales-1", caller_identity="Ada")
    failed = session(own, room_name="proj_sales_2", outcome="failed", end_reason="model_failed", agent_name="Ada's")
    bot = session(own, room_name="proj_100%", session_type="bot", started_at=BEGIN + timedelta(days=1))
    await platform.add(ok, failed, bot)
    for query, found in (
        ({"outcome": "failed"}, [failed]),
        ({"outcome": "ok"}, [bot, ok]),
        ({"end_reason": "model_failed"}, [failed]),
        ({"session_type": "bot"}, [bot]),
        ({"search": "ada"}, [failed, ok]),
        ({"search": "SALES"}, [failed, ok]),
        ({"search": "sales_"}, [failed]),
        ({"search": "%"}, [bot]),
        ({"search": "proj"}, []),
        ({"search": str(ok.id)}, [row for row in (bot, failed, ok) if row is ok or str(ok.id) in row.room_name]),
        ({"search": f"#{bot.id}"}, [bot]),
        ({"search": "ada", "outcome": "failed", "before_id": failed.id}, []),
        ({"from": "2026-03-02", "search": "100"}, [bot]),
    ):
        assert await ids(tenant, "/sessions", **query) == [row.id for row in found], query


async def test_calls_are_narrowed_by_direction_time_and_number(platform: Platform, tenant: Tenant) -> None:
    own = tenant.project.id
    out = call(own, phone_number="+4930111222", caller_id="+4940999")
    came = call(own, phone_number="+12125550123", direction="inbound", started_at=BEGIN + timedelta(days=1))
    await platform.add(out, came)
    for query, found in (
        ({"direction": "inbound"}, [came]),
        ({"search": "4930"}, [out]),
        ({"search": "+4940999"}, [out]),
        ({"from": "2026-03-02"}, [came]),
        ({"to": "2026-03-01"}, [out]),
        ({"search": "555", "direction": "outbound"}, []),
    ):
        assert await ids(tenant, "/sip/calls", **query) == [row.id for row in found], query


async def test_the_trail_is_narrowed_by_action_key_and_time(platform: Platform, tenant: Tenant) -> None:
    own = tenant.project.id
    made, gone = entry(own), entry(own, action="DELETE /agents/{agent_id}", at=BEGIN + timedelta(days=1))
    else_ = entry(own, key_id="ses_7", action="PATCH /agents/{agent_id}")
    await platform.add(made, gone, else_)
    for query, found in (
        ({"search": "delete"}, [gone]),
        ({"search": "/agents"}, [else_, gone]),
        ({"search": "_id"}, [else_, gone]),
        ({"method": "PATCH"}, [else_]),
        ({"method": "DELETE", "search": "agents"}, [gone]),
        ({"key_id": "ses_7"}, [else_]),
        ({"from": "2026-03-02"}, [gone]),
        ({"to": "2026-03-01T12:00:00Z"}, [else_, made]),
    ):
        assert await ids(tenant, "/audit", **query) == [row.id for row in found], query


async def test_recordings_and_deliveries_are_narrowed_by_time(platform: Platform, tenant: Tenant) -> None:
    own, later = tenant.project.id, BEGIN + timedelta(days=1)
    first, second = recording(own), recording(own, started_at=later)
    sent, again = await delivery(platform, tenant), await delivery(platform, tenant, created_at=later)
    await platform.add(first, second, sent, again)
    for path, early, late in (
        ("/recordings", first.id, second.id),
        (f"/webhooks/{sent.endpoint_id}/deliveries", sent.id, again.id),
    ):
        assert await ids(tenant, path, **{"from": "2026-03-02"}) == [late]
        assert await ids(tenant, path, to="2026-03-01") == [early]


@pytest.mark.parametrize("search", ["", " ", "\x00", "x" * 101])
async def test_a_search_is_some_text(tenant: Tenant, search: str) -> None:
    refused = await tenant.http.get("/sessions", params={"search": search})
    assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "search")
