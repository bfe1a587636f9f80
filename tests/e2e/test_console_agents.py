"""Building an agent by the pages of the console in Chromium, and talking to it there."""

import wave
from pathlib import Path

import numpy as np
import pytest

from parley.offline.audio import resampled
from parley.offline.flite import RATE, load_flite
from tests.e2e.conftest import RunningPlatform
from tests.support.pages import DESKTOP, PHONE, in_browser
from tests.support.platform import Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(240)]

DEVICE_RATE = 48_000


def say(words: str, path: Path) -> None:
    """A file for a browser's microphone: words, after the time a greeting takes."""
    silence = np.zeros(8 * RATE, np.int16)
    speech = np.concatenate([silence, load_flite().speak(words), silence])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(DEVICE_RATE)
        file.writeframes(resampled(speech, RATE, DEVICE_RATE).tobytes())


@pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_an_agent_is_made_changed_published_compared_and_rolled_back(
    tenant: Tenant, tmp_path: Path, look: tuple[str, ...]
) -> None:
    made = await tenant.http.post("/knowledge-bases", json={"name": "Helpdesk"})
    base_id = made.json()["knowledge_base"]["id"]
    url = str(tenant.http.base_url).removesuffix("/api/v1/")

    seen = await in_browser("agents.mjs", tmp_path / "seen.json", "--url", url, "--key", tenant.key, *look)

    assert seen["name"] == "Ada"
    assert "{{company}}" in seen["greeting"]
    assert seen["variables"] == "Filled in for each call: company"
    assert seen["first_tags"] == ["In service", "Not published: calls use the settings as saved"]
    problems = seen["problems"]
    assert problems["longest"] == "Must be greater than or equal to 10"
    assert all(problems[name] for name in ("language", "parameters", "tool")), problems
    assert problems["parameters"].startswith("This is no JSON")
    assert problems["focused"] == "set-language"
    assert (seen["stayed"], seen["still_at"].startswith("/console/agents/")) == ("5", True)
    assert "cannot be told" in seen["bases_untold"]
    assert "There is no knowledge base" not in seen["bases_untold"]
    assert seen["published_tags"] == ["In service", "Version 1 takes calls"]
    assert seen["changed_tags"] == ["In service", "Version 1 takes calls", "Changes not published"]
    assert "possible number" in problems["fallback"]
    assert problems["numbers"].startswith("Line 2: must be a possible number")
    assert seen["differs"] == ["Instructions", "Numbers it may transfer to", "Longest call"]
    assert seen["removed"].startswith("or two |sentences")
    assert seen["added"].startswith("sentence")
    assert "Instructions, Numbers it may transfer to, Longest call" in seen["announced"]
    assert seen["rolled_back_tags"] == ["In service", "Version 1 takes calls"]
    assert seen["rolled_back"] == "900"
    assert (seen["numbers"], seen["fallback"]) == ("+17755550123 Sales\n+17755550188", "+17755550199")
    assert seen["left"] == ["Ada"]
    assert seen["wider"] == []
    assert seen["faults"] == []

    (agent,) = (await tenant.http.get("/agents")).json()["agents"]
    assert agent["knowledge_base_ids"] == [base_id]
    assert agent["fallbacks"]["llm"] == [{"provider": "openai", "model": "small-model"}]
    assert [tool["name"] for tool in agent["tools"]] == ["end_call", "find_order"]
    assert (agent["fallback_number"], agent["transfer_numbers"]) == (
        "+17755550199",
        [{"number": "+17755550123", "name": "Sales"}, {"number": "+17755550188", "name": ""}],
    )
    assert (agent["voicemail"]["detect"], agent["voicemail"]["message"]) == (True, "Ada of {{company}} called.")
    assert agent["budget"] == {"limit_usd": 25.0, "soft_at": 0.8}
    versions = (await tenant.http.get(f"/agents/{agent['id']}/versions")).json()["versions"]
    assert [(version["version"], version["note"]) for version in versions] == [(2, "Briefer"), (1, "The first one")]


async def test_an_agent_is_tried_in_writing_and_by_voice(running: RunningPlatform, tmp_path: Path) -> None:
    ready = running.ready
    with running.client() as client:
        agent = client.get("/agents").json()["agents"][0]["id"]
    options = ("--url", ready["api_url"], "--key", ready["api_key"], "--try", str(agent))
    say("How long is the warranty on a repair?", tmp_path / "question.wav")

    seen = await in_browser(
        "agents.mjs",
        tmp_path / "seen.json",
        *options,
        *("--microphone", str(tmp_path / "question.wav")),
    )

    assert any("warranty" in line.lower() for line in seen["written"])
    assert seen["no_sound"], "an agent that is written to was heard"
    assert "warranty" in seen["spoken"].lower()
    assert seen["sessions"] >= 2
    assert seen["wider"] == []
    assert seen["faults"] == []
