"""Lanes: order within each, no lane waits for another, and a bound."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from control_plane.events import lanes as bounds
from control_plane.events.lanes import Lanes

pytestmark = pytest.mark.anyio


class Works:
    """What was done; `slow` work waits until it may go on."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.go_on = asyncio.Event()

    def quick(self, name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            self.done.append(name)

        return work

    def slow(self, name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            await self.go_on.wait()
            self.done.append(name)

        return work

    async def broken(self) -> None:
        raise ValueError("no")

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(5):
            while self.done != list(names):
                await asyncio.sleep(0)


async def test_order_is_kept_in_a_lane_and_no_lane_waits_for_another() -> None:
    works = Works()
    async with Lanes() as lanes:
        assert lanes.put("a", works.slow("a1"))
        assert lanes.put("a", works.quick("a2"))
        assert lanes.put("b", works.quick("b1"))
        await works.until("b1")
        works.go_on.set()
        await works.until("b1", "a1", "a2")
        assert lanes.put("a", works.broken)
        assert lanes.put("a", works.quick("a3"))
        await works.until("b1", "a1", "a2", "a3")
    assert (lanes._waiting, lanes._count, lanes._tasks) == ({}, 0, set())


async def test_a_lane_and_all_of_them_hold_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_IN_LANE", 2)
    monkeypatch.setattr(bounds, "MOST", 3)
    works = Works()
    async with Lanes() as lanes:
        assert [lanes.put("a", works.slow(f"a{number}")) for number in (1, 2, 3)] == [True, True, False]
        assert [lanes.put("b", works.slow(f"b{number}")) for number in (1, 2)] == [True, False]
        works.go_on.set()
        async with asyncio.timeout(5):
            while lanes._count:
                await asyncio.sleep(0)
        assert lanes.put("b", works.quick("b3"))


async def test_what_waits_at_the_end_is_given_up() -> None:
    works = Works()
    async with Lanes() as lanes:
        lanes.put("a", works.slow("a1"))
        await asyncio.sleep(0)
    assert (works.done, lanes._tasks) == ([], set())
