"""Dense mode in a worker's settings, and without the libraries that it knows."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import AgentServer
from livekit.agents.ipc.proc_pool import ProcPool

from agents.halls import fit, pool
from agents.halls.server import HallServer
from agents.settings import WorkerSettings
from agents.worker import Worker
from guard import logs

GIVEN = {"worker_token": "x" * 32, "livekit_api_key": "key", "livekit_api_secret": "s" * 32}


def worker(folder: Path, calls: int) -> Any:
    told = GIVEN | {"spool_dir": folder, "environment": "development", "calls_per_process": calls, "max_calls": 20}
    return Worker(WorkerSettings.model_validate(told))


def test_each_call_has_a_process_of_its_own_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    assert type(worker(tmp_path, 1)._server) is AgentServer
    made = worker(tmp_path, 8)
    assert type(made._server) is HallServer
    assert made._server._plan.halls == 3
    assert made._evict("AJ_nobody") is False


def test_libraries_that_are_not_as_they_were_are_told_and_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str]] = []
    log = SimpleNamespace(error=lambda event, reason: said.append((event, reason)))
    monkeypatch.setattr("agents.worker.log", log)

    def __init__(self: Any) -> None: ...

    monkeypatch.setattr(ProcPool, "__init__", __init__)
    for name in ("agents.halls.fit", "agents.halls.server", "agents.halls.pool", "agents.halls.hall"):
        monkeypatch.delitem(sys.modules, name)
    assert type(worker(tmp_path, 8)._server) is AgentServer
    ((event, reason),) = said
    assert "each call has a process of its own" in event
    assert "takes no" in reason


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit.metadata, "version", lambda _: "9.0")
    with pytest.raises(ImportError, match=r"livekit-agents 9\.0"):
        fit._check()


def test_what_a_call_concealed_may_be_written_again_once_nobody_conceals_it() -> None:
    one, other = logs.conceal("its-own-key/1"), logs.conceal("its-own-key/1")
    one()
    one()
    assert logs.without_secrets("its-own-key/1 its-own-key%2F1") == "*** ***"
    other()
    assert logs.without_secrets("its-own-key/1") == "its-own-key/1"


def test_a_plan_has_as_many_halls_as_its_calls_need() -> None:
    plans = [pool.Plan(8, calls, share=None) for calls in (1, 8, 9, 32)]  # type: ignore[arg-type]
    assert [plan.halls for plan in plans] == [1, 1, 2, 4]
