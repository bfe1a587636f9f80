"""Callers who follow a script, and remember what they said and what they were told, and when.

A line that nobody answers is said again in other words ("…, try 2"), as people do: so each is known by itself.
"""

import asyncio
import base64
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from livekit import rtc

from agents.words import ENGLISH
from pocket.rooms.joining import connect
from tests.chaos.models import ANSWER

PATIENCE: Final = 8.0
"""Seconds that a caller waits for an answer before they say it again."""
COMES_WITHIN: Final = 20.0
"""Seconds that a caller waits for the persona to be there, before they speak all the same."""
RESUMES_WITHIN: Final = 1.5
"""Seconds that a persona which was gone gets to answer what was left open, before its caller says it again."""
THINKS: Final = (0.3, 1.5)
"""Seconds between an answer and the next line."""
LINES: Final = (10, 30)
"""Of one call, after which its caller hangs up and calls again."""
RETRY: Final = 1.0
"""Seconds between two tries to call."""
ENTERS_WITHIN: Final = 15.0
CHAT: Final = "lk.chat"
WRITTEN: Final = "lk.transcription"
STATE: Final = "lk.agent.state"
ORIGIN: Final = "http://chaos.example"


@dataclass
class Said:
    """A line of a caller; times are Unix seconds."""

    text: str
    at: float
    answered_at: float | None = None


@dataclass
class Told:
    """An answer that its caller was given; `whole`: to its last word."""

    number: int
    to: str
    at: float
    whole: bool = False


@dataclass
class Call:
    """One call, as its caller knows it."""

    name: str
    room: str
    began: float
    ended: float = 0.0
    how: str = ""
    """How it ended: `hung up`, `not entered: …`, or why its room was left."""
    said: list[Said] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    most_personas: int = 0
    """Seen in its room at one moment."""

    @property
    def answered(self) -> int:
        """Lines that were answered."""
        return sum(1 for each in self.said if each.answered_at)


