"""Places of workers: as many callers are let in as workers can take, however many ask at once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.sessions.models import SessionJob, Slot, Worker
from tests.support.database import somebody_waits
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

BURST = 100
TAKE = text("select take_places(1, now())")


async def ask(tenant: Tenant, room: str, *, url: str = "") -> httpx2.Response:
    return await tenant.http.post(f"{url}/api/v1/token" if url else "/token", json={"identity": "u", "room": room})


async def heard(fake: FakeWorker, **heartbeat: Any) -> None:
    """A heartbeat that has been taken."""
    await fake.say(type="heartbeat", **heartbeat)
    await fake.exchange("tk_nothing.1", job_id="AJ_nothing")  # answered after it


async def promised(platform: Platform) -> int:
    async with platform.database.platform() as db:
        return len((await db.exec(select(Slot))).all())


async def test_a_burst_is_let_in_up_to_the_last_place_and_the_others_are_told(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker(capacity=7)
    await tenant.make_agent()
    async with platform.second_process() as second:
        urls = [platform.url, second]
        asked = [ask(tenant, f"r{number}", url=urls[number % 2]) for number in range(BURST)]
        answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 7, 503: BURST - 7}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(answer.json()["code"] == "UNAVAILABLE" and answer.headers["retry-after"] == "5" for answer in refused)
    assert await promised(platform) == 7


async def test_a_caller_who_does_not_come_frees_the_place(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker(capacity=1)
    await tenant.make_agent()
    assert [(await ask(tenant, room)).status_code for room in "ab"] == [200, 503]
    async with platform.database.platform() as db:
        await db.exec(update(Slot).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert (await ask(tenant, "b")).status_code == 200


async def test_a_worker_that_died_has_no_places(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.make_agent()
    async with worker(platform):
        assert (await ask(tenant, "one")).status_code == 200

    async def is_refused() -> bool:
        return (await ask(tenant, f"two-{datetime.now(UTC).timestamp()}")).status_code == 503

    await until(is_refused)


async def test_a_worker_that_says_nothing_has_no_places_for_long(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker(capacity=5)
    await tenant.make_agent()
    for silent, status in ((15, 200), (25, 503)):  # the first may be between two connections
        async with platform.database.platform() as db:
            await db.exec(update(Worker).values(seen_at=datetime.now(UTC) - timedelta(seconds=silent)))
        assert (await ask(tenant, f"r{silent}")).status_code == status


async def test_a_worker_that_is_being_stopped_has_no_places_and_takes_none_of_others(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform, capacity=1, name="going") as going:
        job = PersonaJob.model_validate((await going.exchange(await ticket_of(tenant)))["job"])
        await going.report(job, 1, type="call.started.v1")
        async with worker(platform, capacity=1, name="staying"):
            await heard(going, calls=["AJ_1"], capacity=0)
            assert [(await ask(tenant, room)).status_code for room in "ab"] == [200, 503]


async def test_a_worker_that_says_nothing_of_its_places_has_those_of_its_hello(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.make_agent()
    async with worker(platform, capacity=1) as fake:
        await heard(fake, calls=[])
        assert [(await ask(tenant, room)).status_code for room in "ab"] == [200, 503]


async def test_a_call_that_has_ended_frees_its_place_and_one_that_is_to_be_brought_back_does_not(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    async with worker(platform, capacity=1) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        assert (await ask(tenant, "b")).status_code == 503
        async with platform.database.platform() as db:
            at = datetime.now(UTC)
            await db.exec(update(SessionJob).values(ended_at=at, lost_at=at))
            await db.exec(
                update(Slot)
                .where(col(Slot.session_id) == job.session_id)
                .values(promised_until=at + timedelta(minutes=1))
            )
        assert (await ask(tenant, "b")).status_code == 503
        await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=1)
        async with platform.database.platform() as db:
            await db.exec(update(Slot).values(promised_until=None))
        assert (await ask(tenant, "b")).status_code == 200


async def test_where_places_are_plenty_nobody_waits_for_anybody(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.make_agent()
    async with platform.database.platform() as db:
        connections = int((await db.execute(text("show max_connections"))).scalar_one())
    plenty = connections * 16
    await platform.add_worker(capacity=plenty + 2)
    async with platform.database.platform() as db:
        assert await db.scalar(TAKE)
        assert (await ask(tenant, "beside")).status_code == 200
    await platform.add_worker(capacity=plenty)
    async with platform.database.platform() as db:
        assert await db.scalar(TAKE)
        waiting = asyncio.create_task(ask(tenant, "behind"))
        await somebody_waits(db)
        assert not waiting.done()
    assert (await waiting).status_code == 200


async def test_whoever_counts_the_last_places_waits_for_those_who_counted_plenty(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.make_agent()
    async with platform.database.platform() as db:
        connections = int((await db.execute(text("show max_connections"))).scalar_one())
    await platform.add_worker(capacity=connections * 16 + 1)
    async with platform.database.platform() as db:
        assert await db.scalar(TAKE)
        await platform.add_worker(capacity=1)  # meanwhile the others have gone
        waiting = asyncio.create_task(ask(tenant, "last"))
        await somebody_waits(db)
        assert not waiting.done()
    assert (await waiting).status_code == 200
    assert (await ask(tenant, "more")).status_code == 503
