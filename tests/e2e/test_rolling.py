"""A new version is rolled out in mid-call: every process is stopped and started again, and nobody loses a word."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import structlog
from livekit import rtc

from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Account, Member, Project
from control_plane.db.database import Database
from control_plane.ids import random_secret
from control_plane.secrets.box import SecretBox
from tests.support.database import Clone
from tests.support.fleet import Fleet, a_fleet
from tests.support.platform import SECRET_KEY

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

CALLS: Final = 20
AT_ONCE: Final = 5
"""Calls at the same time: each is a process, and a machine with two cores starts so many at once in time."""
LINES: Final = 12
ANSWERED_WITHIN: Final = 15.0
"""Seconds after which somebody who got no answer asks again, as people do."""
PAUSE: Final = 1.5
"""Seconds in which somebody reads an answer and types the next line."""
DRAIN: Final = 3
WORD: Final = re.compile(r"w(\d+)")

log = structlog.get_logger()


@dataclass
class Typist:
    """Somebody who types lines to a persona, each once the one before was answered."""

    url: str
    token: str
    room_name: str
    room: rtc.Room = field(default_factory=rtc.Room)
    typed: list[str] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def talk(self) -> None:
        """The whole call."""
        self.room.register_text_stream_handler("lk.transcription", self._on_text)
        self.room.on("participant_connected", lambda _: self._changed.set())
        await self.room.connect(self.url, self.token)
        try:
            for number in range(LINES):
                await self._ask(number)
                await asyncio.sleep(PAUSE)
        finally:
            await self.room.disconnect()
            for task in self._reading:
                task.cancel()
            await asyncio.gather(*self._reading, return_exceptions=True)

    async def _ask(self, number: int) -> None:
        for tries in range(6):
            await self._until(self._is_persona_here, 90)
            text = f"word w{number}" if tries == 0 else f"word w{number}, try {tries}"
            self.typed.append(text)
            await self.room.local_participant.send_text(text, topic="lk.chat")
            with suppress(TimeoutError):
                await self._until(lambda: number in self.answered, ANSWERED_WITHIN)
                return
        raise AssertionError(f"no answer to line {number} in {self.room_name}")

    def _is_persona_here(self) -> bool:
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
        self.answered |= {int(number) for number in WORD.findall(await reader.read_all())}
        self._changed.set()


async def a_key(clone: Clone) -> str:
    """A project's key."""
    database = Database(clone.app.replace("postgresql://", "postgresql+psycopg://", 1), pool=2)
    key, secret = random_secret("pk_"), random_secret("sk_")
    try:
        async with database.platform() as db:

            async def add(row: Any) -> Any:
                db.add(row)
                await db.flush()
                return row

            account = await add(
                Account(email="r@example.org", name="r", plan="enterprise", requests_per_minute=100_000)
            )
            project = await add(Project(account_id=account.id, slug="proj", name="r"))
            await add(Member(account_id=account.id, email=account.email, name="r", role="owner"))
            box = SecretBox(SECRET_KEY)
            await add(seal_key(box, project_id=project.id, label="t", key=key, secret=secret, scopes=["*"]))
    finally:
        await database.close()
    return key


async def until(look: Callable[[], Awaitable[Any]], within: float = 60) -> Any:
    async with asyncio.timeout(within):
        while not (found := await look()):
            await asyncio.sleep(0.2)
    return found


