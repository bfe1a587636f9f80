"""What is kept for a time only."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import SQLModel, select

from control_plane.clock import Clock
from control_plane.gate.models import IdempotentRequest
from control_plane.jobs.models import Job, JobState
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.monitor.models import MonitorTicket
from control_plane.sessions.models import Worker
from control_plane.supervisor import forgetting
from control_plane.supervisor.forgetting import forget
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


def rows(name: str, project_id: int, age: timedelta) -> list[SQLModel]:
    then = datetime.now(UTC) - age
    request = IdempotentRequest(
        project_id=project_id, key=name, request_hash=b"h", lease_until=then, created_at=then, status=201
    )
    return [
        request,
        LivekitHook(id=name, received_at=then),
        MonitorTicket(hash=name.encode(), key_id="k", expires_at=then + timedelta(days=1)),
        Worker(id=name, capacity=1, seen_at=then),
        *[Job(kind=state, key=name, state=state, run_at=then) for state in JobState],
    ]


async def test_what_has_been_kept_long_enough_is_deleted_and_the_rest_stays(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 1)
    project = (await platform.tenant()).project.id
    for name, age in (("young", timedelta(hours=23)), ("old", timedelta(hours=25)), ("older", timedelta(days=8))):
        await platform.add(*rows(name, project, age))
    await forget(platform.database, Clock())
    async with platform.database.platform() as db:
        for column in (IdempotentRequest.key, LivekitHook.id, MonitorTicket.hash, Worker.id):
            assert {str(value) for value in await db.exec(select(column))} <= {"young", "b'young'"}, column
        jobs = {(str(job.state), job.key) for job in await db.exec(select(Job))}
    open_jobs = {(state, name) for state in ("waiting", "running") for name in ("young", "old", "older")}
    assert jobs == open_jobs | {("done", "young"), ("failed", "young"), ("failed", "old")}
