"""How long a worker waits for the process of a call to be started, and for what it then says."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import AssignmentTimeoutError

from agents.calling import PersonaJob
from agents.contract import Exchange
from agents.job import CLAIM_WITHIN
from agents.settings import WorkerSettings
from agents.uplink import ExchangeRefused
from agents.worker import ANSWERED_WITHIN, CLAIMED_WITHIN, LAST_WORDS, STARTED_WITHIN, Taken, Worker
from tests.support.jobs import persona_job
from tests.support.virtual import run_virtually

STARTED = SimpleNamespace(sequence=1, report={"type": "call.started.v1"})


class Request:
    """A job that LiveKit offers."""

    id = "AJ_1"
    job = SimpleNamespace(metadata=json.dumps({"ticket": "tk_x.1", "identity": "agent-1", "name": "Ada"}))
    room = SimpleNamespace(name="proj_r", sid="RM_1")

    async def accept(self, **_: Any) -> None: ...


class Unassigned(Request):
    """One that LiveKit has offered to another worker, as this one was not heard in time."""

    async def accept(self, **_: Any) -> None:
        raise AssignmentTimeoutError


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    given = {"worker_token": "x" * 32, "livekit_api_key": "key", "livekit_api_secret": "s" * 32}
    return WorkerSettings.model_validate(given | {"spool_dir": tmp_path, "environment": "development"})


def follow(
    settings: WorkerSettings, claims_at: float | None, starts_at: float | None, until: float, *, answered_at: float = 0
) -> bool:
    """Whether a job is still waited for, when so many seconds have passed since it was accepted."""

    async def run() -> bool:
        worker = Worker(settings)

        async def answered(_: Exchange) -> PersonaJob:
            await asyncio.sleep(answered_at)
            return persona_job()

        worker.uplink.exchange = answered  # type: ignore[method-assign]
        await worker._on_request(Request())  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[Any]] = []

        def later(at: float | None, do: Callable[[], Any]) -> None:
            if at is not None:
                loop.call_at(at, do)

        later(claims_at, lambda: tasks.append(asyncio.create_task(worker._fetch("AJ_1"))))
        later(starts_at, lambda: worker._on_report("AJ_1", STARTED))  # type: ignore[arg-type]
        await asyncio.sleep(until)
        is_there = "AJ_1" in worker._calls
        if not is_there:
            with pytest.raises(ExchangeRefused):
                await worker._fetch("AJ_1")
        for task in (*tasks, *worker._watches, *(taken.exchange for taken in worker._calls.values())):
            task.cancel()
        return is_there

    return run_virtually(run())


def test_a_job_whose_process_is_started_late_is_waited_for(settings: WorkerSettings) -> None:
    late = CLAIMED_WITHIN - 1
    assert follow(settings, late, late + STARTED_WITHIN - 1, until=200)


def test_a_job_that_no_process_takes_is_given_up(settings: WorkerSettings) -> None:
    assert follow(settings, None, None, until=CLAIMED_WITHIN - 1)
    assert not follow(settings, None, None, until=CLAIMED_WITHIN + 1)


def test_a_process_that_has_its_job_and_says_nothing_is_given_up(settings: WorkerSettings) -> None:
    assert follow(settings, 1, None, until=STARTED_WITHIN)
    assert not follow(settings, 1, None, until=STARTED_WITHIN + 2)


def test_a_process_whose_ticket_is_answered_late_is_waited_for(settings: WorkerSettings) -> None:
    late = ANSWERED_WITHIN - 1
    assert follow(settings, 0, late + STARTED_WITHIN - 1, until=200, answered_at=late), "the control plane was busy"
    assert CLAIM_WITHIN > ANSWERED_WITHIN + STARTED_WITHIN, "the process would not wait for it"


def test_a_ticket_that_is_never_answered_is_given_up(settings: WorkerSettings) -> None:
    assert follow(settings, 0, None, until=ANSWERED_WITHIN - 1, answered_at=1000)
    assert not follow(settings, 0, None, until=ANSWERED_WITHIN + 1, answered_at=1000)


def test_a_job_that_was_given_up_before_its_ticket_was_answered_is_told_of_as_lost(settings: WorkerSettings) -> None:
    async def run() -> list[dict[str, Any]]:
        worker = Worker(settings)

        async def late(_: Exchange) -> PersonaJob:
            await asyncio.sleep(CLAIMED_WITHIN + 5)
            return persona_job()

        worker.uplink.exchange = late  # type: ignore[method-assign]
        await worker._on_request(Request())  # type: ignore[arg-type]
        await asyncio.sleep(CLAIMED_WITHIN + 1)
        assert not worker._held(), "its place is free"
        await asyncio.sleep(5)
        return [submission.report for submission in worker.spool.waiting()]

    (told,) = run_virtually(run())
    assert (told["type"], told["reason"]) == ("call.ended.v1", "not_started"), "its caller would wait for the lease"


def test_a_ticket_whose_process_is_gone_is_not_asked_for_without_end(settings: WorkerSettings) -> None:
    async def run() -> bool:
        worker = Worker(settings)
        asking = asyncio.create_task(worker.uplink.exchange(Exchange(ticket="tk", job_id="AJ_1", room_name="proj_r")))
        worker._calls["AJ_1"] = Taken(asking)
        await asyncio.sleep(0)  # the control plane is away: nobody answers
        worker._on_process_closed(SimpleNamespace(running_job=SimpleNamespace(job=SimpleNamespace(id="AJ_1"))))
        await asyncio.sleep(LAST_WORDS + ANSWERED_WITHIN + 1)
        return asking.cancelled()

    assert run_virtually(run())


def test_of_a_job_that_another_worker_was_given_nothing_is_said(settings: WorkerSettings) -> None:
    async def run() -> tuple[list[str], int]:
        worker = Worker(settings)

        async def answered(_: Exchange) -> PersonaJob:
            return persona_job()

        worker.uplink.exchange = answered  # type: ignore[method-assign]
        with suppress(AssignmentTimeoutError):  # as the framework does
            await worker._on_request(Unassigned())  # type: ignore[arg-type]
        held = worker._held()
        await asyncio.sleep(CLAIMED_WITHIN + STARTED_WITHIN + 1)
        return held, worker.spool.count()

    assert run_virtually(run()) == ([], 0), "the call would be ended there"
