"""A person speaks with the persona from the page: real Chromium, a microphone that plays a file."""

import json
import shutil
import subprocess
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[2]
DEVICE_RATE = 48_000


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A question, after the time the greeting takes."""
    silence = np.zeros(8 * RATE, np.int16)
    speech = np.concatenate([silence, load_flite().speak("How long is the warranty on a repair?"), silence])
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(DEVICE_RATE)
        file.writeframes(resampled(speech, RATE, DEVICE_RATE).tobytes())
    return path


def command_of(running: RunningPlatform, microphone: Path, folder: Path, query: str, *options: str) -> list[str]:
    ready = running.ready
    command = [shutil.which("node") or "node", "web/tests/talk.mjs"]
    command += ["--url", f"{ready['api_url']}/talk{query}#key={ready['api_key']}", "--wav", str(microphone)]
    return [*command, "--json", str(folder / "result.json"), *options]


def call(running: RunningPlatform, microphone: Path, folder: Path, query: str, *options: str) -> dict[str, Any]:
    """What a person saw and heard who called from the page."""
    command = command_of(running, microphone, folder, query, *options)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return told


@pytest.mark.smoke
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_a_person_clicks_speaks_and_is_answered(
    running: RunningPlatform, microphone: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    time_of_call = ("--seconds", "60", "--until", "six months")
    look = ("--width", str(size[0]), "--height", str(size[1]))
    told = call(running, microphone, tmp_path, "", *time_of_call, *look)
    words = " ".join(line["text"] for line in told["lines"])
    assert "six months" in words
    assert told["persona_audio"]["loud_seconds"] > 2
    assert told["faults"] == []
    assert told["layout_shift"] < 0.1
    assert told["recorded"] == []


@pytest.mark.parametrize(
    "look",
    [
        ("--width", "1280", "--height", "800"),
        ("--width", "390", "--height", "844", "--dark"),
        ("--width", "400", "--height", "560", "--framed"),
    ],
    ids=["desktop", "phone", "embedded"],
)
def test_a_recorded_call_says_so_before_its_first_word(
    running: RunningPlatform, microphone: Path, tmp_path: Path, look: tuple[str, ...]
) -> None:
    with running.client() as client:
        body = {"name": "Robin", "instructions": "You are Robin.", "greeting": "Hello, this is Robin.", "record": True}
        made = client.post("/agents", json=body)
        assert made.status_code == 201, made.text
        agent = made.json()["agent"]["id"]
        told = call(running, microphone, tmp_path, f"?agent={agent}", "--seconds", "8", *look)
        client.delete(f"/agents/{agent}").raise_for_status()
    on, *rest = told["recorded"]
    assert on["words"] == "This call is recorded"
    assert on["said"].startswith("Recorded")
    assert on["at"] < told["click_to_persona_audio_ms"]
    assert [step["words"] for step in rest] == [None], "the light went out and came back"
    assert told["layout_shift"] < 0.1
    assert told["faults"] == []
    if told["site_told"] is not None:
        states = [message for message in told["site_told"] if message["type"] == "parley:state"]
        assert {message.get("recorded") for message in states if message["state"] == "call"} >= {True}
        assert all("recorded" not in message for message in states if message["state"] != "call")


def test_the_light_follows_a_recording_that_somebody_starts_and_stops(
    running: RunningPlatform, microphone: Path, tmp_path: Path
) -> None:
    room = "watched-by-its-callers"
    command = command_of(running, microphone, tmp_path, f"?room={room}", "--seconds", "16")
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as caller, running.client() as client:
        deadline = time.monotonic() + 30
        while client.post(f"/rooms/{room}/recordings/start").status_code != 201:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        time.sleep(5)
        client.post(f"/rooms/{room}/recordings/stop").raise_for_status()
        assert caller.wait(60) == 0
    told = json.loads((tmp_path / "result.json").read_text())
    assert [step["words"] for step in told["recorded"]] == ["This call is recorded", None]
    on, off = told["recorded"]
    assert 2_000 < off["at"] - on["at"] < 10_000
    assert told["layout_shift"] < 0.1


def test_the_page_may_be_framed_only_in_its_embedded_form(running: RunningPlatform) -> None:
    with running.client() as client:
        page = client.get(running.ready["api_url"] + "/talk")
        embedded = client.get(running.ready["api_url"] + "/talk?embed")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert embedded.headers["content-security-policy"].endswith("frame-ancestors 'self'")
