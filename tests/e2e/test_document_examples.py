"""The examples of the API's document, as they stand but for host and key, against a platform with the demo project.

`document/` holds them; the line before each curl says which statuses it may be answered with: 503 where the engine that
would do it is not there. `\\` and the end of a line are put back where the document lost them; what removes something
comes last, in its file as here.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import RunningPlatform, start_platform

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(600)]

DOCUMENT = Path(__file__).parent / "document"
HOST = "https://voxai.ai0.dev"
FAQ = "# Opening hours\n\nWe are open from nine to five on weekdays.\n"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform of these tests alone: the examples remove what others need."""
    with start_platform(tmp_path_factory.mktemp("document"), port=18830, calls=10) as platform:
        yield platform


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the file that the examples upload."""
    (tmp_path / "faq.md").write_text(FAQ)
    return tmp_path


def told(demo: RunningPlatform, name: str) -> str:
    """A text of the document for this platform."""
    ready = demo.ready
    text = (DOCUMENT / name).read_text().replace(HOST, ready["api_url"])
    text = text.replace(HOST.replace("https", "wss"), ready["api_url"].replace("http", "ws"))
    return re.sub(r"YOUR_KEY|pk_your_key", ready["api_key"], text)


def node(script: str) -> str:
    """What a script prints."""
    program = shutil.which("node")
    assert program is not None
    command = [program, "--experimental-websocket", "-e", script]  # on by itself only from Node.js 22 on
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_node_functions_answer_what_they_name(demo: RunningPlatform) -> None:
    calls = """
    (async () => {
      const joined = await joinRoom('user1', 'example-room');
      const rooms = await listRooms();
      const found = await searchKB(1, 'How long is the warranty on a repair?');
      const call = await dialPhone('+17751234567');
      console.log(JSON.stringify({ joined, rooms, found, call }));
    })();
    """
    answers = _json(node(told(demo, "example.js") + calls))
    assert answers["joined"]["room"] == "proj_example-room"
    assert answers["joined"]["agents_dispatched"] == [1]
    assert isinstance(answers["rooms"]["rooms"], list)
    assert answers["found"]["results"]
    call = answers["call"]
    assert call.get("success") or call["code"] in ("UNAVAILABLE", "INVALID_REQUEST")


def test_the_python_script_runs_to_its_end(demo: RunningPlatform, folder: Path) -> None:
    script = told(demo, "example.py.txt")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    plan, chunks = done.stdout.splitlines()
    assert re.fullmatch(r"Plan: professional, Rooms remaining: \d+", plan)
    assert re.fullmatch(r"Chunks created: [1-9]\d*", chunks)


def test_the_monitor_example_hears_of_a_room(demo: RunningPlatform) -> None:
    socket = told(demo, "example_monitor.js")
    listens = """
    const log = console.log;
    console.log = (type, data) => {
      log(JSON.stringify({ type, data }));
      if (type === 'subscribed') make();
      if (type === 'room.created') process.exit(0);
    };
    """
    make = f"""
    const make = () => fetch('{demo.ready["api_url"]}/api/v1/rooms', {{
      method: 'POST',
      headers: {{ 'Content-Type': 'application/json', 'X-API-Key': '{demo.ready["api_key"]}' }},
      body: JSON.stringify({{ name: 'watched' }}),
    }});
    setTimeout(() => process.exit(1), 60000);
    """
    heard = [_json(line) for line in node(make + socket + listens).splitlines()]
    created = next(message for message in heard if message["type"] == "room.created")
    assert created["data"]["room_name"] == "watched"


@pytest.mark.parametrize("name", ["curl_quick_reference.txt", "curl.txt"])
def test_the_curl_lines_are_answered_as_documented(demo: RunningPlatform, folder: Path, name: str) -> None:
    wrong = []
    for block in told(demo, name).strip().split("\n\n"):
        statuses, _, line = block.partition("\n")
        asked = f"{line} -s -S -w '\\n%{{http_code}}'"
        done = subprocess.run(["sh", "-c", asked], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        answer, _, status = done.stdout.rpartition("\n")
        if status not in statuses.strip("# ").split():
            wrong.append((line.splitlines()[0], status, answer, done.stderr))
        if status == "400":
            assert "No SIP trunk configured" in answer
    assert wrong == [], "\n".join(map(str, wrong))


def _json(text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text)
    return answer
