"""The webhook operations: endpoints, their secrets, tests, redelivery and replay."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from control_plane.events.facts import Fact
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver, status
from tests.support.webhooks import deliveries, in_state, make, tell, turn_clock, until

pytestmark = pytest.mark.anyio


async def test_both_secrets_sign_for_a_day_after_a_rotation(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    clock = turn_clock(platform)
    webhook = await make(tenant, receiver.url + "/")
    rotated = (await tenant.http.post(f"/webhooks/{webhook['id']}/rotate-secret")).json()["webhook"]
    assert rotated["secret"] != webhook["secret"]
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        [first] = await receiver.wait_for(1)
        clock.ahead += timedelta(hours=24, seconds=1)
        await tell(platform, tenant, Fact.ROOM_FINISHED)
        _, second = await receiver.wait_for(2)
    for secret in (webhook["secret"], rotated["secret"]):
        assert Webhook(secret).verify(first.body, first.headers)
    assert len(first.headers["webhook-signature"].split(" ")) == 2
    assert len(second.headers["webhook-signature"].split(" ")) == 1
    stored = await stored_text(platform, "webhook_endpoint")
    assert webhook["secret"] not in stored
    assert rotated["secret"] not in stored


async def stored_text(platform: Platform, table: str) -> str:
    async with platform.database.platform() as db:
        rows = (await db.execute(text(f"select row_to_json(each)::text from {table} each"))).scalars()
        return "\n".join(rows)


async def test_a_redelivery_sends_the_same_message_again(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    webhook = await make(tenant, receiver.url + "/")
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        [done] = await until(in_state(tenant, webhook, "delivered"))
        again = await tenant.http.post(f"/deliveries/{done['id']}/redeliver")
        assert again.status_code == 202
        assert again.json()["delivery"]["redelivery_of"] == done["id"]
        first, second = await receiver.wait_for(2)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_range_of_the_log_is_replayed_in_order(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    webhook = await make(tenant, receiver.url + "/", events=["room.started"])
    async with platform.jobs():
        for number in range(5):
            await tell(platform, tenant, Fact.ROOM_STARTED, Fact.ROOM_FINISHED, number=number)
        received = await receiver.wait_for(5)
        second = int(received[1].headers["webhook-id"])
        answer = await tenant.http.post(f"/webhooks/{webhook['id']}/replay", json={"after_id": second})
        assert answer.status_code == 202
        assert answer.json()["queued"] == 3
        assert answer.json()["complete"] is True
        received = await receiver.wait_for(8)
    assert [each.event["data"]["number"] for each in received[5:]] == [2, 3, 4]


async def test_an_endpoint_that_came_late_is_sent_the_past_by_a_replay(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with platform.jobs():
        await make(tenant, receiver.url + "/first")
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await receiver.wait_for(1, "/first")
        late = await make(tenant, receiver.url + "/late")
        begun = {"from": "2020-01-01T00:00:00Z", "to": "2199-01-01T00:00:00Z"}
        assert (await tenant.http.post(f"/webhooks/{late['id']}/replay", json=begun)).json()["queued"] == 1
        await receiver.wait_for(1, "/late")


async def test_the_test_endpoint_tries_every_active_endpoint_once(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    good = await make(tenant, receiver.url + "/good", events=["room.started"])
    bad = await make(tenant, receiver.answer("/bad", status(500)))
    await make(tenant, receiver.url + "/off", is_active=False)
    answer = await tenant.http.post("/webhooks/test", json={"event_type": "test", "payload": {"hello": "world"}})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is False
    by_id = {result["endpoint_id"]: result for result in body["results"]}
    assert set(by_id) == {good["id"], bad["id"]}
    assert by_id[good["id"]]["status"] == 200
    assert "error" not in by_id[good["id"]]
    assert by_id[bad["id"]]["status"] == 500
    assert by_id[bad["id"]]["error"]
    [received] = receiver.at("/good")
    assert received.event["event_type"] == "test"
    assert received.event["data"] == {"hello": "world"}
    assert Webhook(good["secret"]).verify(received.body, received.headers)
    assert [(each["state"], each["event_id"]) for each in await deliveries(tenant, good)] == [("delivered", None)]
    [failed] = await deliveries(tenant, bad)
    assert (failed["state"], failed["attempt_count"], failed["last_status"]) == ("failed", 1, 500)
    assert failed["last_latency_ms"] > 0
    assert receiver.at("/off") == []


async def test_an_endpoint_that_answers_a_test_with_gone_is_switched_off(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    gone = await make(tenant, receiver.answer("/gone", status(410)))
    await tenant.http.post("/webhooks/test")
    shown = (await tenant.http.get(f"/webhooks/{gone['id']}")).json()["webhook"]
    assert (shown["is_active"], shown["disabled_reason"]) == (False, "gone")


async def test_the_test_endpoint_takes_no_body_and_any_content_type(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    await make(tenant, receiver.url + "/")
    for sent in ({}, {"content": b"", "headers": {"Content-Type": "text/plain"}}, {"data": {"a": "b"}}):
        answer = await tenant.http.post("/webhooks/test", **sent)
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True
    assert [each.event["event_type"] for each in receiver.received] == ["test"] * 3
    wrong = await tenant.http.post("/webhooks/test", json={"event_type": "no.such"})
    assert wrong.status_code == 400
    assert wrong.json()["details"]["fields"][0]["field"] == "event_type"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "https://example.org/x", "events": ["no.such"]}, "events.0"),
        ({"url": "https://example.org/x", "events": []}, "events"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "http://user:word@example.org/"}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": "http://example.org/\x00"}, "url"),
        ({"url": 5}, "url"),
        ({"url": "https://example.org/", "colour": "red"}, "colour"),
        ({}, "url"),
    ],
)
async def test_a_bad_endpoint_is_refused_by_the_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.http.post("/webhooks", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert field in [each["field"] for each in answer.json()["details"]["fields"]]
    assert (await tenant.http.get("/webhooks")).json() == {"webhooks": []}


async def test_an_endpoint_is_read_changed_and_deleted(tenant: Tenant, receiver: Receiver) -> None:
    webhook = await make(tenant, receiver.url, events=["room.started", "room.started"], description="mine")
    assert webhook["secret"].startswith("whsec_")
    assert webhook["events"] == ["room.started"]
    path = f"/webhooks/{webhook['id']}"
    shown = (await tenant.http.get(path)).json()["webhook"]
    assert "secret" not in shown
    assert shown["description"] == "mine"
    changed = (await tenant.http.patch(path, json={"events": None})).json()["webhook"]
    assert changed["events"] is None
    assert changed["url"] == receiver.url
    assert (await tenant.http.patch(path, json={"url": "http://10.1.2.3/"})).status_code == 400
    assert (await tenant.http.patch(path, json={})).status_code == 400
    assert (await tenant.http.delete(path)).json() == {"success": True, "message": "Webhook deleted"}
    assert (await tenant.http.get(path)).status_code == 404


async def test_a_deleted_or_switched_off_endpoint_gets_nothing_more(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    deleted = await make(tenant, receiver.url + "/deleted")
    off = await make(tenant, receiver.url + "/off")
    await make(tenant, receiver.url + "/")
    async with platform.jobs():
        await tenant.http.delete(f"/webhooks/{deleted['id']}")
        await tenant.http.patch(f"/webhooks/{off['id']}", json={"is_active": False})
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await receiver.wait_for(1)
        assert (await tenant.http.post(f"/webhooks/{off['id']}/replay", json={"after_id": 0})).status_code == 409
    assert {each.path for each in receiver.received} == {"/"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/{webhook}"),
        ("PATCH", "/webhooks/{webhook}"),
        ("DELETE", "/webhooks/{webhook}"),
        ("POST", "/webhooks/{webhook}/rotate-secret"),
        ("GET", "/webhooks/{webhook}/deliveries"),
        ("POST", "/webhooks/{webhook}/replay"),
        ("GET", "/deliveries/{delivery}"),
        ("POST", "/deliveries/{delivery}/redeliver"),
    ],
)
async def test_another_projects_webhook_is_forbidden(
    platform: Platform, tenant: Tenant, receiver: Receiver, method: str, path: str
) -> None:
    theirs = await platform.tenant("theirs")
    webhook = await make(theirs, receiver.url + "/canary")
    await theirs.http.post("/webhooks/test")
    [delivery] = await deliveries(theirs, webhook)
    body = {"PATCH": {"is_active": False}, "POST": {"after_id": 0}}.get(method)
    answer = await tenant.http.request(method, path.format(webhook=webhook["id"], delivery=delivery["id"]), json=body)
    assert answer.status_code == 403, answer.text
    assert "canary" not in answer.text
    missing = await tenant.http.request(method, path.format(webhook=999_999, delivery=999_999), json=body)
    assert missing.status_code == 404
    assert (await theirs.http.get(f"/webhooks/{webhook['id']}")).json()["webhook"]["is_active"] is True


async def test_the_plans_number_of_endpoints_is_kept(platform: Platform, receiver: Receiver) -> None:
    tenant = await platform.tenant("small", plan="free")
    answers = await asyncio.gather(*(tenant.http.post("/webhooks", json={"url": receiver.url}) for _ in range(15)))
    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 429]
    assert len(made) + len(refused) == 15
    assert refused
    assert refused[0]["code"] == "QUOTA_EXCEEDED"
    assert refused[0]["details"]["resource"] == "webhook_configs"
    assert refused[0]["details"]["limit"] == len(made)
