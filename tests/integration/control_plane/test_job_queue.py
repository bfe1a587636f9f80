"""Jobs that are slow beside jobs that somebody waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.jobs.models import Job, JobState
from control_plane.jobs.queue import (
    AT_ONCE,
    MAX_ATTEMPTS,
    Handler,
    JobRunner,
    Tally,
    enqueue,
    tally,
    waits_for,
)
from tests.support.calls import until
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_a_job_that_takes_its_time_keeps_none_waiting_that_comes_later(platform: Platform) -> None:
    slow, quick = asyncio.Event(), asyncio.Event()
    began = asyncio.Event()

    async def take_time(_: dict[str, Any]) -> None:
        began.set()
        await slow.wait()

    async def be_quick(_: dict[str, Any]) -> None:
        quick.set()

    runner = JobRunner(platform.database, Clock(), {"slow": take_time, "quick": be_quick})
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(60):
            for number in range(AT_ONCE - 1):
                await put(platform, "slow", number)
            await began.wait()
            await put(platform, "quick", 1)
            await quick.wait()
        assert not slow.is_set()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_runner_leaves_jobs_of_other_kinds_to_others(platform: Platform) -> None:
    done: list[int] = []
    over = asyncio.Event()

    async def note(payload: dict[str, Any]) -> None:
        done.append(payload["number"])
        over.set()

    await put(platform, "other", 1)
    await put(platform, "mine", 2)
    running = asyncio.create_task(JobRunner(platform.database, Clock(), {"mine": note}).run())
    async with asyncio.timeout(60):
        await over.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert done == [2]


async def test_what_is_away_for_hours_costs_a_job_no_attempt(platform: Platform) -> None:
    clock, asked = SteppedClock(), Asked()
    asked.problem = Unavailable("LiveKit is away")
    await put(platform, "ask", 7, clock)
    async with running(platform, clock, {"ask": asked}):
        for hours in range(3 * MAX_ATTEMPTS):
            await asked.times(hours + 1)
            clock.step(hours=0.5)
        job = await waiting(platform)
        assert (job.attempts, job.error) == (0, "LiveKit is away")
        # And then it has all of its attempts.
        asked.problem = ValueError("nonsense")
        for attempt in range(MAX_ATTEMPTS):
            await asked.times(3 * MAX_ATTEMPTS + attempt + 1)
            clock.step(minutes=10)
        await until(partial(failed, platform), 1)
    assert [payload == {"number": 7} for payload in asked.payloads] == [True] * len(asked.payloads)


async def test_what_is_away_for_a_day_is_given_up_and_counted(platform: Platform) -> None:
    clock, asked = SteppedClock(), Asked()
    asked.problem = Unavailable("LiveKit is away")
    await put(platform, "ask", 7, clock)
    async with running(platform, clock, {"ask": asked}):
        await asked.times(1)
        await until(partial(is_waiting, platform), True)
        clock.step(hours=25)
        await until(partial(failed, platform), 1)
    async with platform.database.platform() as db:
        assert await tally(db, clock.now()) == Tally(failed=1, due=0, behind=0.0)


@given(st.timedeltas(timedelta(0), timedelta(days=2)))
def test_something_that_is_away_is_asked_for_each_minute_at_most(away: timedelta) -> None:
    assert timedelta(seconds=1) <= waits_for(away) <= timedelta(seconds=60)
    assert waits_for(away) >= min(away, timedelta(seconds=60))


async def test_a_process_that_ends_gives_back_what_it_has_begun(platform: Platform) -> None:
    clock, never = SteppedClock(), asyncio.Event()
    began = asyncio.Event()

    async def go_on(_: dict[str, Any]) -> None:
        began.set()
        await never.wait()

    await put(platform, "long", 1, clock)
    async with running(platform, clock, {"long": go_on}):
        await began.wait()
    job = await waiting(platform)
    assert (job.attempts, job.lease_until) == (0, None)
    again = Asked()
    async with running(platform, clock, {"long": again}):
        await again.times(1)


async def test_a_process_whose_clock_is_ahead_leaves_others_their_work(platform: Platform) -> None:
    clock, asked, late = SteppedClock(), Asked(), Asked()
    asked.holds = asyncio.Event()
    await put(platform, "ask", 1, clock)
    ahead = SteppedClock()
    ahead.jump(minutes=10)
    async with running(platform, clock, {"ask": asked}):
        await asked.times(1)
        async with running(platform, ahead, {"ask": late, "other": late}):
            await put(platform, "other", 2, clock)
            await late.times(1)
            assert late.payloads == [{"number": 2}]
        asked.holds.set()


class Asked:
    """A handler that counts, and raises what it is to raise."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.problem: Exception | None = None
        self.holds: asyncio.Event | None = None
        self._asked = asyncio.Condition()

    async def __call__(self, payload: dict[str, Any]) -> None:
        async with self._asked:
            self.payloads.append(payload)
            self._asked.notify_all()
        if self.holds is not None:
            await self.holds.wait()
        if self.problem is not None:
            raise self.problem

    async def times(self, count: int) -> None:
        async with asyncio.timeout(60), self._asked:
            await self._asked.wait_for(lambda: len(self.payloads) >= count)


@asynccontextmanager
async def running(platform: Platform, clock: Clock, handlers: dict[str, Handler]) -> AsyncIterator[None]:
    """A process that works jobs off."""
    task = asyncio.create_task(JobRunner(platform.database, clock, handlers).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def waiting(platform: Platform) -> Job:
    """The one job, once it waits."""
    await until(partial(is_waiting, platform), True)
    async with platform.database.platform() as db:
        return (await db.exec(select(Job))).one()


async def is_waiting(platform: Platform) -> bool:
    async with platform.database.platform() as db:
        return (await db.exec(select(Job.state))).one() == JobState.WAITING


async def failed(platform: Platform) -> int:
    async with platform.database.platform() as db:
        return (await tally(db, Clock().now())).failed


async def put(platform: Platform, kind: str, number: int, clock: Clock | None = None) -> None:
    async with platform.database.platform() as db:
        await enqueue(db, kind, f"{number}", run_at=(clock or Clock()).now(), number=number)
