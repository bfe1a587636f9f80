"""Calls that share processes, with everything around them: what befalls one befalls no other, and none is lost with
its process."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.support.database import Clone
from tests.support.fleet import Fleet, a_fleet, a_key
from tests.support.typists import Typist, check_lines, ended, lines_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

CALLS: Final = 5
"""On two workers: of one process three at least."""
PER_PROCESS: Final = 8
CLAIMED: Final = re.compile(r"^\{.*\"job claimed\".*\}$", re.MULTILINE)


@dataclass
class Shared:
    """All of it, and whom one may call."""

    fleet: Fleet
    key: str
    database_url: str
    folder: Path

    async def agent(self, **settings: Any) -> int:
        """Somebody to call."""
        body = {"name": "Yes", "instructions": "Say yes.", **settings}
        return int((await self.fleet.ask("POST", "/agents", self.key, body))["agent"]["id"])

    async def call(self, agent_id: int) -> Typist:
        """A caller with a token."""
        made = await self.fleet.ask("POST", f"/agents/{agent_id}/try", self.key, {"mode": "text"})
        return Typist(made["wsUrl"], made["token"], made["room"])

    def processes(self) -> dict[int, set[int]]:
        """Of each process of calls the sessions that began in it."""
        found: dict[int, set[int]] = {}
        for log in self.folder.glob("worker-*.log"):
            for line in map(json.loads, CLAIMED.findall(log.read_text())):
                found.setdefault(line["pid"], set()).add(line["session"])
        return found

    def lost(self) -> set[int]:
        """Sessions whose persona was lost and is to come again."""
        with psycopg.connect(self.database_url) as connection:
            return {
                row[0] for row in connection.execute("select session_id from session_job where lost_at is not null")
            }


@asynccontextmanager
async def callers(shared: Shared, agents: Sequence[int]) -> AsyncIterator[list[Typist]]:
    """Somebody in a call with each of these agents."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(await shared.call(agent)) for agent in agents]


async def all_answered(typists: Collection[Typist], number: int) -> None:
    await asyncio.gather(*(typist.ask(number) for typist in typists))


@pytest.fixture
async def shared(clone: Clone, redis_url: str, tmp_path: Path) -> AsyncIterator[Shared]:
    key = await a_key(clone.app)
    options = {"places": PER_PROCESS, "drain": 3, "calls_per_process": PER_PROCESS}
    async with a_fleet(clone.app, redis_url, tmp_path, **options) as fleet:
        yield Shared(fleet, key, clone.owner, tmp_path)


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGKILL])
async def test_calls_whose_common_process_dies_go_on_where_they_were(shared: Shared, how: signal.Signals) -> None:
    agent = await shared.agent()
    async with callers(shared, [agent] * CALLS) as typists:
        await all_answered(typists, 0)
        pid, sessions = max(shared.processes().items(), key=lambda each: len(each[1]))
        assert len(sessions) > CALLS // 2
        os.kill(pid, how)
        await all_answered(typists, 1)
        await all_answered(typists, 2)
    assert shared.lost() == sessions, "each call of that process, and no other"
    for typist in typists:
        session = await ended(shared.fleet, shared.key, typist)
        assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
        assert typist.was_left() == (session["id"] in sessions)
        check_lines(typist, await lines_of(shared.fleet, shared.key, session["id"]))
    assert shared.fleet.errors == []


async def test_a_call_that_fails_takes_none_of_its_process_along(shared: Shared) -> None:
    good, bad = await shared.agent(), await shared.agent(llm_model="nonsense")
    async with callers(shared, [good] * CALLS) as typists, callers(shared, [bad] * 2) as unlucky:
        await all_answered(typists, 0)
        for number in range(2):  # turns without an answer, after which a call is given up
            for typist in unlucky:
                await typist.say(f"word w{number}")
            assert not any(await asyncio.gather(*(each.is_answered(number) for each in unlucky)))
        failed = [await ended(shared.fleet, shared.key, typist, within=180) for typist in unlucky]
        assert [session["outcome"] for session in failed] == ["failed"] * len(unlucky)
        await all_answered(typists, 1)
    both = [held for held in shared.processes().values() if held & {session["id"] for session in failed}]
    assert all(len(held) > 1 for held in both), "it had a process for itself: nothing was tried"
    assert shared.lost() == set()
    for typist in typists:
        session = await ended(shared.fleet, shared.key, typist)
        assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
        check_lines(typist, await lines_of(shared.fleet, shared.key, session["id"]))
