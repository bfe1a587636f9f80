"""Jobs that are slow beside jobs that somebody waits for."""

import asyncio
from typing import Any

import pytest

from control_plane.clock import Clock
from control_plane.jobs.queue import AT_ONCE, JobRunner, enqueue
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
        async with asyncio.timeout(20):
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
    async with asyncio.timeout(20):
        await over.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert done == [2]


async def put(platform: Platform, kind: str, number: int) -> None:
    async with platform.database.platform() as db:
        await enqueue(db, kind, f"{number}", run_at=Clock().now(), number=number)
