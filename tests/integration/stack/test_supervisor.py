"""The supervisor with small children: kept alive, told about, stopped in order, never left behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parley.stack import processes
from parley.stack.children import Child
from parley.stack.errors import ChildFailed
from parley.stack.records import RunRecord
from parley.stack.supervisor import Supervisor
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.anyio

SLEEPER = "import signal; signal.pause()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    signal.pause()
"""
PARENT = "import signal, subprocess; subprocess.Popen(['sleep', '600']); signal.pause()"


class Platform:
    """A supervisor and what it said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self._news = asyncio.Event()
        self.folder = folder
        self.record = RunRecord(folder / "processes.json")
        self.supervisor = Supervisor(log_dir=folder, record=self.record, announce=self._hear, changed=self._note)
        self.ended: list[str] = []
        self._names: set[str] = set()

    def _note(self) -> None:
        """Note who ran and runs no more."""
        running = set(self.supervisor.pids)
        self.ended += sorted(self._names - running)
        self._names = running
        self._news.set()

    def _hear(self, sentence: str) -> None:
        self.said.append(sentence)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def pid(self, name: str) -> int:
        return self.supervisor.pids[name]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Platform]:
    platform = Platform(folder)
    try:
        yield platform
    finally:
        await platform.supervisor.kill()


def child(
    name: str,
    code: str,
    *,
    after: tuple[str, ...] = (),
    start_within: float = 30.0,
    stop_within: float = 2.0,
    says: str = "",
) -> Child:
    async def ready() -> bool:
        return says in os.environ or not says

    return Child(
        name=name,
        command=[sys.executable, "-c", code],
        ready=ready,
        environment={"PATH": "/usr/bin:/bin"},
        after=after,
        stop_within=stop_within,
        start_within=start_within,
    )


def alive(pid: int) -> bool:
    return processes.describe(pid) is not None


async def test_a_killed_child_is_back_within_a_second_and_the_console_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        await platform.supervisor.start(child("echo", SLEEPER))
        before = platform.pid("echo")
        async with Stopwatch() as watch:
            os.kill(before, signal.SIGKILL)
            await platform.until(lambda: platform.supervisor.pids.get("echo", before) != before)
            assert watch.seconds < 1.0
        await platform.until(lambda: any("echo is back" in sentence for sentence in platform.said))
        assert "echo killed by SIGKILL: starting it again" in platform.said


async def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_last_words(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        failing = child("echo", "raise SystemExit('no room at the inn')", says="NEVER_SET_IN_ANY_ENVIRONMENT")
        with pytest.raises(ChildFailed, match="it ended with status 1") as caught:
            await platform.supervisor.start(failing)
        assert caught.value.log_lines == ("no room at the inn",)
        assert platform.supervisor.pids == {}


async def test_a_child_that_never_answers_is_ended_and_reported(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        silent = child("echo", SLEEPER, start_within=1.0, says="NEVER_SET_IN_ANY_ENVIRONMENT")
        with pytest.raises(ChildFailed, match="did not answer within 1 s"):
            await platform.supervisor.start(silent)
        assert RunRecord(tmp_path / "processes.json").leftovers() == {}


async def test_a_child_that_keeps_dying_is_tried_less_and_less_often(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        await platform.supervisor.start(child("echo", "import time; time.sleep(0.1)"))
        await platform.until(lambda: any("again in 1 s" in sentence for sentence in platform.said))
        assert any("again in 0.5 s" in sentence for sentence in platform.said)


async def test_descendants_of_a_dead_child_go_with_it(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        await platform.supervisor.start(child("echo", PARENT))
        before = platform.pid("echo")
        async with asyncio.timeout(60):
            while len(members := processes.session_members(before)) < 2:
                await asyncio.sleep(0.02)
        os.kill(before, signal.SIGKILL)
        await platform.until(lambda: any("is back" in sentence for sentence in platform.said))
        assert not any(alive(info.pid) for info in members)


async def test_children_stop_after_those_that_need_them(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        for name, after in (("bottom", ()), ("middle", ("bottom",)), ("top", ("middle", "bottom"))):
            await platform.supervisor.start(child(name, SLEEPER, after=after))
        await platform.supervisor.stop()
        assert platform.ended == ["top", "middle", "bottom"]


async def test_a_child_deaf_to_signals_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        await platform.supervisor.start(child("echo", STUBBORN, stop_within=0.3))
        pid = platform.pid("echo")
        async with asyncio.timeout(60):
            while "deaf" not in (tmp_path / "echo.log").read_text():
                await asyncio.sleep(0.02)
        began = time.monotonic()
        await platform.supervisor.stop()
        assert not alive(pid)
        assert time.monotonic() - began < 15


async def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        await platform.supervisor.start(child("echo", PARENT))
        left = RunRecord(tmp_path / "processes.json").leftovers()
        assert platform.pid("echo") in left["echo"]
        ended = await asyncio.to_thread(RunRecord(tmp_path / "processes.json").end_leftovers, polite_seconds=1.0)
        assert set(ended) == {"echo"}
        assert not any(alive(pid) for pid in ended["echo"])
