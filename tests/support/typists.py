"""People who type to a persona, line after line, and what must be written down of them."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Self

from livekit import rtc

from agents.words import ENGLISH
from pocket.rooms.joining import connect
from tests.support.fleet import Fleet

ANSWERED_WITHIN: Final = 15.0
"""Seconds after which somebody who got no answer asks again, as people do."""
COMES_WITHIN: Final = 90.0
RESUMES_WITHIN: Final = 3.0
"""Seconds that a persona which was gone gets to answer what was left open."""
TRIES: Final = 6
WORD: Final = re.compile(r"w(\d+)")


@dataclass
class Typist:
    """Somebody who types lines to a persona, each once the one before was answered. Use as a context."""

    url: str
    token: str
    room_name: str
    room: rtc.Room = field(default_factory=rtc.Room)
    typed: list[str] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    """What was said to them, in whole pieces."""
    told: list[str] = field(default_factory=list)
    """What their SDK told of the connection: reconnecting, reconnected, disconnected."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def enter(self) -> None:
        """Join the room."""
        self.room.register_text_stream_handler("lk.transcription", self._on_text)
        self.room.on("participant_connected", lambda _: self._changed.set())
        self.room.on("reconnecting", lambda: self.told.append("reconnecting"))
        self.room.on("reconnected", lambda: self.told.append("reconnected"))
        self.room.on("disconnected", lambda *_: self.told.append("disconnected"))
        await connect(self.room, self.url, self.token, rtc.RoomOptions())

    async def leave(self) -> None:
        """Hang up."""
        await self.room.disconnect()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def ask(self, number: int) -> float:
        """Type a line until it is answered; the seconds that took."""
        began = time.monotonic()
        for tries in range(TRIES):
            await self._until(self.sees_persona, COMES_WITHIN)
            await self.say(f"word w{number}" if tries == 0 else f"word w{number}, try {tries}")
            if await self.is_answered(number):
                return time.monotonic() - began
        raise AssertionError(f"no answer to line {number} in {self.room_name}")

    async def say(self, text: str) -> None:
        """Type a line."""
        self.typed.append(text)
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def is_answered(self, number: int, *, within: float = ANSWERED_WITHIN) -> bool:
        """Wait for the answer to a line, as long as anybody would."""
        with suppress(TimeoutError):
            await self._until(lambda: number in self.answered, within)
        return number in self.answered

    async def is_heard(self, number: int, *, within: float) -> bool:
        """Ask again once a persona says that it was gone, and did not hear; otherwise as late as anybody would."""
        with suppress(TimeoutError):
            await self._until(lambda: number in self.answered or self.was_left(), within)
        return await self.is_answered(number, within=RESUMES_WITHIN)

    def was_left(self) -> bool:
        """Whether a persona said that it was gone."""
        return any(ENGLISH.bridge in text for text in self.heard)

    def sees_persona(self) -> bool:
        """Whether one is in the room."""
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return any(each.kind == agent for each in self.room.remote_participants.values())

    async def _until(self, is_so: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    def _on_text(self, reader: rtc.TextStreamReader, _: str) -> None:
        task = asyncio.create_task(self._read(reader))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.TextStreamReader) -> None:
        text = await reader.read_all()
        self.heard.append(text)
        self.answered |= {int(number) for number in WORD.findall(text)}
        self._changed.set()


async def ended(fleet: Fleet, key: str, typist: Typist, *, within: float = 60) -> dict[str, Any]:
    """The one session of a room, once it has ended."""
    async with asyncio.timeout(within):
        while True:
            rows = await fleet.ask("GET", "/sessions?per_page=100", key)
            mine = [row for row in rows["sessions"] if typist.room_name.endswith(row["room_name"])]
            assert len(mine) == 1, f"{typist.room_name} has {len(mine)} sessions"
            if mine[0]["status"] == "completed":
                detail = await fleet.ask("GET", f"/sessions/{mine[0]['id']}/detail", key)
                session: dict[str, Any] = detail["session"]
                return session
            await asyncio.sleep(0.2)


async def lines_of(fleet: Fleet, key: str, session_id: int) -> list[tuple[str, str]]:
    """Who said what, as the transcript has it."""
    told = await fleet.ask("GET", f"/sessions/{session_id}/transcript", key)
    return [(line["speaker"], line["content"]) for line in told["transcripts"]]


def check_lines(typist: Typist, lines: Sequence[tuple[str, str]]) -> None:
    """Every line that was answered is there once, in order, and none that nobody typed."""
    users = [content for speaker, content in lines if speaker == "user"]
    assert len(users) == len(set(users)), "a line is there twice"
    assert set(users) <= set(typist.typed)
    numbers = [int(WORD.findall(line)[0]) for line in users]
    assert typist.answered <= set(numbers), "a line that was answered is lost"
    assert all(before <= after for before, after in pairwise(numbers)), "lines are out of order"
    assert users == [line for line in typist.typed if line in set(users)]


def check_answers(typist: Typist, lines: Sequence[tuple[str, str]]) -> None:
    """Every answer that was given is there once, behind what it answers."""
    said = [content for speaker, content in lines if speaker == "agent"]
    answers = Counter(f"Yes, {line}." for line in typist.typed for text in said if f"Yes, {line}." in text)
    assert all(times == 1 for times in answers.values()), f"an answer is there twice: {answers}"
    given = {f"Yes, {line}." for line in typist.typed if any(f"Yes, {line}." in text for text in typist.heard)}
    assert given <= set(answers), "an answer that was given is lost"
    places = [content for _, content in lines]
    for line in typist.typed:
        behind = next((place for place, text in enumerate(places) if f"Yes, {line}." in text), None)
        assert behind is None or line in places[:behind], f"the answer to “{line}” stands before it"
