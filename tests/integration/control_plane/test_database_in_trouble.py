"""PostgreSQL frozen, gone, silent: every caller gets an answer, and what comes back is used at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import psycopg
import pytest

from control_plane.sessions.models import Worker
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import Clone
from tests.support.faulty import FaultyLink
from tests.support.freezing import cluster, frozen
from tests.support.platform import Platform, Tenant
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.anyio

ANSWERED_WITHIN = 20.0
"""What waits for a place in a pool, then for the server, then for a connection."""
BACK_WITHIN = 5.0
READY_WITHIN = 2.0


@pytest.fixture
async def link(postgres: tuple[EmbeddedPostgres, Secrets]) -> AsyncIterator[FaultyLink]:
    """The way to PostgreSQL."""
    async with FaultyLink(postgres[0].known_port) as link:
        yield link


@pytest.fixture
def clone(clone: Clone, link: FaultyLink) -> Clone:
    """The database of the test behind the link."""
    return replace(clone, app=clone.app.replace(f":{link.target}/", f":{link.port}/"))


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    """A project that calls may be made in for as long as the test lasts."""
    await platform.add(Worker(id="test", capacity=1000, seen_at=datetime.now(UTC) + timedelta(hours=1)))
    return await platform.tenant(plan="enterprise")


async def read(tenant: Tenant) -> httpx2.Response:
    return await tenant.http.get("/agents")


async def write(tenant: Tenant) -> httpx2.Response:
    return await tenant.http.post("/agents", json={"name": "Another"})


async def ask_a_token(tenant: Tenant) -> httpx2.Response:
    return await tenant.http.post("/token", json={"identity": "caller", "room": "r"})


ASKED = (read, write, ask_a_token)


async def ready(platform: Platform) -> tuple[int, float]:
    """What it answers, and in which time."""
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client, Stopwatch() as watch:
        answer = await client.get("/health/ready")
        return answer.status_code, watch.seconds


async def everybody_is_refused(platform: Platform, tenant: Tenant, times: int = 12) -> None:
    """More than there are connections ask at once, and each is told to come again."""
    async with Stopwatch() as watch:
        answers = asyncio.gather(*(ask(tenant) for ask in ASKED for _ in range(times)))
        for _ in range(3):
            status, took = await ready(platform)
            assert status == 503
            assert took < READY_WITHIN
        for answer in await answers:
            assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE"), answer.text
            assert int(answer.headers["retry-after"]) >= 1
        assert watch.seconds < ANSWERED_WITHIN


async def everything_is_back(platform: Platform, tenant: Tenant) -> None:
    """Each of them asks until it is served."""
    async with Stopwatch() as watch:
        for ask in ASKED:
            while not (answer := await ask(tenant)).is_success:
                assert answer.status_code == 503, answer.text
                assert watch.seconds < BACK_WITHIN
                await asyncio.sleep(0.05)
        assert watch.seconds < BACK_WITHIN
    # And then for everybody: none of the connections of before is handed out again.
    answers = await asyncio.gather(*(ask(tenant) for ask in ASKED for _ in range(12)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert (await ready(platform))[0] == 200


async def test_while_the_database_is_frozen_callers_are_told_to_come_again(
    platform: Platform, tenant: Tenant, postgres: tuple[EmbeddedPostgres, Secrets]
) -> None:
    await everything_is_back(platform, tenant)
    with frozen(*cluster(postgres[0].data_dir)):
        await everybody_is_refused(platform, tenant)
    await everything_is_back(platform, tenant)


async def test_a_database_that_begins_anew_is_used_at_once(
    platform: Platform, tenant: Tenant, link: FaultyLink
) -> None:
    await everything_is_back(platform, tenant)
    await link.refuse()
    await everybody_is_refused(platform, tenant)
    await link.heal()
    await everything_is_back(platform, tenant)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_database_that_was_away_for_a_minute_is_used_at_once(
    platform: Platform, tenant: Tenant, link: FaultyLink
) -> None:
    await everything_is_back(platform, tenant)
    await link.refuse()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        await everybody_is_refused(platform, tenant, times=1)
        await asyncio.sleep(1)  # an address may ask 600 times a minute
    await link.heal()
    await everything_is_back(platform, tenant)


async def test_a_network_that_swallows_everything_is_noticed_and_its_return_as_well(
    platform: Platform, tenant: Tenant, link: FaultyLink
) -> None:
    await everything_is_back(platform, tenant)
    link.blackhole()
    await everybody_is_refused(platform, tenant)
    await link.heal()
    await everything_is_back(platform, tenant)


async def test_over_a_slow_way_all_is_served_and_a_broken_transaction_is_not_done_by_half(
    platform: Platform, tenant: Tenant, link: FaultyLink
) -> None:
    link.slow(latency=0.01, jitter=0.03)
    answers = await asyncio.gather(*(ask(tenant) for ask in ASKED for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    kept = len((await read(tenant)).json()["agents"])
    for bytes_more in range(200, 4200, 400):
        link.cut_after(bytes_more)
        answer = await write(tenant)
        assert answer.status_code in (201, 503), answer.text
        kept += answer.is_success
        await link.heal()
        link.reset()
        while not (answer := await read(tenant)).is_success:
            assert answer.status_code == 503
        # What was refused may have been kept: an answer is lost as easily as a question. What was confirmed was.
        there = len(answer.json()["agents"])
        assert kept <= there <= kept + 1
        kept = there


@pytest.mark.parametrize("problem", ["disk_full", "io_error", "read_only_sql_transaction"])
async def test_a_database_without_room_is_answered_for_with_503(
    platform: Platform, tenant: Tenant, clone: Clone, problem: str
) -> None:
    assert (await write(tenant)).status_code == 201
    async with await psycopg.AsyncConnection.connect(clone.superuser, autocommit=True) as owner:
        await owner.execute(
            b"create function no_room() returns trigger language plpgsql as "
            + f"$$ begin raise exception 'could not extend file' using errcode = '{problem}'; end $$".encode()
        )
        await owner.execute("create trigger full_disk before insert on persona execute function no_room()")
        refused = await write(tenant)
        assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await read(tenant)).status_code == 200
        await owner.execute("drop trigger full_disk on persona")
    assert (await write(tenant)).status_code == 201


async def test_connections_to_a_server_that_is_no_longer_the_first_are_given_up_at_its_first_word(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    """The same database plays both: whoever connected while it was a standby may only read."""
    await everything_is_back(platform, tenant)
    async with await psycopg.AsyncConnection.connect(clone.superuser, autocommit=True) as owner:
        await owner.execute(f"alter database {clone.name} set default_transaction_read_only = on".encode())
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        answered = set[int]()
        async with asyncio.timeout(BACK_WITHIN):
            while answered != {200}:  # none of the connections that were cut is left
                answered = {each.status_code for each in await asyncio.gather(*(read(tenant) for _ in range(24)))}
        await owner.execute(f"alter database {clone.name} reset default_transaction_read_only".encode())
    one_by_one = [(await ask(tenant)).status_code for ask in ASKED]
    assert one_by_one.count(503) <= 1, one_by_one
    answers = await asyncio.gather(*(ask(tenant) for ask in ASKED for _ in range(12)))
    assert {answer.status_code for answer in answers} <= {200, 201}
