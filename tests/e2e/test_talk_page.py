"""A person speaks with the persona from the page: real Chromium, a microphone that plays a file."""

import json
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(180)]

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


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_a_person_clicks_speaks_and_is_answered(
    running: RunningPlatform, microphone: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    ready = running.ready
    result = tmp_path / "result.json"
    command = [shutil.which("node") or "node", "web/tests/talk.mjs"]
    command += ["--url", f"{ready['api_url']}/talk#key={ready['api_key']}", "--wav", str(microphone)]
    command += ["--seconds", "22", "--json", str(result), "--width", str(size[0]), "--height", str(size[1])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())
    words = " ".join(line["text"] for line in told["lines"])
    assert "six months" in words
    assert told["persona_audio"]["loud_seconds"] > 2
    assert told["faults"] == []
    assert told["layout_shift"] < 0.1


def test_the_page_may_be_framed_only_in_its_embedded_form(running: RunningPlatform) -> None:
    with running.client() as client:
        page = client.get(running.ready["api_url"] + "/talk")
        embedded = client.get(running.ready["api_url"] + "/talk?embed")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors *" in embedded.headers["content-security-policy"]
