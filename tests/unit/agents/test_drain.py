"""A worker that is stopped: nothing new begins there, what runs may finish, and what is left is handed on."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import CallEnded, Command, EndReason, Heartbeat, Submission
from agents.settings import WorkerSettings
from agents.worker import Taken, Worker
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


def job_of(session_id: int) -> PersonaJob:
    return persona_job(session_id=session_id, started_at=NOW)


def ended(session_id: int, reason: EndReason, *, failed: bool = False) -> Submission:
    report = CallEnded(at=NOW, reason=reason, failed=failed, duration_ms=1).model_dump(mode="json")
    return Submission(session_id=session_id, epoch=1, sequence=9, capability="c", report=report)


class FakeServer:
    """The framework's server: its drain waits until no call is left."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.drained = worker, False

    async def drain(self, timeout: object) -> None:
        self.drained = True
        while self.worker._calls:
            await asyncio.sleep(0.005)


class FakeDesk:
    """Job processes; those who `leave` do as they are told, the others are dead once they are killed."""

    def __init__(self, worker: Worker, leave: Callable[[str], bool]) -> None:
        self.worker, self.leave = worker, leave
        self.commands: list[Command] = []
        self.killed: list[str] = []

    def command(self, command: Command) -> None:
        self.commands.append(command)
        if self.leave(command.job_id):
            said = ended(int(command.job_id), command.reason, failed=True)
            asyncio.get_running_loop().call_soon(self.worker._on_report, command.job_id, said)

    def kill(self, job_id: str) -> bool:
        self.killed.append(job_id)
        process = SimpleNamespace(running_job=SimpleNamespace(job=SimpleNamespace(id=job_id)))
        asyncio.get_running_loop().call_soon(self.worker._on_process_closed, process)
        return True

    async def wait_for_end(self, job_id: str, *, within: float) -> None: ...


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    given = {"worker_token": "t", "livekit_api_key": "k", "livekit_api_secret": "s" * 32, "spool_dir": tmp_path}
    made = Worker(WorkerSettings.model_validate(given | {"environment": "development", "drain_timeout": 0}))
    monkeypatch.setattr("agents.worker.LEAVE_WITHIN", 0.2)
    return made


def fill(worker: Worker, calls: int, leave: Callable[[str], bool]) -> tuple[FakeServer, FakeDesk]:
    """So many calls are running."""

    async def exchange(session_id: int) -> PersonaJob:
        return job_of(session_id)

    for number in range(1, calls + 1):
        worker._calls[str(number)] = Taken(asyncio.create_task(exchange(number)))
    server, desk = FakeServer(worker), FakeDesk(worker, leave)
    made: Any = worker
    made._server, made.desk = server, desk
    return server, desk


async def test_calls_that_finish_in_time_are_left_alone(worker: Worker) -> None:
    server, desk = fill(worker, 2, lambda _: True)
    draining = asyncio.create_task(worker._drain())
    for number in (1, 2):
        worker._on_report(str(number), ended(number, "caller_left"))
    await draining
    assert server.drained
    assert (desk.commands, desk.killed) == ([], [])


async def test_what_is_left_at_the_end_is_lost_here_so_that_it_goes_on_elsewhere(worker: Worker) -> None:
    _, desk = fill(worker, 2, lambda _: True)
    await worker._drain()
    assert [(each.action, each.reason, each.job_id) for each in desk.commands] == [
        ("end", "worker_lost", "1"),
        ("end", "worker_lost", "2"),
    ]
    assert (desk.killed, worker._calls) == ([], {})


async def test_a_process_that_does_not_leave_is_killed_and_its_call_told_as_lost(worker: Worker) -> None:
    _, desk = fill(worker, 2, lambda job_id: job_id == "1")
    await asyncio.sleep(0)  # both have their jobs
    await worker._drain()
    await asyncio.gather(*worker._watches)
    assert desk.killed == ["2"]
    (told,) = worker.spool.waiting()
    assert (told.session_id, told.report["reason"], told.report["failed"]) == (2, "worker_lost", True)


async def test_a_worker_that_is_stopped_says_so_and_takes_nothing_new(worker: Worker) -> None:
    sent: list[Heartbeat] = []
    answers: list[bool] = []

    async def send(message: Heartbeat) -> None:
        sent.append(message)

    async def reject(*, terminate: bool = True) -> None:
        answers.append(terminate)

    fill(worker, 1, lambda _: True)
    uplink: Any = worker.uplink
    uplink._send = send
    await worker._drain()
    assert [(each.capacity, each.calls) for each in sent] == [(0, ["1"])]
    metadata = DispatchMetadata(ticket="tk.1", identity="agent-1").model_dump_json()
    request: Any = SimpleNamespace(id="AJ", job=SimpleNamespace(metadata=metadata), reject=reject)
    await worker._on_request(request)
    assert answers == [False]  # another worker is asked
