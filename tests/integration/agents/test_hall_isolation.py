"""What one call of a hall does to the others: nothing, as long as the process stands; then all are told as lost."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from livekit.agents.ipc.job_executor import JobStatus
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent, models

from agents.halls import seat as seats
from agents.halls.pool import HallPool, Plan
from tests.support import hall_jobs

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """Halls of these tests listen to nobody: they need no weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
        multiprocessing.get_context("forkserver").set_forkserver_preload(["agents.halls.hall"])
        yield


class Halls:
    """A pool, and calls in it."""

    def __init__(self, folder: Path, places: int, calls: int, **plan: int) -> None:
        self.folder = folder
        framework: Any = SimpleNamespace(
            _target_idle_processes=1,
            _initialize_timeout=60,
            _close_timeout=0.2,
            _session_end_timeout=5,
            _http_proxy=None,
            _initialize_process_fnc=hall_jobs.prepare,
            _job_entrypoint_fnc=hall_jobs.entrypoint,
            _mp_ctx=multiprocessing.get_context("forkserver"),
        )
        self.pool = HallPool(Plan(places, calls, hall_jobs.share, **plan), framework)
        self.over: list[tuple[str, JobStatus]] = []
        self.pool.on("process_closed", lambda seat: self.over.append((seat.running_job.job.id, seat.status)))

    async def call(self, does: str = "nothing", **told: Any) -> str:
        """Begin a call that does something; its job's id."""
        job_id = f"AJ_{uuid4().hex[:8]}"
        metadata = json.dumps({"does": does, "folder": str(self.folder)} | told)
        job = agent.Job(id=job_id, room=models.Room(name="r"), metadata=metadata)
        arguments = JobAcceptArguments(name="", identity="agent-1", metadata="")
        info = RunningJobInfo(arguments, job, url="", token="", worker_id="w", fake_job=True)
        await self.pool.launch_job(info)
        await until(lambda: self._file(job_id, "began").exists() and self._file(job_id, "began").read_text() != "")
        return job_id

    def pid_of(self, job_id: str) -> int:
        """Of its hall."""
        return int(self._file(job_id, "began").read_text())

    def end(self, job_id: str) -> None:
        """Let a call be over."""
        self._file(job_id, "end").touch()

    async def lives(self, job_id: str) -> None:
        """Until a call has done something more."""
        before = self._beats(job_id)
        await until(lambda: self._beats(job_id) > before + 1)

    async def is_over(self, job_id: str) -> JobStatus:
        """How a call was over."""
        await until(lambda: any(who == job_id for who, _ in self.over))
        return next(how for who, how in self.over if who == job_id)

    def _file(self, job_id: str, name: str) -> Path:
        return self.folder / f"{job_id}.{name}"

    def _beats(self, job_id: str) -> int:
        file = self._file(job_id, "beats")
        return int(file.read_text() or 0) if file.exists() else 0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not true():
            await asyncio.sleep(0.02)


@pytest.fixture
async def halls(tmp_path: Path) -> AsyncIterator[Halls]:
    made = Halls(tmp_path, places=4, calls=4)
    await made.pool.start()
    yield made
    await made.pool.aclose()


@pytest.mark.parametrize("does", ["fail", "leave_early", "leave_early_aside"])
async def test_a_call_with_a_fault_is_over_and_the_others_go_on(halls: Halls, does: str) -> None:
    good = await halls.call()
    bad = await halls.call(does)
    if does == "leave_early_aside":
        halls.end(bad)
    await halls.is_over(bad)
    await halls.lives(good)
    assert halls.pid_of(good) == halls.pid_of(bad) == halls.pid_of(await halls.call())
    halls.end(good)
    assert await halls.is_over(good) == JobStatus.SUCCESS


async def test_what_a_call_leaves_running_is_ended_with_it(halls: Halls) -> None:
    good, bad = await halls.call(), await halls.call("forget")
    await halls.is_over(bad)
    assert (halls.folder / "forgotten").read_text() == "ended"
    await halls.lives(good)


@pytest.mark.parametrize("does", ["crash", "vanish", "panic"])
async def test_a_crash_loses_all_calls_of_a_hall_and_another_is_open_at_once(halls: Halls, does: str) -> None:
    one, other = await halls.call(), await halls.call()
    bad = await halls.call(does)
    for each in (one, other, bad):
        assert await halls.is_over(each) == JobStatus.FAILED
    assert halls.pool.processes == []
    after = await halls.call()
    assert halls.pid_of(after) != halls.pid_of(one)
    await halls.lives(after)


async def test_a_hall_that_is_stuck_takes_no_more_calls_and_is_killed(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "STUCK", 4.0)
    good = await halls.call()
    bad = await halls.call("block")
    await until(lambda: not any(hall.is_well for hall in halls.pool._halls))
    elsewhere = await halls.call()
    assert halls.pid_of(elsewhere) != halls.pid_of(good)
    for each in (good, bad):
        assert await halls.is_over(each) == JobStatus.FAILED
    await halls.lives(elsewhere)


async def test_a_call_is_ended_alone_whatever_it_does(halls: Halls) -> None:
    good, bad = await halls.call(), await halls.call()
    assert halls.pool.evict(bad)
    assert await halls.is_over(bad) == JobStatus.FAILED
    await halls.lives(good)
    assert not halls.pool.evict("AJ_nobody")


async def test_a_call_that_cannot_be_ended_alone_takes_its_hall_with_it(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "EVICTED_WITHIN", 0.2)
    good, bad = await halls.call(), await halls.call("stay")
    assert halls.pool.evict(bad)
    for each in (good, bad):
        assert await halls.is_over(each) == JobStatus.FAILED


async def test_who_is_sent_away_while_entering_a_room_takes_nobody_along(halls: Halls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        good = await halls.call()
        bad = await halls.call("join", url=f"ws://127.0.0.1:{silent.getsockname()[1]}")
        assert halls.pool.evict(bad)
        assert await halls.is_over(bad) == JobStatus.FAILED
        await halls.lives(good)


async def test_sigterm_from_outside_is_not_for_a_hall(halls: Halls) -> None:
    call = await halls.call()
    os.kill(halls.pid_of(call), signal.SIGTERM)
    await halls.lives(call)


async def test_as_many_halls_as_calls_need_and_old_ones_retire(tmp_path: Path) -> None:
    halls = Halls(tmp_path, places=2, calls=4, retire_after=2)
    await halls.pool.start()
    calls = [await halls.call() for _ in range(4)]
    pids = {halls.pid_of(call) for call in calls}
    assert len(pids) == 2
    for call in calls:
        halls.end(call)
        assert await halls.is_over(call) == JobStatus.SUCCESS
    assert halls.pid_of(await halls.call()) not in pids  # which have had all the calls they take
    await until(lambda: not any(is_there(pid) for pid in pids))
    await halls.pool.aclose()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
