"""An offline model server for tests."""

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.ports import free_port


@pytest.fixture(scope="session")
def models_url() -> Iterator[str]:
    """The base URL of a running offline model server."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "parley.offline", "--port", str(port)])
    url = f"http://127.0.0.1:{port}/v1"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx2.get(f"{url}/models", timeout=1).raise_for_status()
                break
            except httpx2.TransportError:
                assert server.poll() is None, "the offline model server ended while starting"
                assert time.monotonic() < deadline, "the offline model server did not answer within 120 s"
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        assert server.wait(timeout=60) in (0, -15)