class TextCaller:
    """Writes with the persona, by an embed key, call after call."""

    def __init__(self, name: str, seed: int, http: httpx2.AsyncClient, key: str, livekit_url: str) -> None:
        self.name, self.http, self.key, self.livekit_url = name, http, key, livekit_url
        self.dice = random.Random(f"{seed} {name}")
        self.calls: list[Call] = []
        self.refused: list[tuple[float, str]] = []
        """When it was told that it cannot call now, and why."""
        self.hung_up = asyncio.Event()
        """Set from outside: it ends its call and calls no more."""
        self._hearing: set[asyncio.Task[None]] = set()
        self._answered = asyncio.Event()
        self._asked = 0.0
        """Since when the line is being said that waits for its answer."""
        self._left = asyncio.Event()
        self._listens = asyncio.Event()
        """Set once a persona is there that listens."""
        self._is_back = asyncio.Event()
        """Set when a persona says that it was gone."""

    async def run(self) -> None:
        """Call until it is told to hang up."""
        while not self.hung_up.is_set():
            given = await self._token()
            if given is None:
                await self._pause(RETRY)
                continue
            call = Call(f"{self.name}.{len(self.calls) + 1}", room_in(given), time.time())
            self.calls.append(call)
            try:
                await self._call(call, given)
            except Exception as error:  # whatever the SDK raises where nothing answers
                call.how = f"not entered: {str(error)[:120] or type(error).__name__}"
            call.ended = time.time()
            await self._pause(RETRY if not call.answered else 0.1)

    async def _token(self) -> str | None:
        body = {"visitor": f"{self.name}-{len(self.calls):05d}".replace(".", "-"), "mode": "text"}
        headers = {"X-Embed-Key": self.key, "Origin": ORIGIN}
        return await self._ask("/embed/token", body, headers)

    async def _ask(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> str | None:
        try:
            answer = await self.http.post(path, json=body, headers=headers)
        except httpx2.TransportError as error:
            self.refused.append((time.time(), type(error).__name__))
            return None
        if answer.is_error:
            self.refused.append((time.time(), f"{answer.status_code} {answer.text[:120]}"))
            return None
        return str(answer.json()["token"])

    async def _call(self, call: Call, token: str) -> None:
        room = rtc.Room()
        self._watch(room, call)
        try:  # who gives up entering may be in all the same, as that is not broken off half-way
            async with asyncio.timeout(ENTERS_WITHIN):
                await connect(room, self.livekit_url, token, rtc.RoomOptions(connect_timeout=ENTERS_WITHIN))
            await self._converse(room, call)
        finally:
            with suppress(Exception):
                async with asyncio.timeout(5):
                    await room.disconnect()

    def _watch(self, room: rtc.Room, call: Call) -> None:
        self._left = left = asyncio.Event()
        self._listens = listens = asyncio.Event()

        def on_left(reason: int) -> None:
            call.how = call.how or f"room left: {rtc.DisconnectReason.Name(reason)}"
            left.set()

        def on_joined(_who: rtc.Participant) -> None:
            here = [each for each in room.remote_participants.values() if each.identity.startswith("agent-")]
            call.most_personas = max(call.most_personas, len(here))
            for each in here:
                on_attributes(each.attributes, each)

        def on_attributes(changed: dict[str, str], _who: rtc.Participant) -> None:
            if changed.get(STATE) in ("listening", "idle", "thinking", "speaking"):
                listens.set()

        room.on("participant_attributes_changed", on_attributes)
        room.on("disconnected", on_left)
        room.on("participant_connected", on_joined)
        room.register_text_stream_handler(WRITTEN, lambda reader, _who: self._read(call, reader))

    def _read(self, call: Call, reader: rtc.TextStreamReader) -> None:
        task = asyncio.create_task(self._hear(call, reader))
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)

    async def _hear(self, call: Call, reader: rtc.TextStreamReader) -> None:
        text = ""
        with suppress(Exception):  # its persona died in the midst of it
            async for piece in reader:
                text += piece
        heard = ANSWER.search(text)
        if heard is None:
            if ENGLISH.bridge in text:
                self._is_back.set()
            return
        to = heard[2].strip()
        line = next((each for each in call.said if each.text == to), None)
        # When it was said: it may have been on its way for longer than whoever said it lived.
        call.told.append(Told(int(heard[1]), to, reader.info.timestamp / 1000, whole=line is not None))
        if line is not None and line.answered_at is None:
            line.answered_at = time.time()
            if line.at >= self._asked:
                self._answered.set()

    async def _converse(self, room: rtc.Room, call: Call) -> None:
        await self._wait(COMES_WITHIN, self._listens)
        for number in range(1, self.dice.randint(*LINES) + 1):
            tries, self._asked = 0, time.time()
            self._answered.clear()
            while not self._answered.is_set():
                if self._is_over():
                    return self._hang_up(call)
                tries += 1
                self._is_back.clear()
                await self._say(room, call, f"{call.name} line {number} try {tries}")
                await self._wait(PATIENCE, self._answered, self._is_back)
                if self._is_back.is_set():
                    await self._wait(RESUMES_WITHIN, self._answered)
            await self._pause(self.dice.uniform(*THINKS))
            if self._is_over():
                return self._hang_up(call)
        return self._hang_up(call)

    async def _say(self, room: rtc.Room, call: Call, text: str) -> None:
        call.said.append(Said(text, time.time()))
        with suppress(Exception):  # the room is being entered again, or is gone: nobody heard it
            async with asyncio.timeout(PATIENCE):
                await room.local_participant.send_text(text, topic=CHAT)

    def _is_over(self) -> bool:
        return self._left.is_set() or self.hung_up.is_set()

    def _hang_up(self, call: Call) -> None:
        call.how = call.how or "hung up"

    async def _wait(self, seconds: float, *events: asyncio.Event) -> None:
        """Until something of it happens, the call is over, or the time is."""
        waits = [asyncio.create_task(each.wait()) for each in (*events, self._left, self.hung_up)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.hung_up.wait()


def room_in(token: str) -> str:
    """The room that a token opens, by LiveKit's name."""
    claims = token.split(".")[1]
    content = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return str(content["video"]["room"])
