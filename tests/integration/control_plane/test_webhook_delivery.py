"""From a fact in the log to a receiver: what arrives, in which order, how often, and what the log says about it."""

import asyncio
import hashlib
import hmac
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from control_plane.clock import Clock
from control_plane.db.leadership import Lock
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.supervisor import loops
from guard.outbound import Outbound
from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Received, Receiver, hang, status
from tests.support.webhooks import deliveries, in_state, make, tell, turn_clock, until

pytestmark = pytest.mark.anyio


async def test_an_event_arrives_as_the_document_shows_it(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    webhook = await make(tenant, receiver.url + "/")
    async with platform.jobs():
        await tell(platform, tenant, Fact.SESSION_STARTED, room="proj_my-room", session_id=42, agent_config_id=3)
        [received] = await receiver.wait_for(1)
    event = received.event
    assert datetime.strptime(event.pop("timestamp"), "%Y-%m-%dT%H:%M:%S.%fZ")
    assert event == {
        "event_type": "session.started",
        "project_id": tenant.project.id,
        "data": {"session_id": 42, "room_name": "proj_my-room", "agent_config_id": 3},
    }
    secret = webhook["secret"]
    legacy = hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["X-Webhook-Signature"] == legacy
    assert received.headers["X-Signature"] == f"sha256={legacy}"
    assert received.headers["Content-Type"] == "application/json"
    assert Webhook(secret).verify(received.body, received.headers)


async def test_a_fact_of_the_api_itself_becomes_a_webhook(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    await make(tenant, receiver.url + "/")
    async with platform.jobs():
        await tenant.http.post("/rooms", json={"name": "r"})
        await tenant.http.delete("/rooms/r")
        [received] = await receiver.wait_for(1)
    assert received.event["event_type"] == "room.finished"
    assert received.event["data"] == {"room_name": "proj_r"}


async def test_first_tries_of_a_room_keep_the_order_of_the_log(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async def slowly(received: Received) -> web.StreamResponse:
        await asyncio.sleep(0.05 if received.event["data"]["number"] % 5 == 0 else 0)
        return web.Response()

    await make(tenant, receiver.answer("/", slowly))
    async with platform.jobs():
        for number in range(40):
            await tell(platform, tenant, Fact.TRACK_PUBLISHED, room=f"proj_{number % 2}", number=number)
        received = await receiver.wait_for(40)
    for room in ("proj_0", "proj_1"):
        numbers = [each.event["data"]["number"] for each in received if each.event["data"]["room_name"] == room]
        assert numbers == sorted(numbers)
        ids = [int(each.headers["webhook-id"]) for each in received if each.event["data"]["room_name"] == room]
        assert ids == sorted(ids)


async def test_an_endpoint_gets_what_it_named_or_the_documented_types(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    await make(tenant, receiver.url + "/all")
    await make(tenant, receiver.url + "/some", events=["session.failed", "room.finished"])
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED, Fact.SESSION_FAILED, Fact.ROOM_FINISHED)
        everything = await receiver.wait_for(2, "/all")
        some = await receiver.wait_for(2, "/some")
    assert [each.event["event_type"] for each in everything] == ["room.started", "room.finished"]
    assert [each.event["event_type"] for each in some] == ["session.failed", "room.finished"]


async def test_another_project_hears_nothing(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    theirs = await platform.tenant("theirs")
    await make(theirs, receiver.url + "/theirs")
    await make(tenant, receiver.url + "/mine")
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await tell(platform, theirs, Fact.ROOM_FINISHED, room="theirs_r")
        [mine] = await receiver.wait_for(1, "/mine")
        [other] = await receiver.wait_for(1, "/theirs")
    assert mine.event["event_type"] == "room.started"
    assert other.event["event_type"] == "room.finished"


async def test_what_was_told_before_there_was_an_endpoint_is_not_sent(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    await tell(platform, tenant, Fact.ROOM_STARTED)
    await make(tenant, receiver.url + "/")
    await tell(platform, tenant, Fact.ROOM_FINISHED)
    async with platform.jobs():
        [received] = await receiver.wait_for(1)
    assert received.event["event_type"] == "room.finished"


async def test_a_failed_delivery_is_tried_again_on_schedule_and_logged(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    clock = turn_clock(platform)
    url = receiver.answer("/", status(500, **{"X-Request-Id": "r-1", "Set-Cookie": "session=1"}))
    webhook = await make(tenant, url)
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await until(in_state(tenant, webhook, "waiting"))
        await receiver.wait_for(1)

        async def tried() -> Any:
            return [each for each in await deliveries(tenant, webhook) if each["attempt_count"]]

        [waiting] = await until(tried)
        clock.ahead += timedelta(seconds=4)  # 5 s less the jitter
        receiver.scripts.clear()
        clock.ahead += timedelta(seconds=2)
        first, second = await receiver.wait_for(2)
        [done] = await until(in_state(tenant, webhook, "delivered"))
    assert waiting["state"] == "waiting"
    assert done["attempt_count"] == 2
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(done["event_id"]) == done["message_id"]
    detail = (await tenant.http.get(f"/deliveries/{done['id']}")).json()["delivery"]
    assert detail["body"].encode() == first.body
    assert [(each["number"], each["status"], each["response"]) for each in detail["attempts"]] == [
        (1, 500, "x\ufffdy"),
        (2, 200, "thank you"),
    ]
    assert detail["attempts"][0]["latency_ms"] > 0
    assert detail["attempts"][0]["response_headers"]["X-Request-Id"] == "r-1"
    assert "Set-Cookie" not in detail["attempts"][0]["response_headers"]
    shown = detail["attempts"][0]["request_headers"]
    assert shown["webhook-id"] == first.headers["webhook-id"]
    assert shown["X-Webhook-Signature"] == "***"
    assert first.headers["X-Webhook-Signature"] not in str(detail)
    assert webhook["secret"] not in str(detail)


async def test_a_delivery_fails_for_good_after_eight_tries(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    clock = turn_clock(platform)
    webhook = await make(tenant, receiver.answer("/", status(404)))
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        for count in range(1, 9):
            await receiver.wait_for(count)

            async def counted(count: int = count) -> bool:
                return (await deliveries(tenant, webhook))[0]["attempt_count"] == count

            await until(counted)
            clock.ahead += timedelta(hours=11, seconds=1)
        [failed] = await until(in_state(tenant, webhook, "failed"))
    assert failed["next_attempt_at"] is None
    assert len(receiver.received) == 8


async def test_a_redirect_is_a_failure_and_not_followed(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    webhook = await make(tenant, receiver.answer("/from", status(307, Location=receiver.url + "/to")))
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await receiver.wait_for(1, "/from")

        async def tried() -> Any:
            return [each for each in await deliveries(tenant, webhook) if each["attempt_count"]]

        [waiting] = await until(tried)
    detail = (await tenant.http.get(f"/deliveries/{waiting['id']}")).json()["delivery"]
    assert waiting["state"] == "waiting"
    assert detail["attempts"][0]["status"] == 307
    assert detail["attempts"][0]["error"] == "redirects are not followed"
    assert receiver.at("/to") == []


async def test_an_endpoint_that_is_gone_is_switched_off_and_told_so(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    gone = await make(tenant, receiver.answer("/gone", status(410)))
    await make(tenant, receiver.url + "/other", events=["webhook.disabled"])
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED, room="proj_a")
        [told] = await receiver.wait_for(1, "/other")
        await tell(platform, tenant, Fact.ROOM_STARTED, room="proj_b")
        await tell(platform, tenant, Fact.WEBHOOK_DISABLED, endpoint_id=0, reason="marker")
        await receiver.wait_for(2, "/other")
    assert told.event["data"] == {"endpoint_id": gone["id"], "reason": "gone"}
    shown = (await tenant.http.get(f"/webhooks/{gone['id']}")).json()["webhook"]
    assert shown["is_active"] is False
    assert shown["disabled_reason"] == "gone"
    assert [each["state"] for each in await deliveries(tenant, gone)] == ["failed"]
    assert len(receiver.at("/gone")) == 1


async def test_five_days_of_failure_switch_an_endpoint_off(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    clock = turn_clock(platform)
    webhook = await make(tenant, receiver.answer("/", status(503)))

    async def shown() -> Any:
        return (await tenant.http.get(f"/webhooks/{webhook['id']}")).json()["webhook"]

    async def failing() -> Any:
        return (await shown())["failing_since"]

    async def switched_off() -> Any:
        return (await shown())["disabled_reason"]

    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED, room="proj_a")
        assert await until(failing)
        clock.ahead += timedelta(days=4, hours=23)
        await receiver.wait_for(2)
        await tell(platform, tenant, Fact.ROOM_STARTED, room="proj_b")
        await receiver.wait_for(3)
        assert (await shown())["is_active"] is True
        clock.ahead += timedelta(hours=2)
        await tell(platform, tenant, Fact.ROOM_STARTED, room="proj_c")
        assert await until(switched_off) == "failing"
        again = await tenant.http.patch(f"/webhooks/{webhook['id']}", json={"is_active": True})
    assert again.json()["webhook"]["disabled_reason"] is None
    assert again.json()["webhook"]["failing_since"] is None


async def test_retry_after_moves_the_next_try(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    webhook = await make(tenant, receiver.answer("/", status(429, **{"Retry-After": "600"})))
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)

        async def tried() -> Any:
            return [each for each in await deliveries(tenant, webhook) if each["attempt_count"]]

        [waiting] = await until(tried)
    pause = datetime.fromisoformat(waiting["next_attempt_at"]) - Clock().now()
    assert timedelta(seconds=580) < pause <= timedelta(seconds=600)


async def test_a_huge_answer_is_read_to_a_cap_only(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    sent = 0

    async def endless(received: Received) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(received.request)
        while sent < 200_000_000:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    webhook = await make(tenant, receiver.answer("/", endless))
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        [done] = await until(in_state(tenant, webhook, "delivered"))
    detail = (await tenant.http.get(f"/deliveries/{done['id']}")).json()["delivery"]
    assert len(detail["attempts"][0]["response"]) == 1024
    assert sent < 20_000_000


async def test_a_hanging_endpoint_does_not_slow_the_others(
    platform: Platform, tenant: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "Outbound", partial(Outbound, timeout=300))  # it hangs for longer than the test takes
    await make(tenant, receiver.answer("/hangs", hang))
    await make(tenant, receiver.url + "/")
    async with platform.jobs():
        for number in range(60):
            await tell(platform, tenant, Fact.ROOM_STARTED, room=f"proj_{number}")
        await receiver.wait_for(60)
    assert 8 <= len(receiver.at("/hangs")) <= 12


async def test_two_jobs_processes_deliver_once(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    webhook = await make(tenant, receiver.url + "/")
    async with platform.jobs(), platform.jobs():
        for number in range(50):
            await tell(platform, tenant, Fact.ROOM_STARTED, room=f"proj_{number % 7}", number=number)
        await until(in_state(tenant, webhook, "delivered", 25))
        await receiver.wait_for(50)
    assert sorted(each.event["data"]["number"] for each in receiver.received) == list(range(50))


async def test_what_was_planned_by_a_process_that_died_is_delivered_by_the_next(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    webhook = await make(tenant, receiver.answer("/", hang))
    async with platform.jobs():
        for number in range(20):
            await tell(platform, tenant, Fact.ROOM_STARTED, number=number)
        await until(in_state(tenant, webhook, "waiting", 20))
        await receiver.wait_for(1)
    receiver.scripts.clear()
    receiver.received.clear()
    async with platform.jobs():
        received = await receiver.wait_for(20)
        await until(in_state(tenant, webhook, "delivered", 20))
    assert [each.event["data"]["number"] for each in received] == list(range(20))


async def test_another_jobs_process_takes_over_where_one_stopped(
    platform: Platform, tenant: Tenant, receiver: Receiver, clone: Clone
) -> None:
    await make(tenant, receiver.url + "/")
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await receiver.wait_for(1)
        async with platform.jobs():
            await tell(platform, tenant, Fact.ROOM_FINISHED)
            await receiver.wait_for(2)
            async with platform.database.platform() as db:
                lock = text("select pid from pg_locks where locktype = 'advisory' and objid = :lock and granted")
                leader = await db.scalar(lock, {"lock": Lock.WEBHOOKS})
            async with await psycopg.AsyncConnection.connect(clone.superuser, autocommit=True) as owner:
                await owner.execute("select pg_terminate_backend(%s)", (leader,))
            await tell(platform, tenant, Fact.ROOM_CREATED, Fact.TRACK_PUBLISHED)
            await receiver.wait_for(3)
    assert [each.event["event_type"] for each in receiver.received] == [
        "room.started",
        "room.finished",
        "track.published",
    ]


async def test_more_than_memory_holds_is_delivered_in_order_from_the_database(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    webhook = await make(tenant, receiver.url + "/")
    async with platform.database.platform() as db:
        for number in range(1200):
            EventLog(db, Clock()).append(
                Fact.ROOM_STARTED, project_id=tenant.project.id, room_name=f"proj_{number % 3}", number=number
            )
            await db.flush()
    async with platform.jobs():
        received = await receiver.wait_for(1200)
        for room in ("proj_0", "proj_1", "proj_2"):
            numbers = [each.event["data"]["number"] for each in received if each.event["data"]["room_name"] == room]
            assert numbers == sorted(numbers)
        assert len(received) == 1200

        async def all_done() -> bool:
            answer = await tenant.http.get(f"/webhooks/{webhook['id']}/deliveries", params={"state": "delivered"})
            return answer.json()["total"] == 1200

        await until(all_done)


async def test_an_endpoint_deleted_during_a_try_harms_nobody(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    release = asyncio.Event()

    async def held(_received: Received) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    doomed = await make(tenant, receiver.answer("/doomed", held))
    other = await make(tenant, receiver.answer("/", held))
    async with platform.jobs():
        await tell(platform, tenant, Fact.ROOM_STARTED)
        await receiver.wait_for(1, "/doomed")
        await receiver.wait_for(1)
        assert (await tenant.http.delete(f"/webhooks/{doomed['id']}")).status_code == 200
        release.set()
        await until(in_state(tenant, other, "delivered"))
