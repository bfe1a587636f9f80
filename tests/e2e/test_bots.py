"""Bots on the running platform, sent and followed by their page."""

import asyncio
import json
import shutil
from pathlib import Path

import av
import httpx2
import pytest

from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform
from tests.support.meetings import Bot, a_bot

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600)]

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


async def test_bots_that_were_all_alone_bring_a_film_and_a_sound(running: RunningPlatform, tmp_path: Path) -> None:
    ready = running.ready
    headers = {"X-API-Key": ready["api_key"]}
    async with httpx2.AsyncClient(base_url=ready["api_url"], headers=headers, timeout=30) as http:
        bots = {}
        for view in ("gallery_view", "audio_only"):
            meeting = (await http.post("/api/meetings", json={"title": view})).json()
            body = {"meeting_url": meeting["url"], "bot_name": "Notes", "recording_mode": view}
            bots[view] = (await http.post("/bots", json=body)).raise_for_status().json()["bot_id"]

        async def come_to(**expected: str) -> None:
            for bot_id in bots.values():
                async with asyncio.timeout(60):
                    while not expected.items() <= (await http.get(f"/bots/{bot_id}")).raise_for_status().json().items():
                        await asyncio.sleep(0.1)

        await come_to(status="in_call_recording")
        await asyncio.sleep(3)  # so long is what they bring
        for bot_id in bots.values():
            (await http.delete(f"/bots/{bot_id}")).raise_for_status()
        await come_to(state="completed")
        for view, bot_id in bots.items():
            data = (await http.get("/bots/meeting_data", params={"bot_id": bot_id})).raise_for_status().json()
            assert 3 <= data["duration"] <= 10
            file = (await http.get(data["mp4"])).raise_for_status()
            (tmp_path / view).write_bytes(file.content)
            with av.open(tmp_path / view) as film:
                assert film.duration is not None
                assert film.duration / 1e6 == pytest.approx(data["duration"], abs=1.1)
                kinds = {each.type for each in film.streams}
                assert kinds == ({"audio"} if view == "audio_only" else {"audio", "video"})
                if film.streams.video:
                    shades = next(film.decode(video=0)).to_ndarray(format="gray")
                    assert shades.std() > 3, "a card with the bot's name"


async def talk(caller: Caller, ada: Bot) -> None:
    """Say something and write something again and again."""
    while True:
        await caller.say("When does the restaurant open tomorrow?")
        await ada.say("chat:message", {"text": "The menu is on the wall"})
        await asyncio.sleep(1.5)
