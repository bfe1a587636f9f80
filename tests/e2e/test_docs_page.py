"""A person reads the reference in Chromium and tries a request there."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(120)]

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_a_person_types_a_key_and_tries_an_operation(running: RunningPlatform, size: tuple[int, int]) -> None:
    ready = running.ready
    command = [shutil.which("node") or "node", "web/tests/docs.mjs", "--url", f"{ready['api_url']}/docs"]
    described = httpx2.get(f"{ready['api_url']}/openapi.json").json()["paths"]
    operations = sum(len(methods) for methods in described.values())
    command += ["--key", ready["api_key"], "--operations", str(operations)]
    command += ["--width", str(size[0]), "--height", str(size[1])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["operations"] == operations
    assert '"agents"' in told["body"]
    assert told["faults"] == []
    assert told["elsewhere"] == [], "the page asked another server"
    assert told["overflow"] <= 0


def test_the_page_runs_nothing_but_our_own_files_and_in_no_frame(running: RunningPlatform) -> None:
    policy = httpx2.get(f"{running.ready['api_url']}/docs").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
