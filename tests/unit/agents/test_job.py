"""What a job process says of a call that does not begin."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from livekit import rtc

from agents import job as jobs
from agents.settings import WorkerSettings
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio


class Reports:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.job, self.told = persona_job(), list[Any]()
        self.report = self.told.append

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_persona_that_livekit_does_not_let_in_is_lost_and_no_model_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = Reports()

    async def claim(*_: Any, **__: Any) -> Reports:
        return reports

    async def refused(**_: Any) -> None:
        raise rtc.ConnectError("handshake error: 500 Internal Server Error")

    async def runs() -> None: ...

    async def closes() -> None: ...

    monkeypatch.setattr(jobs.Reporter, "claim", claim)
    monkeypatch.setattr(jobs, "Models", lambda *_: SimpleNamespace(close=closes))
    monkeypatch.setattr(jobs, "Conversation", lambda *_: SimpleNamespace(run=runs))
    given = {"worker_token": "x" * 32, "livekit_api_key": "key", "livekit_api_secret": "s" * 32}
    settings = WorkerSettings.model_validate(given | {"spool_dir": tmp_path, "environment": "development"})
    known = {"settings": settings, "jobs_socket": tmp_path / "jobs", "client": None}
    context: Any = SimpleNamespace(
        proc=SimpleNamespace(userdata=known),
        job=SimpleNamespace(id="AJ_1"),
        room=None,
        connect=refused,
        shutdown=lambda _: None,
        add_shutdown_callback=lambda _: None,
    )
    await jobs.entrypoint(context)
    assert [(each.reason, each.failed) for each in reports.told] == [("not_started", True)]
