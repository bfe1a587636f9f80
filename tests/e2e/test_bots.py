"""Bots on the running platform, sent and followed by their page."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform
from tests.support.meetings import Bot, a_bot

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(300)]

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(("--width", "1280", "--height", "900"), id="desktop", marks=pytest.mark.smoke),
        pytest.param(("--width", "390", "--height", "844", "--dark"), id="phone"),
    ],
)
async def test_a_bot_is_sent_followed_sent_away_and_its_words_play(
    running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    url, result = running.ready["api_url"], tmp_path / "result.json"
    with running.client() as client:
        made = client.post(f"{url}/api/meetings", json={"title": "Kettles"}).json()
    async with a_bot(url) as ada:
        entry = (await ada.join(made, "Ada"))["livekit"]
        voice = Voice(MICROPHONE_RATE)
        async with Caller(entry["url"], entry["token"], voice) as caller:
            speaking = asyncio.create_task(talk(caller, ada))
            node = await asyncio.create_subprocess_exec(
                shutil.which("node") or "node",
                "web/tests/bots.mjs",
                *("--url", url, "--meeting", made["url"], "--json", str(result), *look),
                cwd=CHECKOUT,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                _, errors = await node.communicate()
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
        voice.close()
    assert node.returncode == 0, errors.decode()
    told = json.loads(result.read_text())
    assert told["statuses"] == ["In the meeting", "Completed"]
    assert told["speaker"] == "Ada"
    assert "restaurant" in told["text"].lower()
    assert "Ada The menu is on the wall" in told["chat"]
    assert told["length"] > told["word"]["start"] > 0
    assert told["wider"] == []
    assert told["faults"] == []


async def talk(caller: Caller, ada: Bot) -> None:
    """Say something and write something again and again."""
    while True:
        await caller.say("When does the restaurant open tomorrow?")
        await ada.say("chat:message", {"text": "The menu is on the wall"})
        await asyncio.sleep(1.5)
