"""What a worker does for a job whose process is no more."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from agents.contract import Exchange
from agents.settings import WorkerSettings
from agents.worker import Taken, Worker

pytestmark = pytest.mark.anyio


async def test_a_ticket_is_not_asked_for_any_more_when_its_process_is_gone(tmp_path: Path) -> None:
    settings = WorkerSettings(
        environment="development",
        worker_token=SecretStr("token"),
        livekit_api_key="key",
        livekit_api_secret=SecretStr("secret"),
        spool_dir=tmp_path,
    )
    worker = Worker(settings)
    asking = asyncio.create_task(worker.uplink.exchange(Exchange(ticket="tk_1.1", job_id="AJ_1", room_name="proj_r")))
    worker._calls["AJ_1"] = Taken(asking)
    await asyncio.sleep(0)  # the control plane is away: nobody answers
    worker._on_process_closed(SimpleNamespace(running_job=SimpleNamespace(job=SimpleNamespace(id="AJ_1"))))
    async with asyncio.timeout(20):
        await asyncio.wait([asking])
    assert asking.cancelled()
    worker.spool.close()
