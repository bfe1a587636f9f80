"""Calls out by the platform's own API to a phone that rings and answers: how soon they are placed, and how soon one
hears the persona."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import SecretStr

from bench.telephones import QUIET, Line, Telephones, telephones
from parley.client import Access, Api, Ready
from pocket.rtp.codecs import Samples

RINGING: Final = 3.0
"""Seconds until the phone answers, for the greeting to be prepared."""
HEARD_WITHIN, OVER_WITHIN = 15.0, 15.0
CALLEE: Final = "+12025550123"


class Ear:
    """When the first sound came."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def __call__(self, pcm: Samples) -> None:
        if not self.heard.done() and np.abs(pcm.astype(np.int32)).mean() >= QUIET:
            self.heard.set_result(time.time())


async def dialled(ready: Ready, calls: int) -> dict[str, list[float]]:
    """Milliseconds from the request to LiveKit being asked, and from the answer to the first sound at the phone."""
    access = Access(api_url=ready.api_url, api_key=SecretStr(ready.api_key))
    placed: dict[str, float] = {}
    found: dict[str, list[float]] = {"request → CreateSIPParticipant": [], "answer → first sound": []}
    async with Api(access) as api, telephones(ringing=RINGING) as phones, _line(api, phones) as number:
        silence = np.zeros(160, np.int16)
        phones.say = lambda: silence
        for _ in range(calls):
            ear = phones.on_audio = Ear()
            began = time.time()
            asked = {"phone_number": CALLEE, "caller_id": number, "agent_config_id": ready.agent_id}
            call = (await api.send("POST", "/sip/dial", asked))["call"]
            placed[call["full_room_name"]] = began
            async with asyncio.timeout(RINGING + HEARD_WITHIN):
                heard = await ear.heard
            line: Line = next(iter(phones.lines.values()))
            found["answer → first sound"].append(1000 * (heard - line.answered_at))
            await api.send("POST", f"/sip/calls/{call['id']}/hangup")
            await _until_over(api, call["id"])
    found["request → CreateSIPParticipant"] = _delays(Path(ready.log_dir) / "livekit.log", placed)
    return found


@asynccontextmanager
async def _line(api: Api, phones: Telephones) -> AsyncIterator[str]:
    """A trunk to the phones, for the length of a block; its number."""
    number = f"+1202555{secrets.randbelow(10_000):04}"
    wanted = {"name": "bench", "phone_number": number, "address": phones.address}
    trunk = (await api.send("POST", "/sip/trunks", wanted))["trunk"]
    try:
        yield number
    finally:
        await api.send("DELETE", f"/sip/trunks/{trunk['id']}")


async def _until_over(api: Api, call_id: int) -> None:
    async with asyncio.timeout(OVER_WITHIN):
        while True:
            calls: list[dict[str, Any]] = (await api.send("GET", "/sip/calls"))["calls"]
            if next(call for call in calls if call["id"] == call_id)["ended_at"]:
                return
            await asyncio.sleep(0.2)


def _delays(log: Path, placed: dict[str, float]) -> list[float]:
    """LiveKit tells of each request when it has answered it, and how long that took."""
    delays = []
    for line in log.read_text().splitlines():
        if "SIP.CreateSIPParticipant" in line:
            told = json.loads(line)
            if told["room"] in placed:
                delays.append(1000 * (told["ts"] - told["duration"] - placed[told["room"]]))
    return delays
