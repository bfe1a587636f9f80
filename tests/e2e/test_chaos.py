"""Short chaos runs of single faults, on a stack of their own: `make chaos` is the long one, of all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

pytestmark = [pytest.mark.call, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[2]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.chaos", "--data", str(folder / "data"), "--port", str(free_port(12))]
    return subprocess.run([*command, *options], cwd=CHECKOUT, capture_output=True, text=True, timeout=580, check=False)


@pytest.mark.parametrize("fault", ["kill control_plane", "kill worker", "kill livekit", "freeze postgres"])
def test_calls_go_on_and_nothing_is_lost_or_left_over_whatever_dies(tmp_path: Path, fault: str) -> None:
    out = tmp_path / "found.json"
    options = ["--minutes", "0.25", "--calls", "2", "--voices", "0", "--workers", "1", "--every", "60", "--only", fault]
    done = run(tmp_path, "--seed", "1", "--out", str(out), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["recovery_s"][fault]["times"] >= 1
    assert found["violations"] == []


def test_a_run_tells_its_faults_before_it_begins() -> None:
    plans = [
        subprocess.run(
            [sys.executable, "-m", "tests.chaos", "--seed", "7", "--minutes", "3", "--plan"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert plans[0] == plans[1]
    assert "kill" in plans[0]
