"""A caller's times on the real platform: answers, greeting, interruption, the monitor.

Everything is measured where a person would notice it: at the audio the caller receives and at the monitor's socket.
"""

import asyncio
import json
import secrets
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import connect

from parley.demo.caller import Caller, Voice
from parley.demo.conversation import Conversation, Place, Turn, questions

INTERRUPTION = "Hold on, one moment please, I have another question for you."


@dataclass
class Figures:
    """What was measured, in milliseconds."""

    answers: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    rest: list[float] = field(default_factory=list)
    greetings: list[float] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    monitor: list[float] = field(default_factory=list)
    wrong: int = 0

    def add(self, turn: Turn) -> None:
        """One answered question."""
        self.wrong += not turn.right
        if turn.answered_ms is None:
            return
        self.answers.append(turn.answered_ms)
        if turn.parts:
            for name, value in turn.parts.items():
                self.parts.setdefault(name, []).append(value)
            self.rest.append(turn.answered_ms - sum(turn.parts.values()))


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies; nan of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


async def measure(ready: dict[str, Any], *, turns: int, calls: int) -> Figures:
    """Calls one after the other, so that each has the machine for itself."""
    figures = Figures()
    place = Place.of(ready)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_watch(ready, figures))
        async with httpx2.AsyncClient(timeout=30) as http:
            script = questions()
            while len(figures.answers) < turns:
                conversation = Conversation(place, http, room=f"bench-{secrets.token_hex(4)}")
                async for turn in conversation.run(script):
                    figures.add(turn)
                figures.greetings.append(conversation.greeting_ms or float("nan"))
            for _ in range(calls):
                await _interrupt(ready, http, figures)
        watching.cancel()
    return figures


async def _interrupt(ready: dict[str, Any], http: httpx2.AsyncClient, figures: Figures) -> None:
    """Speak over the greeting; how long after the first syllable the persona was silent."""
    speech = Voice()(INTERRUPTION)
    asked = time.time()
    body = {"identity": "caller", "room": f"bench-{secrets.token_hex(4)}", "agent_config_id": ready["agent_id"]}
    headers = {"X-API-Key": ready["api_key"]}
    token = (await http.post(f"{ready['api_url']}/api/v1/token", json=body, headers=headers)).json()
    async with Caller(token["wsUrl"], token["token"]) as caller:
        figures.greetings.append((await caller.sound_after(asked, within=20) - asked) * 1000)
        began = time.time()
        ended = await caller.say(speech)
        last = max((frame.at for frame in caller.heard if frame.loud and frame.at < ended), default=began)
        figures.interruptions.append(max(0.0, last - began) * 1000)


async def _watch(ready: dict[str, Any], figures: Figures) -> None:
    """How long after a line was final it is on the monitor: its event's time against the socket's."""
    url = f"{ready['api_url'].replace('http', 'ws', 1)}/ws/monitor?api_key={ready['api_key']}"
    lines: dict[int, str] = {}
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"action": "subscribe", "channel": "sessions"}))
        async for text in socket:
            now = time.time()
            message = json.loads(text)
            if message["type"] == "transcript.new" and message["data"].get("final_at"):
                lines[message["id"]] = message["data"]["content"]
                figures.monitor.append((now - message["data"]["final_at"]) * 1000)


def median(values: list[float]) -> float:
    """The middle value; nan of nothing."""
    return statistics.median(values) if values else float("nan")
