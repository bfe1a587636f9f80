"""The monitor page in real Chromium, beside a scripted session."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[2]


def spoken(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(line["speaker"], line["text"]) for line in lines if line["final"]]


@pytest.mark.smoke
@pytest.mark.parametrize(
    "look",
    [("--width", "1280", "--height", "800"), ("--width", "390", "--height", "844", "--dark")],
    ids=["desktop", "phone"],
)
def test_a_session_is_seen_live_over_a_cut_and_after_a_reload(
    running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    ready = running.ready
    result = tmp_path / "result.json"
    command = [shutil.which("node") or "node", "web/tests/monitor.mjs", "--url", ready["api_url"]]
    command += ["--key", ready["api_key"], "--json", str(result), *look]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=360, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())

    greeting = ("persona", "Hello, this is Robin of Maple Street Bicycles. How can I help you?")
    question = ("you", "How long is the warranty on a repair?")
    said = [
        greeting,
        question,
        ("persona", "Every repair has a warranty of six months."),
        ("persona", "Is there anything else?"),
        ("you", "No, thank you."),
    ]
    assert [line["text"] for line in told["interim"] if not line["final"]] == ["How long is the warranty"]
    assert (spoken(told["final"]), len(told["final"])) == ([greeting, question], 2)
    assert told["chosen"] == told["room"], "the arrow keys did not reach the room"
    assert spoken(told["after_cut"]) == said
    assert told["read_out"].count("Every repair") == 1
    assert spoken(told["after_reload"]) == said
    assert told["ended"].startswith("Call ended")
    assert "does not open the door" in told["revoked"]
    assert told["addresses_with_key"] == []
    assert told["address"].endswith("/monitor")
    assert told["wider_than_window"] is False
    assert told["faults"] == []


def test_the_page_is_framed_by_nobody(running: RunningPlatform) -> None:
    with running.client() as client:
        page = client.get(running.ready["api_url"] + "/monitor")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
