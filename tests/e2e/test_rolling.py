"""A new version is rolled out in mid-call: every process is stopped and started again, and nobody loses a word."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
import pytest
import structlog

from tests.support.database import Clone
from tests.support.fleet import Fleet, a_fleet, a_key
from tests.support.typists import Typist, check_lines, ended, lines_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

CALLS: Final = 20
AT_ONCE: Final = 5
"""Calls at the same time: each is a process, and a machine with two cores starts so many at once in time."""
LINES: Final = 12
PAUSE: Final = 1.5
"""Seconds in which somebody reads an answer and types the next line."""
DRAIN: Final = 3

log = structlog.get_logger()


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
            await self._talk(typist)

    @staticmethod
    async def _talk(typist: Typist) -> None:
        async with typist:
            for number in range(LINES):
                await typist.ask(number)
                await asyncio.sleep(PAUSE)

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


async def test_a_rolling_restart_under_calls_loses_nothing(clone: Clone, redis_url: str, tmp_path: Path) -> None:
    key = await a_key(clone.app)
    async with a_fleet(clone.app, redis_url, tmp_path, places=2 * AT_ONCE, drain=DRAIN) as fleet:
        agent = await fleet.ask("POST", "/agents", key, {"name": "Yes", "instructions": "Say yes."})
        rolling = Rolling(fleet, key, int(agent["agent"]["id"]))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(rolling.call_on())
            tasks.create_task(rolling.roll())
        sessions = []
        for typist in rolling.typists:
            session = await ended(fleet, key, typist)
            assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left"), typist.room_name
            check_lines(typist, await lines_of(fleet, key, session["id"]))
            assert typist.answered == set(range(LINES))
            sessions.append(int(session["id"]))
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
