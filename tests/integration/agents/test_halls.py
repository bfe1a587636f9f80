"""Calls that share a process: each is had to its end, and what befalls one befalls no other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.models import scripted_models
from tests.support.bots import Media
from tests.support.workers import Worker, call_worker

pytestmark = pytest.mark.anyio


@pytest.fixture
async def worker(media: Media, tmp_path: Path) -> AsyncIterator[Worker]:
    dense = {"PARLEY_CALLS_PER_PROCESS": "4", "PARLEY_MAX_CALLS": "4", "PARLEY_DRAIN_TIMEOUT": "20"}
    async with (
        scripted_models() as models,
        call_worker(media, tmp_path, models_url=models.url, **dense) as worker,
    ):
        yield worker


async def test_two_calls_of_one_process_are_had_to_their_ends(worker: Worker) -> None:
    one, other = await worker.call(), await worker.call()
    for call in (one, other):
        await call.hears("Hello.")
    assert worker.pid_of(one.job.session_id) == worker.pid_of(other.job.session_id) != worker.pid
    await one.converses("What is one?")
    await other.converses("What is two?")
    assert not any("two" in line for line in one.lines)
    await one.leave()
    assert (await one.ended())["reason"] == "caller_left"
    await other.converses("Are you still there?")
    await worker.plane.end(other.job.session_id)
    assert (await other.ended())["failed"] is False
    await other.is_alone()
    await other.leave()
    assert {"call.started", "line.spoken", "call.ended"} <= set(worker.plane.kinds(other.job))
    assert await worker.stop() == 0
    assert "Traceback" not in worker.said


async def test_a_crash_is_told_for_each_call_and_the_next_is_answered(worker: Worker) -> None:
    calls = [await worker.call() for _ in range(2)]
    for call in calls:
        await call.hears("Hello.")
    (pid,) = {worker.pid_of(call.job.session_id) for call in calls}
    os.kill(pid, signal.SIGSEGV)
    for call in calls:
        ended = await call.ended()
        assert (ended["reason"], ended["failed"]) == ("worker_lost", True)  # which has another persona come
    after = await worker.call()
    await after.hears("Hello.")
    await after.converses("Who is there?")
    assert worker.pid_of(after.job.session_id) != pid
    for call in (*calls, after):
        await call.leave()
    await after.ended()


async def test_a_worker_that_is_stopped_lets_its_calls_finish(worker: Worker) -> None:
    call = await worker.call()
    await call.hears("Hello.")
    hall = worker.pid_of(call.job.session_id)
    worker.send(signal.SIGTERM)
    os.kill(hall, signal.SIGTERM)  # as a service manager does that ends all processes of a service
    await worker.plane.until(lambda: worker.logged("draining"), about=lambda: worker.said[-2000:])
    await call.converses("Are you going?")
    await call.leave()
    assert (await call.ended())["reason"] == "caller_left"
    assert await worker.stop() == 0
    await gone(hall)


async def test_a_hall_does_not_outlive_its_worker(worker: Worker) -> None:
    call = await worker.call()
    await call.hears("Hello.")
    hall = worker.pid_of(call.job.session_id)
    await worker.stop(signal.SIGKILL)
    await call.is_alone()
    await gone(hall)
    await call.leave()


async def gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.05)
