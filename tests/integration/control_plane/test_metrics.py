"""Figures for Prometheus: who may read them, what they count, and what is never in them."""

import re

import httpx2
import pytest

from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.health import backlog
from control_plane.health.pulses import Pulse
from control_plane.jobs.models import Job
from tests.support.platform import ADMIN_KEY, Platform
from tests.support.scraping import Labels, read, value
from tests.support.uplink import lease_watch, ticket_of, watch_for, worker

pytestmark = pytest.mark.anyio

Found = dict[str, dict[Labels, float]]


async def scrape(platform: Platform) -> Found:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        assert answer.status_code == 200, answer.text
        return read(answer.text)


async def test_figures_are_for_the_operator_alone(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        for headers in (
            {},
            {"X-API-Key": tenant.key},
            {"Authorization": "Bearer ak_" + "x" * 40},
            {"Authorization": "Basic whatever"},
        ):
            refused = await client.get("/metrics", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHORIZED")
        for headers in ({"X-API-Key": ADMIN_KEY}, {"Authorization": f"Bearer {ADMIN_KEY}"}):
            answer = await client.get("/metrics", headers=headers)
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert "parley_http_request_duration_seconds_bucket" in answer.text


async def test_requests_are_counted_by_the_template_of_their_route(platform: Platform) -> None:
    tenant = await platform.tenant()
    before = await scrape(platform)
    for name in ("canary-one", "canary-two"):
        assert (await tenant.http.get(f"/rooms/{name}")).status_code == 404
    assert (await tenant.http.get("/rooms/")).status_code == 200  # the slash is dropped on the way in
    assert (await tenant.http.get("/canary-nowhere")).status_code == 404
    assert (await tenant.http.request("TRACE", "/rooms")).status_code == 405
    after = await scrape(platform)

    def counted(method: str, route: str, status: str) -> float:
        name = "parley_http_request_duration_seconds_count"
        of = {"method": method, "route": route, "status": status}
        return value(after, name, **of) - value(before, name, **of)

    rooms = next(
        dict(labels)["route"]
        for labels in after["parley_http_request_duration_seconds_count"]
        if re.fullmatch(r"/api/v1/rooms/\{\w+(:\w+)?\}", dict(labels)["route"])
    )
    assert counted("GET", rooms, "4xx") == 2
    assert counted("GET", "/api/v1/rooms", "2xx") == 1
    assert counted("GET", "none", "4xx") == 1
    assert counted("OTHER", "/api/v1/rooms", "4xx") == 1
    assert "canary" not in str(after)


async def test_tokens_that_are_refused_are_counted_by_their_reason(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    before = await scrape(platform)
    body = {"identity": "caller", "room": "r"}
    assert (await tenant.http.post("/token", json=body | {"agent_config_id": 4711})).status_code == 404
    await tenant.make_agent()
    given = await tenant.http.post("/token", json=body)
    after = await scrape(platform)
    assert given.status_code == 200, given.text
    refusals, dispatches = "parley_token_refusals_total", "parley_dispatch_total"
    assert value(after, refusals, reason="unknown_agent") - value(before, refusals, reason="unknown_agent") == 1
    assert value(after, dispatches, outcome="with_token") - value(before, dispatches, outcome="with_token") == 1


async def test_calls_that_are_opened_refused_and_lost_are_counted(platform: Platform) -> None:
    tenant = await platform.tenant()
    before = await scrape(platform)
    async with worker(platform) as fake:
        await fake.exchange(await ticket_of(tenant))
        await fake.exchange("tk_wrong.1", job_id="AJ_2")
        during = await scrape(platform)
    leases, clock = lease_watch(platform)
    assert await watch_for(leases, clock, 20) == 1
    after = await scrape(platform)
    exchanges = "parley_ticket_exchanges_total"
    for outcome in ("opened", "refused"):
        assert value(during, exchanges, outcome=outcome) - value(before, exchanges, outcome=outcome) == 1
    assert value(during, "parley_uplinks") == 1
    assert value(after, "parley_lease_expired_total") - value(before, "parley_lease_expired_total") == 1


async def test_what_waits_is_shown_by_whoever_watches(platform: Platform) -> None:
    tenant = await platform.tenant()
    pulse = Pulse(platform.database, Clock(), "jobs", watches=True)
    async with platform.database.platform() as db:
        db.add(Event(project_id=tenant.project.id, type="room.created", created_at=Clock().now()))
        await db.flush()
    await platform.add(Job(kind="room.close", key="1", state="failed", run_at=Clock().now()))
    async with worker(platform) as fake:
        await fake.exchange(await ticket_of(tenant))
        await pulse.beat()
    found = await scrape(platform)
    assert value(found, "parley_event_lag_seconds") > 0
    assert value(found, "parley_jobs_failed") == 1
    assert value(found, "parley_calls_active", kind="call") == 1
    assert value(found, "parley_database_up") == 1
    async with platform.database.platform() as db:
        leaders = (await backlog.look(db, Clock().now())).leaders
    assert {name for name, somebody in leaders.items() if somebody} == {"hearing"}
