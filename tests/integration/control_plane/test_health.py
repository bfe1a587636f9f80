"""`/admin/health`: every part of the installation, by what it tells of itself and whether it answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.health.models import ProcessPulse
from control_plane.health.pulses import Pulse
from control_plane.media.recorder import Egress
from control_plane.media.server import LiveRoom
from control_plane.sessions.models import Worker
from control_plane.supervisor.forgetting import forget
from tests.support.media import FakeMedia
from tests.support.platform import ADMIN_KEY, Platform
from tests.support.statements import statements
from tests.support.stopwatch import Stopwatch
from tests.support.uplink import worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

FIGURES = {
    "kind": "worker",
    "places": 10,
    "taken": 2,
    "draining": False,
    "open_models": [{"service": "llm", "model": "canary-1", "reason": "it cannot be reached", "seconds": 12.5}],
    "spool_reports": 7,
    "parked_reports": 1,
    "disk_free_bytes": 5_000_000_000,
    "knowledge": True,
}


@pytest.fixture
async def operator(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    url, headers = f"{platform.url}/api/v1", {"X-API-Key": ADMIN_KEY}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield client


async def parts_of(operator: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await operator.get("/admin/health")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["parts"])


async def test_a_whole_installation_is_ok(platform: Platform, operator: httpx2.AsyncClient) -> None:
    await platform.add_worker(capacity=7)
    async with platform.jobs():

        async def is_whole() -> bool:
            return bool((await operator.get("/admin/health")).json()["status"] == "ok")

        await until(is_whole)
        parts = await parts_of(operator)
    assert parts["control_planes"] == {"status": "ok", "reason": None, "running": 1, "silent": []}
    assert parts["jobs"]["running"] == 1
    assert set(parts["jobs"]["leaders"]) == {
        "sequencer",
        "sweep",
        "reconcile",
        "webhooks",
        "bring_back",
        "hearing",
        "books",
    }
    assert all(parts["jobs"]["leaders"].values())
    assert (parts["livekit"]["rooms"], parts["egress"]["running"], parts["sip"]["trunks_and_rules"]) == (0, 0, 0)
    assert (parts["bot_hosts"]["status"], parts["knowledge"]["status"]) == ("absent", "absent")


async def test_jobs_that_nobody_does_are_named(platform: Platform, operator: httpx2.AsyncClient) -> None:
    assert (await parts_of(operator))["jobs"]["reason"] == "No jobs process runs"
    await Pulse(platform.database, Clock(), "jobs").beat()
    jobs = (await parts_of(operator))["jobs"]
    assert (jobs["status"], jobs["running"]) == ("degraded", 1)
    assert jobs["reason"].startswith("Nobody does: sequencer")


async def test_a_process_that_went_without_a_word_is_named_for_an_hour(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    async with platform.database.platform() as db:
        for name, age in (("fresh", "5 seconds"), ("gone", "10 minutes"), ("forgotten", "2 hours")):
            insert = "insert into process_pulse values (:id, 'jobs', now() - cast(:age as interval), '{}')"
            await db.execute(text(insert), {"id": name, "age": age})
    jobs = (await parts_of(operator))["jobs"]
    assert (jobs["running"], jobs["silent"]) == (1, ["gone"])


async def test_a_process_that_is_stopped_signs_off(platform: Platform, operator: httpx2.AsyncClient) -> None:
    async with platform.jobs():

        async def is_there() -> bool:
            return bool((await parts_of(operator))["jobs"]["running"] == 1)

        await until(is_there)
    jobs = (await parts_of(operator))["jobs"]
    assert (jobs["running"], jobs["silent"]) == (0, [])


async def test_what_a_worker_tells_with_its_heartbeat_is_shown(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    async with worker(platform) as fake:
        await fake.say(type="heartbeat", calls=[], figures=FIGURES)

        async def is_told() -> bool:
            return bool((await parts_of(operator))["workers"]["spool_reports"] == 7)

        await until(is_told)
        parts = await parts_of(operator)
    workers = parts["workers"]
    assert (workers["connected"], workers["capacity"], workers["places"], workers["taken"]) == (1, 10, 10, 2)
    assert (workers["status"], workers["reason"]) == ("degraded", "Models do not answer: canary-1")
    assert workers["open_models"] == FIGURES["open_models"]
    assert workers["each"][0]["id"] == "w1"
    assert parts["knowledge"] == {"status": "ok", "reason": None}


async def test_what_a_worker_left_on_its_disk_is_shown_after_it_is_gone(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    seen = datetime.now(UTC) - timedelta(minutes=10)
    await platform.add(Worker(id="dead", capacity=10, connected=False, seen_at=seen, figures=FIGURES))
    workers = (await parts_of(operator))["workers"]
    assert (workers["connected"], workers["spool_reports"]) == (0, 7)
    assert [(host["id"], host["connected"]) for host in workers["each"]] == [("dead", False)]


async def test_a_heartbeat_without_figures_is_one_all_the_same(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    async with worker(platform) as fake:
        await fake.say(type="heartbeat", calls=[])

        async def is_told() -> bool:
            workers = (await parts_of(operator))["workers"]
            return (workers["status"], workers["places"]) == ("ok", 10)

        await until(is_told)


async def test_parts_that_do_not_answer_cost_two_seconds_together(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    class Silent(FakeMedia):
        async def list_rooms(self) -> list[LiveRoom]:
            await asyncio.sleep(60)
            return []

    class SilentRecorder:
        async def list_running(self) -> list[Egress]:
            await asyncio.sleep(60)
            return []

    class SilentDialer:
        async def list_ids(self) -> frozenset[str]:
            await asyncio.sleep(60)
            return frozenset()

    state = platform.app.state
    kept = state.media, state.recorder, state.dialer
    state.media, state.recorder, state.dialer = Silent(), SilentRecorder(), SilentDialer()
    try:
        async with Stopwatch() as watch:
            parts = await parts_of(operator)
            assert watch.seconds < 4
    finally:
        state.media, state.recorder, state.dialer = kept
    for part in ("livekit", "egress", "sip"):
        assert (parts[part]["status"], parts[part]["reason"]) == ("unavailable", "It does not answer in time")
    assert parts["database"]["status"] == "ok"


async def test_sip_that_refuses_is_one_part_of_many(platform: Platform, operator: httpx2.AsyncClient) -> None:
    platform.dialer.away = True
    parts = await parts_of(operator)
    assert (parts["sip"]["status"], parts["sip"]["reason"]) == ("unavailable", "no SIP service answers")
    assert parts["livekit"]["status"] == "ok"


async def test_health_asks_the_database_four_things(platform: Platform, operator: httpx2.AsyncClient) -> None:
    await parts_of(operator)
    with statements() as asked:
        await parts_of(operator)
    assert len(asked) <= 4, asked


async def test_a_process_of_yesterday_is_forgotten(platform: Platform) -> None:
    async with platform.database.platform() as db:
        await db.execute(text("delete from process_pulse"))
    old = datetime.now(UTC) - timedelta(days=2)
    await platform.add(ProcessPulse(id="old", kind="serve", seen_at=old))
    await forget(platform.database, Clock())
    async with platform.database.platform() as db:
        assert await db.scalar(text("select count(*) from process_pulse where id = 'old'")) == 0


async def test_taken_places_are_those_of_workers_that_take_calls(
    platform: Platform, operator: httpx2.AsyncClient
) -> None:
    now = datetime.now(UTC)
    for name, told in (("a", {"taken": 2, "draining": True}), ("b", {"taken": 3})):
        figures = FIGURES | {"places": 3, "open_models": [], "parked_reports": 0} | told
        await platform.add(Worker(id=name, capacity=3, seen_at=now, figures=figures))
    workers = (await parts_of(operator))["workers"]
    assert (workers["status"], workers["reason"]) == ("degraded", "All places are taken")
    assert (workers["places"], workers["taken"], workers["draining"], workers["capacity"]) == (3, 3, 1, 6)
