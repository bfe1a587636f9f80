"""A worker's connection broken in every way: what was said is there once, in order, whatever the network did."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.calling import PersonaJob
from agents.contract import Exchange
from agents.spool import Spool
from agents.uplink import Uplink
from tests.support.faulty import FaultyLink
from tests.support.platform import WORKER_TOKEN, Platform, Tenant
from tests.support.uplink import lease_watch, ticket_of, watch_for
from tests.support.uplink_client import submission_of, uplink_to

pytestmark = pytest.mark.anyio

LINES = 60


class Line:
    """A call whose reports go through a spool and an uplink, as a worker's do."""

    def __init__(self, spool: Spool, uplink: Uplink, job: PersonaJob) -> None:
        self.spool, self.uplink, self.job, self.said = spool, uplink, job, 0

    async def report(self, **report: Any) -> None:
        self.said += 1
        submission = submission_of(self.job, self.said, **report)
        assert await asyncio.to_thread(self.spool.keep, submission)
        await self.uplink.submit(submission)

    async def say(self, number: int) -> None:
        await self.report(type="line.spoken.v1", speaker="user", text=f"line {number}", timestamp_ms=number * 10)

    async def all_arrived(self) -> None:
        async with asyncio.timeout(60):
            while self.spool.count():
                await asyncio.sleep(0.02)


@pytest.fixture
async def link(platform: Platform) -> AsyncIterator[FaultyLink]:
    """The way from the worker to the control plane."""
    async with FaultyLink(platform.settings.port) as link:
        yield link


@asynccontextmanager
async def talking(platform: Platform, tenant: Tenant, link: FaultyLink, folder: Path) -> AsyncIterator[Line]:
    """A call that has started."""
    spool = Spool(folder)
    async with uplink_to(link.port, spool, token=WORKER_TOKEN, calls=lambda: ["AJ_1"]) as uplink:
        ticket = await ticket_of(tenant)
        async with asyncio.timeout(30):
            job = await uplink.exchange(Exchange(ticket=ticket, job_id="AJ_1", room_name="proj_r", room_sid=""))
        line = Line(spool, uplink, job)
        await line.report(type="call.started.v1")
        yield line
    spool.close()


async def transcript(tenant: Tenant, job: PersonaJob) -> list[str]:
    answer = await tenant.http.get(f"/sessions/{job.session_id}/transcript")
    return [entry["content"] for entry in answer.json()["transcripts"]]


async def reset(link: FaultyLink, _: int) -> None:
    link.reset()


async def half_close_up(link: FaultyLink, _: int) -> None:
    link.half_close("up")


async def half_close_down(link: FaultyLink, _: int) -> None:
    link.half_close("down")


async def cut_in_a_message(link: FaultyLink, number: int) -> None:
    await link.heal()
    link.cut_after(50 + 37 * number % 400)


async def refuse_for_a_moment(link: FaultyLink, _: int) -> None:
    await link.refuse()
    await asyncio.sleep(0.05)
    await link.heal()


Fault = Callable[[FaultyLink, int], Awaitable[None]]


@pytest.mark.parametrize("fault", [reset, half_close_up, half_close_down, cut_in_a_message, refuse_for_a_moment])
async def test_lines_are_there_once_and_in_order_whatever_breaks(
    platform: Platform, tenant: Tenant, link: FaultyLink, tmp_path: Path, fault: Fault
) -> None:
    async with talking(platform, tenant, link, tmp_path) as line:
        for number in range(LINES):
            await line.say(number)
            if number % 10 == 5:
                await fault(link, number)
        await link.heal()
        await line.all_arrived()
        assert await transcript(tenant, line.job) == [f"line {number}" for number in range(LINES)]
        await line.report(type="call.ended.v1", reason="caller_left", duration_ms=1000)
        await line.all_arrived()
    assert link.connections > 1
    detail = (await tenant.http.get(f"/sessions/{line.job.session_id}/detail")).json()["session"]
    assert (detail["status"], detail["outcome"]) == ("completed", "ok")
    assert list(tmp_path.glob("*.spool")) == []


async def test_a_slow_and_narrow_way_loses_and_doubles_nothing(
    platform: Platform, tenant: Tenant, link: FaultyLink, tmp_path: Path
) -> None:
    link.slow(latency=0.05, jitter=0.1, rate=20_000)
    async with talking(platform, tenant, link, tmp_path) as line:
        for number in range(LINES):
            await line.say(number)
        await line.all_arrived()
        assert await transcript(tenant, line.job) == [f"line {number}" for number in range(LINES)]


async def test_a_silence_of_ten_seconds_ends_no_call(
    platform: Platform, tenant: Tenant, link: FaultyLink, tmp_path: Path
) -> None:
    leases, clock = lease_watch(platform)
    async with talking(platform, tenant, link, tmp_path) as line:
        await line.all_arrived()
        assert await leases.sweep() == 0
        link.blackhole()
        for number in range(LINES):
            await line.say(number)
            await asyncio.sleep(10 / LINES)
        assert await watch_for(leases, clock, 10) == 0
        assert await transcript(tenant, line.job) == []
        began = time.monotonic()
        await link.heal()
        await line.all_arrived()
        assert time.monotonic() - began < 20
        assert await watch_for(leases, clock, 2) == 0
        assert await transcript(tenant, line.job) == [f"line {number}" for number in range(LINES)]
