"""The button on a page of another site, whose policy is strict and whose rules are ugly, in real Chromium."""

import json
import re
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.e2e.conftest import RunningPlatform
from tests.support.ports import free_port

pytestmark = [pytest.mark.page, pytest.mark.timeout(280)]

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


@pytest.fixture(scope="module")
def told(running: RunningPlatform, microphone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What visitors of another site saw and heard."""
    folder = tmp_path_factory.mktemp("embed")
    port = free_port()
    with running.client() as client:
        agent = client.get("/agents").json()["agents"][0]["id"]
        body = {"agent_id": agent, "origins": [f"http://127.0.0.2:{port}"]}
        keys = []
        for limits in ({}, {"visitor_calls_per_hour": 1}):
            made = client.post("/embed-keys", json=body | limits)
            assert made.status_code == 201, made.text
            keys.append(made.json()["embed_key"])
        token = client.post("/token", json={"identity": "x", "room": "where", "no_agent": True}).json()
        command = [shutil.which("node") or "node", "web/tests/embed.mjs", "--server", running.ready["api_url"]]
        command += ["--livekit", token["wsUrl"], "--key", keys[0]["key"], "--once", keys[1]["key"], "--port", str(port)]
        command += ["--owner", running.ready["api_key"]]
        command += ["--wav", str(microphone), "--json", str(folder / "told.json"), "--shots", str(folder)]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=240, check=False)
        for key in keys:
            client.delete(f"/embed-keys/{key['id']}").raise_for_status()
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return seen


def words_of(lines: list[dict[str, str]], speaker: str) -> str:
    return " ".join(line["text"] for line in lines if line["speaker"] == speaker)


def test_a_visitor_speaks_and_is_answered_on_a_page_with_a_strict_policy(told: dict[str, Any]) -> None:
    spoken = told["speak"]
    assert "warranty" in words_of(spoken["lines"], "visitor").lower()
    assert "six months" in words_of(spoken["lines"], "agent")
    assert spoken["loud_seconds"] > 2
    assert spoken["muted"] == "true"
    assert spoken["hidden"] == "Back to the call"
    assert told["faults"] == []


def test_nothing_but_the_small_script_is_loaded_before_the_click(told: dict[str, Any]) -> None:
    before, later = told["speak"]["before"], told["speak"]["later"]
    assert sorted(url.rsplit("/", 1)[1] for url in before) == ["config", "embed.js"]
    assert any("/assets/room-" in url for url in later)


def test_the_pages_rules_end_at_the_button(told: dict[str, Any]) -> None:
    styles = told["speak"]["styles"]
    assert "Comic" not in styles["fontFamily"]
    assert (styles["borderTopStyle"], styles["textTransform"]) == ("none", "none")
    assert told["speak"]["width"] == 376, "sizes are pixels, whatever the page's own type size is"


@pytest.mark.parametrize("scene", ["write", "phone"])
def test_a_visitor_writes_and_is_answered_in_writing(told: dict[str, Any], scene: str) -> None:
    written = told[scene]
    assert written["lines"][1] == {"speaker": "visitor", "text": "How long is the warranty on a repair?"}
    assert "six months" in words_of(written["lines"], "agent")
    assert written["sound"] == 0, "nothing was spoken"
    assert written["focused"] == "box"
    if scene == "phone":
        assert written["panel"]["width"] == 390


def test_the_plain_api_tells_what_happens(told: dict[str, Any]) -> None:
    states = [one["state"] for one in told["api"] if one["event"] == "state"]
    assert list(dict.fromkeys(states)) == ["connecting", "call", "ended"]
    final = [one for one in told["api"] if one["event"] == "transcript" and one["final"]]
    assert "six months" in " ".join(one["text"] for one in final if one["speaker"] == "agent")
    assert told["api"][-1]["event"] == "ended"
    assert told["api"][-1]["reason"] == "left"


def test_what_goes_wrong_is_explained(told: dict[str, Any]) -> None:
    assert told["denied"].startswith("The microphone is blocked")
    assert "allow the microphone" in told["denied"]
    assert told["origin"].startswith("This page may not place calls")
    assert told["policy"].startswith("This page blocks the call")
    assert told["limit"].startswith("You have called often enough")


def test_the_script_may_be_loaded_and_kept_by_pages_of_other_sites(running: RunningPlatform) -> None:
    with running.client() as client:
        for name in ("embed.js", "embed.mjs"):
            answer = client.get(f"{running.ready['api_url']}/{name}")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/javascript")
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert answer.headers["cache-control"].startswith("public, max-age=600")
            again = {"If-None-Match": answer.headers["etag"]}
            assert client.get(f"{running.ready['api_url']}/{name}", headers=again).status_code == 304


def test_an_owner_makes_a_button_in_the_console_and_sees_it(told: dict[str, Any]) -> None:
    made = told["console"]
    assert re.fullmatch(
        r'<script src="http://[\d.:]+/embed\.js" data-agent="ek_[\w-]+" async></script>', made["snippet"]
    )
    assert made["colour"] == "rgb(170, 51, 102)"
    assert made["wide"] <= 0, "nothing is wider than a phone"
