"""A control plane that is behind is not sent ever more: reports on their way are counted, and repeats are few."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agents import uplink
from agents.contract import Submission
from agents.spool import Spool
from agents.uplink import WINDOW, Uplink
from tests.support.uplink_client import uplink_to

pytestmark = pytest.mark.anyio


class SlowPlane:
    """A control plane that answers a report when it is told to."""

    def __init__(self) -> None:
        self.came: Counter[tuple[int, int]] = Counter()
        self.order: list[tuple[int, int, str]] = []
        self.beats = 0
        self.changed = asyncio.Event()
        self._socket: ServerConnection | None = None

    async def serve(self, socket: ServerConnection) -> None:
        self._socket = socket
        async for text in socket:
            message = json.loads(text)
            match message:
                case {"type": "hello"}:
                    await socket.send(json.dumps({"type": "welcome", "protocol": 1}))
                case {"type": "heartbeat"}:
                    self.beats += 1
                case {"type": "report", "session_id": session, "sequence": sequence, "report": {"type": kind}}:
                    self.came[session, sequence] += 1
                    self.order.append((session, sequence, kind))
            self.changed.set()

    async def answer(self, session: int, sequence: int) -> None:
        assert self._socket is not None
        key = {"session_id": session, "epoch": 1, "sequence": sequence}
        await self._socket.send(json.dumps({"type": "verdict", "refused": None} | key))

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(20):
            while not true():
                self.changed.clear()
                await self.changed.wait()


def report(session: int, sequence: int, kind: str = "line.spoken.v1") -> Submission:
    return Submission(session_id=session, epoch=1, sequence=sequence, capability="c", report={"type": kind})


@asynccontextmanager
async def talking(plane: SlowPlane, spool: Spool) -> AsyncIterator[Uplink]:
    async with serve(plane.serve, "127.0.0.1", 0) as server:
        async with uplink_to(server.sockets[0].getsockname()[1], spool) as line:
            yield line
        spool.close()


async def test_no_more_than_a_window_is_on_its_way_and_each_verdict_lets_one_more_go(tmp_path: Path) -> None:
    plane, spool = SlowPlane(), Spool(tmp_path)
    for sequence in range(1, WINDOW + 51):
        assert spool.keep(report(1, sequence))
    async with talking(plane, spool):
        await plane.until(lambda: len(plane.came) == WINDOW)
        for sequence in range(1, 51):
            await plane.answer(1, sequence)
            await plane.until(lambda sequence=sequence: len(plane.came) == WINDOW + sequence)
        assert [sequence for _, sequence, _ in plane.order] == list(range(1, WINDOW + 51))


async def test_what_gets_no_verdict_is_said_again_and_nothing_beyond_the_window_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "HEARTBEAT", 0.05)
    plane, spool = SlowPlane(), Spool(tmp_path)
    for sequence in range(1, WINDOW + 51):
        assert spool.keep(report(1, sequence))
    async with talking(plane, spool):
        await plane.until(lambda: plane.came[1, WINDOW] >= 2)
        assert len(plane.came) == WINDOW
        for sequence in range(1, WINDOW + 1):
            await plane.answer(1, sequence)
        await plane.until(lambda: plane.came[1, WINDOW + 50] >= 1)


@pytest.mark.parametrize(
    ("kind", "more"), [("call.started.v1", {}), ("call.ended.v1", {"reason": "not_started"})], ids=("begins", "never")
)
async def test_a_call_that_begins_or_never_does_is_told_before_what_others_said(
    tmp_path: Path, kind: str, more: dict[str, str]
) -> None:
    plane, spool = SlowPlane(), Spool(tmp_path)
    for sequence in range(1, WINDOW + 11):
        assert spool.keep(report(1, sequence))
    async with talking(plane, spool) as line:
        await plane.until(lambda: len(plane.came) == WINDOW)
        began = report(2, 1, kind)
        began.report.update(more)
        assert spool.keep(began)
        await line.submit(began)
        await plane.answer(1, 1)
        await plane.until(lambda: len(plane.came) == WINDOW + 1)
    assert plane.order[-1] == (2, 1, kind)


async def test_what_is_adopted_while_the_uplink_stands_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "HEARTBEAT", 0.05)
    plane, spool = SlowPlane(), Spool(tmp_path)
    async with talking(plane, spool):
        await plane.until(lambda: plane.beats)
        assert spool.keep(report(7, 1))
        await plane.until(lambda: plane.came[7, 1])