@dataclass
class Rolling:
    """Calls that go on while everything is restarted."""

    fleet: Fleet
    key: str
    agent_id: int
    typists: list[Typist] = field(default_factory=list)
    rolled: bool = False

    async def call_on(self) -> None:
        """One call after the other, until all has been restarted and there were enough of them."""
        while not self.rolled or len(self.typists) < CALLS:
            made = await self.fleet.ask("POST", f"/agents/{self.agent_id}/try", self.key, {"mode": "text"})
            typist = Typist(made["wsUrl"], made["token"], made["room"])
            self.typists.append(typist)
            await typist.talk()

    async def roll(self) -> None:
        """Each process in turn, once all calls go on after the last."""
        for part in self.fleet.parts.values():
            await self._go_on()
            await part.restart()
        await self._go_on()
        self.rolled = True

    async def _go_on(self) -> None:
        """Until there were as many more answers as there are calls."""
        before = self._answers()
        async with asyncio.timeout(120):
            while self._answers() < before + AT_ONCE:
                await asyncio.sleep(0.1)

    def _answers(self) -> int:
        return sum(len(typist.answered) for typist in self.typists)


async def check(rolling: Rolling, typist: Typist) -> int:
    """A call ended well, with every line once and in order; how many jobs it had."""

    async def ended() -> dict[str, Any] | None:
        rows = await rolling.fleet.ask("GET", "/sessions?per_page=100", rolling.key)
        mine = [row for row in rows["sessions"] if typist.room_name.endswith(row["room_name"])]
        assert len(mine) == 1, f"{typist.room_name} has {len(mine)} sessions"
        return mine[0] if mine[0]["status"] == "completed" else None

    session = await until(ended)
    detail = (await rolling.fleet.ask("GET", f"/sessions/{session['id']}/detail", rolling.key))["session"]
    assert (detail["outcome"], detail["end_reason"]) == ("ok", "caller_left"), typist.room_name
    told = await rolling.fleet.ask("GET", f"/sessions/{session['id']}/transcript", rolling.key)
    lines = [line["content"] for line in told["transcripts"] if line["speaker"] == "user"]
    assert len(lines) == len(set(lines)), "a line is there twice"
    assert set(lines) <= set(typist.typed)
    numbers = [int(WORD.findall(line)[0]) for line in lines]
    assert set(numbers) == set(range(LINES)), "a line that was answered is lost"
    assert all(before <= after for before, after in pairwise(numbers)), "lines are out of order"
    assert lines == [line for line in typist.typed if line in set(lines)]
    return int(session["id"])


async def test_a_rolling_restart_under_calls_loses_nothing(clone: Clone, redis_url: str, tmp_path: Path) -> None:
    key = await a_key(clone)
    async with a_fleet(clone.app, redis_url, tmp_path, places=2 * AT_ONCE, drain=DRAIN) as fleet:
        agent = await fleet.ask("POST", "/agents", key, {"name": "Yes", "instructions": "Say yes."})
        rolling = Rolling(fleet, key, int(agent["agent"]["id"]))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(rolling.call_on())
            tasks.create_task(rolling.roll())
        sessions = [await check(rolling, typist) for typist in rolling.typists]
        assert fleet.errors == []
        for name, part in fleet.parts.items():
            limit = DRAIN + 12 if name.startswith("worker") else 15
            assert all(seconds < limit for seconds in part.stopped_in), (name, part.stopped_in)
    assert len(sessions) == len(set(sessions)) >= CALLS
    with psycopg.connect(clone.owner) as connection:
        kinds = connection.execute(
            "select session_id, count(*) from (select (data ->> 'session_id')::bigint as session_id from event"
            " where type = 'session.ended') told group by session_id having count(*) > 1"
        ).fetchall()
        handed_on = connection.execute("select count(*) from session_job where lost_at is not null").fetchone()
        waiting = connection.execute("select count(*) from slot where session_id is not null").fetchone()
    assert kinds == []
    assert handed_on is not None
    assert handed_on[0] > 0, "a drain was long enough for all calls: nothing was tried"
    assert waiting == (0,)
    repeats = sum(len(typist.typed) - LINES for typist in rolling.typists)
    stops = {name: [round(each, 1) for each in part.stopped_in] for name, part in fleet.parts.items()}
    told = {
        "calls": len(sessions),
        "handed_on": handed_on[0],
        "typed_again": repeats,
        "told_to_come_again": fleet.refused,
    }
    log.info("rolled", **told, stopped_in=stops)
