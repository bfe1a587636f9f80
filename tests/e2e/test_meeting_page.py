"""People meet on the page: two Chromium with made-up cameras and microphones, and a bot on the socket."""

import json
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[2]
DEVICE_RATE = 48_000
UNMOVED = 0.05
"""Sum of layout shifts that nobody asked for; 0.1 is what browsers call good."""


def meet(running: RunningPlatform, folder: Path, scene: str, *options: str) -> dict[str, Any]:
    """What became of one scene on the page."""
    ready = running.ready
    command = [shutil.which("node") or "node", "web/tests/meeting.mjs", "--scene", scene, "--url", ready["api_url"]]
    command += ["--livekit", ready["livekit_url"], f"--key={ready['api_key']}", "--json", str(folder / "told.json")]
    done = subprocess.run([*command, *options], cwd=CHECKOUT, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    assert told["faults"] == []
    for shift in told["shifts"].values():
        assert shift["sum"] < UNMOVED, shift
    return told


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who never stops talking."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    said = load_flite().speak("So what I wanted to say is that this meeting is about the plan for the next week. " * 3)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(DEVICE_RATE)
        file.writeframes(resampled(said, RATE, DEVICE_RATE).tobytes())
    return path


@pytest.mark.smoke
def test_people_and_a_bot_meet_and_the_host_keeps_order(running: RunningPlatform, speech: Path, tmp_path: Path) -> None:
    assert meet(running, tmp_path, "converse", "--wav", str(speech))["steps"] == [
        "the host is in",
        "the host lets the guest in from the waiting room",
        "they see each other, and the bot",
        "chat goes both ways between page, page and bot",
        "the others see that somebody is muted, raises a hand, applauds",
        "keys mute and unmute",
        "after a cut of the network the guest is back, as who they were, hand raised",
        "the host locks the meeting and sends away bot and guest",
        "the host ends the meeting",
    ]


def test_one_comes_without_devices_and_sees_what_another_shows(running: RunningPlatform, tmp_path: Path) -> None:
    assert meet(running, tmp_path, "present")["steps"] == [
        "who has no devices is told so, and joins without",
        "what one shows is large on the other's page, and goes again",
        "the host mutes somebody, who is told",
        "pages of nine, and those who come late on the second",
        "who leaves may come again",
    ]


def test_an_end_user_meets_the_persona_from_the_scenarios_page(running: RunningPlatform, tmp_path: Path) -> None:
    assert meet(running, tmp_path, "scenario")["steps"] == [
        "the scenario's page begins a meeting",
        "only what the meeting allows is there",
        "the persona comes, and what it says is shown",
        "the light of the recording is on",
        "the meeting is over for the page when the API ends it",
        "a link that does not fit together is refused",
    ]
