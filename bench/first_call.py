"""A caller's times on the real platform: answers, greeting, interruption, the monitor.

Everything is measured where a person would notice it: at the audio the caller receives and at the monitor's socket.
"""

import asyncio
import json
import secrets
import statistics
import time
from dataclasses import dataclass, field
from datetime import datetime

from websockets.asyncio.client import connect

from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.conversation import Answered, converse
from parley.demo.platform import Platform
from parley.demo.script import Question, load_questions
from parley.demo.voice import Voice

INTERRUPTION = "Hold on, one moment please, I have another question for you."


@dataclass
class Figures:
    """What was measured, in milliseconds. It watches the conversations."""

    answers: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    unexplained: list[float] = field(default_factory=list)
    greetings: list[float] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    monitor: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def calling(self, room: str) -> None:
        """A call begins."""

    def greeted(self, text: str, seconds: float) -> None:
        """The greeting is measured by `_greet`, from the request for the token."""

    def asking(self, question: Question) -> None:
        """The caller begins to speak."""

    def answered(self, turn: Answered) -> None:
        """One answer."""
        if not turn.right:
            self.wrong.append(f"{turn.question.ask} → {turn.heard}")
        self.answers.append(turn.latency_s * 1000)
        for name, value in turn.parts.items():
            self.parts.setdefault(name, []).append(value)
        if turn.parts:
            self.unexplained.append(turn.latency_s * 1000 - sum(turn.parts.values()))

    def failed(self, reason: str) -> None:
        """A call that failed makes the whole measurement worthless."""
        raise RuntimeError(reason)


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else float("nan")


def median(values: list[float]) -> float:
    """The middle value; nan of nothing."""
    return statistics.median(values) if values else float("nan")


async def measure(ready: Ready, *, turns: int, calls: int) -> Figures:
    """Calls one after the other, so that each has the machine for itself."""
    figures = Figures()
    watching = asyncio.create_task(_watch(ready, figures))
    voice = Voice(MICROPHONE_RATE)
    await voice.warm()
    try:
        while len(figures.answers) < turns:
            await converse(ready, load_questions(min(5, turns - len(figures.answers))), figures)
        async with Platform(ready) as platform:
            for _ in range(calls):
                await _greet_and_interrupt(ready, platform, voice, figures)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        voice.close()
    return figures


async def _greet_and_interrupt(ready: Ready, platform: Platform, voice: Voice, figures: Figures) -> None:
    asked = time.time()
    room = f"bench-{secrets.token_hex(4)}"
    token = await platform.token(identity="caller", room=room, agent_id=ready.agent_id)
    async with Caller(token.wsUrl, token.token, voice) as caller:
        joined = time.time()
        greeting = await caller.hear_greeting()
        # The greeting's own latency counts from the moment the caller began to listen for it.
        figures.greetings.append((joined - asked + greeting.latency_s) * 1000)
        talked_on = await caller.barge_in(load_questions(1)[0].ask, INTERRUPTION)
        figures.interruptions.append(talked_on * 1000)


async def _watch(ready: Ready, figures: Figures) -> None:
    """How long after its commit a line is on the monitor: the event's own time against the socket's."""
    url = f"{ready.api_url.replace('http', 'ws', 1)}/ws/monitor?api_key={ready.api_key}"
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"action": "subscribe", "channel": "sessions"}))
        async for text in socket:
            now = time.time()
            message = json.loads(text)
            if message["type"] == "transcript.new" and message["data"].get("final_at"):
                final = datetime.fromisoformat(message["data"]["final_at"]).timestamp()
                figures.monitor.append((now - final) * 1000)
