"""The console's pages of telephone, meetings, recordings and sessions in Chromium."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(240)]

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "look",
    [("--width", "1280", "--height", "900"), ("--width", "390", "--height", "844", "--dark")],
    ids=["desktop", "phone"],
)
def test_a_person_sets_up_a_line_and_holds_a_meeting(
    running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    ready, result = running.ready, tmp_path / "result.json"
    command = [shutil.which("node") or "node", "web/tests/channels.mjs", "--url", ready["api_url"], *look]
    command += ["--key", ready["api_key"], "--json", str(result)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())

    assert told["address"] == "", "the key stayed in the address"
    assert told["refused"].startswith("Phone number must be")
    assert told["tested"], "the test of a trunk said nothing"
    assert told["tab"] == "?tab=numbers"
    assert told["countries"] == "GB US"
    assert "2" in told["scenario"]
    assert told["meeting"] == "join"
    assert told["recordings"]
    assert told["sessions"]
    assert told["wider"] == []
    assert told["faults"] == []
