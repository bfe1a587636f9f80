"""What tests of the agents share."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.settings import WorkerSettings
from agents.worker import Worker
from tests.support.call_doubles import Call


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker whose control plane is away."""
    settings = WorkerSettings(
        environment="development",
        worker_token=SecretStr("token"),
        livekit_api_key="key",
        livekit_api_secret=SecretStr("secret"),
        spool_dir=tmp_path,
    )
    worker = Worker(settings)
    yield worker
    worker.spool.close()


@pytest.fixture
async def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """A call that has begun."""
    begun = Call(monkeypatch, "somebody")
    await asyncio.sleep(0)
    return begun
