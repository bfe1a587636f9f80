"""What tests of the agents share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.settings import WorkerSettings
from agents.worker import Worker


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
