"""The whole platform, started once as a person would start it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_WITHIN = 400
"""More than the platform gives its own parts: it says better than this which of them does not start."""
STOP_WITHIN = 90
SEARCH_PORT = 18_890
"""Where tests of searching put a search server; between them there is none."""


@dataclass
class RunningPlatform:
    """`parley up`, and what its ready file says."""

    process: subprocess.Popen[bytes]
    ready_file: Path

    @property
    def ready(self) -> dict[str, Any]:
        """The ready file as it stands now: its pids are always true."""
        content: dict[str, Any] = json.loads(self.ready_file.read_text())
        return content

    def client(self) -> httpx2.Client:
        """A client of the API with the demo project's key."""
        ready = self.ready
        return httpx2.Client(base_url=f"{ready['api_url']}/api/v1", headers={"X-API-Key": ready["api_key"]}, timeout=60)


@contextmanager
def start_platform(folder: Path, *, port: int, calls: int = 3) -> Iterator[RunningPlatform]:
    """A platform with its data in a folder, on ports from this one up, with places for some calls."""
    ready_file = folder / "ready.json"
    command = [sys.executable, "-m", "parley", "up", "--data", str(folder / "data"), "--ready", str(ready_file)]
    search = {"PARLEY_SEARCH_URL": f"http://127.0.0.1:{SEARCH_PORT}", "PARLEY_OUTBOUND_ALLOW": "127.0.0.0/8"}
    environment = {**os.environ, "NO_COLOR": "1", "PARLEY_MAX_CALLS": str(calls), **search}
    with (folder / "up.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    deadline = time.monotonic() + START_WITHIN
    while not ready_file.exists():
        assert process.poll() is None, (folder / "up.log").read_text()
        assert time.monotonic() < deadline, (folder / "up.log").read_text()
        time.sleep(0.1)
    try:
        yield RunningPlatform(process, ready_file)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(STOP_WITHIN)
    assert status == 0


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform of this test session on ports of its own."""
    with start_platform(tmp_path_factory.mktemp("platform"), port=18800) as platform:
        yield platform
