"""A call that was spoken and recorded is heard and read again in Chromium, and shown to somebody without a key."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from parley.client import Ready
from parley.demo.conversation import converse
from parley.demo.script import Question
from tests.e2e.conftest import RunningPlatform
from tests.support.conversations import Watch

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.call, pytest.mark.timeout(280)]

CHECKOUT = Path(__file__).parents[2]
SCRIPT = [Question(ask="Where can customers park their cars?", expect=["park"])]


async def recorded_call(running: RunningPlatform) -> dict[str, Any]:
    """The replay of a call in which somebody asked one question, once all of it is there."""
    with running.client() as client:
        persona = client.get("/agents/1").json()["agent"]
        kept = ("instructions", "greeting", "knowledge_base_ids", "turn_taking")
        body = {name: persona[name] for name in kept} | {"name": "Replayed", "record": True}
        agent = client.post("/agents", json=body).json()["agent"]["id"]
        outcome = await converse(Ready.read(running.ready_file).model_copy(update={"agent_id": agent}), SCRIPT, Watch())
        assert outcome.failure is None
        rows = client.get("/sessions", params={"agent_config_id": agent}).json()["sessions"]
        deadline = time.monotonic() + 30
        while True:
            replay: dict[str, Any] = client.get(f"/sessions/{rows[0]['id']}/replay").json()
            if any(sound["peaks"] for sound in replay["recordings"]):
                return replay
            assert time.monotonic() < deadline, replay["recordings"]
            await anyio.sleep(0.2)


@pytest.mark.parametrize(
    "look",
    [("--width", "1440", "--height", "900"), ("--width", "390", "--height", "844", "--dark")],
    ids=["desktop", "phone"],
)
async def test_a_recorded_call_is_heard_read_and_shown_to_others(
    running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    replay = await recorded_call(running)
    (turn, *_) = [each for each in replay["turns"] if each["gap_ms"]]
    assert abs(sum(bar["ms"] for bar in turn["waterfall"]) - turn["gap_ms"]) < 5
    assert turn["passages"][0]["content"]

    ready, result = running.ready, tmp_path / "result.json"
    command = [shutil.which("node") or "node", "web/tests/replay.mjs", "--url", ready["api_url"], *look]
    command += ["--key", ready["api_key"], "--session", str(replay["session"]["id"]), "--json", str(result)]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=180, check=False)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())

    assert told["lanes"] == ["Agent", "Person"]
    assert told["lines"] == len(replay["lines"])
    (sound,) = replay["recordings"]
    wanted = max(0, told["word"]["ms"] - sound["offset_ms"]) / 1000
    assert wanted - 0.4 <= told["word"]["at"] < wanted + 2, "the sound did not begin at the word"
    assert told["heard"] > 0.02, "nothing was heard"
    assert told["word"]["lit"] == 1
    at, whole = told["middle"]
    assert abs(at + sound["offset_ms"] / 1000 - whole / 2) < 1.5
    assert told["pace"] == 1.5
    assert {"Recognition", "Endpointing", "Retrieval", "Model", "Speech", "Transport"} >= set(told["parts"]) - {
        "Unexplained"
    }
    assert abs(sum(told["bars"]) - 100) < 1
    assert abs(told["sum"] - turn["gap_ms"]) < 5
    assert turn["passages"][0]["content"][:40] in told["passages"]
    assert "no tool" in told["tools"]
    assert "Cost" in told["result"]
    assert told["saved"] == replay["session"]["id"]
    assert told["link"].endswith("/replay#…")
    assert told["guest"]["lines"] == len(replay["lines"])
    assert (told["guest"]["costs"], told["guest"]["shares"]) == (0, 0)
    assert told["guest"]["stored"] == '[{},{},""]'
    assert told["guest"]["after"] == "This link is over"
    assert told["wider"] == []
    assert told["faults"] == []
