"""Callers who speak. What they say the recognition of the run knows, and what they are told they read and hear."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

import httpx2
from livekit import rtc

from parley.demo.caller import Caller, CallFailed
from parley.demo.voice import Voice
from tests.chaos.callers import PATIENCE, Call, Said, TextCaller
from tests.chaos.models import Script

SENTENCE: Final = "How long is the warranty on a repair"
"""What is heard of every line; what it says, the script tells."""
GREETED_WITHIN: Final = 30.0


class VoiceCaller(TextCaller):
    """Speaks with the persona, call after call."""

    def __init__(
        self,
        name: str,
        seed: int,
        http: httpx2.AsyncClient,
        livekit_url: str,
        *,
        agent_id: int,
        heard_as: str,
        script: Script,
        voice: Voice,
        api_key: str,
    ) -> None:
        super().__init__(name, seed, http, "", livekit_url)
        self.agent_id, self.heard_as, self.script, self.speech, self.api_key = (
            agent_id,
            heard_as,
            script,
            voice,
            api_key,
        )

    async def _token(self) -> str | None:
        body: dict[str, Any] = {
            "identity": self.name,
            "room": f"{self.name}-{len(self.calls) + 1}-{round(time.time())}",
            "agent_config_id": self.agent_id,
        }
        return await self._ask("/token", body, {"X-API-Key": self.api_key})

    async def _call(self, call: Call, token: str) -> None:
        caller = Caller(self.livekit_url, token, self.speech)
        room: rtc.Room = caller._room
        self._watch(room, call)
        async with caller:
            with suppress(CallFailed):  # it may be slow: whoever called speaks first then
                await caller.hear_greeting(timeout=GREETED_WITHIN)
            await self._speak(caller, call)

    async def _speak(self, caller: Caller, call: Call) -> None:
        for number in range(1, self.dice.randint(5, 12) + 1):
            tries, self._asked = 0, time.time()
            self._answered.clear()
            while not self._answered.is_set():
                if self._is_over():
                    break
                tries += 1
                text = f"{call.name} line {number} try {tries}"
                call.said.append(Said(text, time.time()))
                self.script.saying[self.heard_as] = text
                with suppress(CallFailed):
                    await caller.ask(SENTENCE, timeout=PATIENCE)
                if not self._answered.is_set():
                    await self._wait(1.0, self._answered)
                self.script.saying.pop(self.heard_as, None)
            if self._is_over():
                return self._hang_up(call)
            await asyncio.sleep(self.dice.uniform(0.2, 0.8))
        return self._hang_up(call)
