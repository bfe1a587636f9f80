"""Bots on the whole platform, as their customer sees them: how soon a status is told, and how soon all is there."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import httpx2

from bench.first_call import percentile
from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.voice import Voice
from tests.support.meetings import a_bot
from tests.support.receiver import Received, Receiver, receiving

VISITS: Final = 10
"""Bots that come and go, one after the other."""
WITHIN: Final = 60.0
UNWRITTEN: Final = "its end without words, s"
GOALS: Final = {"status told, p50 ms": "–", "status told, p95 ms": "≤ 500", UNWRITTEN: "≤ 10"}
COMPLETE: Final = "complete after a meeting of {:.0f} s, s"
SENTENCES: Final = (
    "When does the restaurant open tomorrow?",
    "The library is closed on Sunday.",
    "Please send me the report before seven.",
)


async def measure_told(ready: Ready, meeting_seconds: float) -> dict[str, float]:
    """All figures; that of the meeting where it lasts longer than nothing."""
    headers = {"X-API-Key": ready.api_key}
    async with httpx2.AsyncClient(base_url=ready.api_url, headers=headers, timeout=30) as http, receiving() as receiver:
        made = (await http.post("/api/meetings", json={"title": "Bench"})).raise_for_status().json()
        async with _talking(ready, made):
            late: list[float] = []
            for visit in range(VISITS):
                late += await _visit(http, receiver, made["url"], f"/{visit}")
            found = {
                "status told, p50 ms": percentile(late, 0.5) * 1000,
                "status told, p95 ms": percentile(late, 0.95) * 1000,
            }
            if meeting_seconds:
                asked = {"recording_mode": "speaker_view", "speech_to_text": "Default"}
                bot_id = await _send(http, receiver, made["url"], "/long", **asked)
                await _told(receiver, "/long", "in_call_not_recording")
                await asyncio.sleep(meeting_seconds)
                took, unwritten = await _completes(http, receiver, bot_id, meeting_seconds)
                found |= {COMPLETE.format(meeting_seconds): took, UNWRITTEN: unwritten}
            return found


async def _visit(http: httpx2.AsyncClient, receiver: Receiver, url: str, path: str) -> list[float]:
    """Seconds from each status of a bot to its webhook."""
    bot_id = await _send(http, receiver, url, path, recording_mode="audio_only")
    await _told(receiver, path, "in_call_recording")
    (await http.delete(f"/bots/{bot_id}")).raise_for_status()
    await _told(receiver, path, "complete")
    late = []
    for received in receiver.at(path):
        status = received.event["data"].get("status")
        if status is not None:
            late.append(_at(received) - datetime.fromisoformat(status["created_at"]).timestamp())
    return late


async def _completes(http: httpx2.AsyncClient, receiver: Receiver, bot_id: str, lasted: float) -> tuple[float, float]:
    """Seconds from the end of a meeting, which is the bot's dismissal, to the webhook with film and words; and how much
    of the meeting has passed after the last of these words."""
    ended = time.time()
    (await http.delete(f"/bots/{bot_id}")).raise_for_status()
    received = await _told(receiver, "/long", "complete")
    data = received.event["data"]
    ends = [word["end"] for line in data["transcript"] for word in line["words"]]
    if not data["mp4"] or not ends:
        raise RuntimeError(f"the bot came back without all: {len(ends)} words, mp4: {bool(data['mp4'])}")
    return _at(received) - ended, max(0.0, lasted - max(ends))


def _at(received: Received) -> float:
    """When a webhook came, in Unix seconds; a receiver notes it by another clock."""
    return received.at + time.time() - time.perf_counter()


async def _send(http: httpx2.AsyncClient, receiver: Receiver, url: str, path: str, **asked: Any) -> str:
    body = {"meeting_url": url, "bot_name": "Notetaker", "webhook_url": receiver.url + path}
    answer = await http.post("/bots", json=body | {"deduplication_key": secrets.token_hex(4)} | asked)
    return str(answer.raise_for_status().json()["bot_id"])


async def _told(receiver: Receiver, path: str, code: str) -> Received:
    """The webhook of a status, or the event of that name."""
    for count in range(1, 10):
        received = (await receiver.wait_for(count, path, WITHIN))[count - 1]
        event = received.event
        if event["event"] == "failed":
            raise RuntimeError(f"a bot failed: {event['data']}")
        if code in (event["event"], event["data"].get("status", {}).get("code")):
            return received
    raise RuntimeError(f"{code} was not told")


@asynccontextmanager
async def _talking(ready: Ready, meeting: dict[str, Any]) -> AsyncIterator[None]:
    """Somebody who speaks in a meeting all the time."""
    voice = Voice(MICROPHONE_RATE)

    async def talk(caller: Caller) -> None:
        while True:
            for sentence in SENTENCES:
                await caller.say(sentence)
                await asyncio.sleep(1)

    try:
        async with a_bot(ready.api_url) as ada:
            entry = (await ada.join(meeting, "Ada"))["livekit"]
            async with Caller(entry["url"], entry["token"], voice) as caller:
                speaking = asyncio.create_task(talk(caller))
                try:
                    yield
                finally:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
    finally:
        voice.close()
