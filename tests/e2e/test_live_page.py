"""The live page in real Chromium: a supervisor listens to a call, whispers, takes it over and gives it back."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import RunningPlatform
from tests.support.rooms import Somebody, somebody

pytestmark = [pytest.mark.page, pytest.mark.anyio, pytest.mark.timeout(280)]

CHECKOUT = Path(__file__).parents[2]
ROOM = "watched"
WITHIN = 240


@pytest.mark.parametrize("look", [(), ("--width", "390", "--height", "844", "--dark")], ids=["desktop", "phone"])
async def test_a_supervisor_helps_with_a_call(running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]) -> None:
    room, result = f"{ROOM}-{len(look)}", tmp_path / "result.json"
    with running.client() as client:
        admitted = client.post("/token", json={"identity": "caller", "room": room, "name": "Ada"}).json()
    async with somebody(admitted["wsUrl"], admitted["token"]) as caller:
        await caller.speak(0)  # a microphone that is on, and silent
        command = ["web/tests/live.mjs", "--url", running.ready["api_url"], "--key", running.ready["api_key"]]
        command += ["--room", room, "--json", str(result), *look]
        if shots := os.environ.get("SHOTS"):
            command += ["--screenshots", shots]
        told = await supervised(caller, command, result)
    assert told["before"] == "You are not connected to this call."
    assert told["words_in_sight"] > 250, "the transcript lies below the fold"
    assert told["listening"] == "Your microphone is off."
    assert told["ring"] in ("speaking", "listening", "thinking")
    assert "forty" not in told["without_hint"]
    assert "forty dollars" in told["with_hint"]
    assert told["whispering"] == "Your microphone is on: the persona hears you, the caller does not."
    assert told["taken"] == "Your microphone is on: the caller hears you, the persona is silent."
    assert told["answered_in_takeover"] == 0
    assert told["given_back"] == "Your microphone is off."
    assert told["goes_on"]
    assert told["after"] == "You are not connected to this call."
    assert told["wider_than_window"] is False
    assert told["faults"] == []


async def supervised(caller: Somebody, command: list[str], result: Path) -> dict[str, Any]:
    """Run the supervisor's page, and do as the caller what it asks for; its report."""
    page = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node",
        *command,
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert page.stdin is not None
    assert page.stdout is not None
    assert page.stderr is not None
    try:
        async with asyncio.timeout(WITHIN):
            async for line in page.stdout:
                what, _, words = line.decode().strip().partition(": ")
                if what == "ask":
                    await caller.room.local_participant.send_text(words, topic="lk.chat")
                elif what == "look":
                    await look_at(caller, words)
                page.stdin.write(b"done\n")
            problems = (await page.stderr.read()).decode()
            assert await page.wait() == 0, problems
    finally:
        if page.returncode is None:
            page.kill()
            await page.wait()
    told: dict[str, Any] = json.loads(result.read_text())
    return told


async def look_at(caller: Somebody, moment: str) -> None:
    """What the caller sees and hears of whoever supervises."""
    voices = [name for name in caller.room.remote_participants if name.startswith("supervisor-")]
    if moment == "taken":
        (voice,) = voices
        loudest = 0
        async with asyncio.timeout(30):
            while loudest < 500:  # the browser's microphone beeps once a second
                loudest = int(np.abs(await caller.listen_to(voice, 1.0)).max())
    elif moment == "given back":
        async with asyncio.timeout(30):
            while any(name.startswith("supervisor-") for name in caller.room.remote_participants):
                await asyncio.sleep(0.05)
    else:
        assert voices == []
