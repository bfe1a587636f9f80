"""Whoever hangs up is not held by work that does not notice."""

import asyncio
import contextlib

import pytest

from pocket.ending import EndedError, unless

pytestmark = pytest.mark.anyio


async def test_the_work_is_done_first() -> None:
    async def work() -> int:
        return 7

    assert await unless(asyncio.get_running_loop().create_future(), work()) == 7


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await unless(asyncio.get_running_loop().create_future(), work())


async def test_work_that_loses_a_cancellation_ends_too() -> None:
    ending = asyncio.get_running_loop().create_future()
    lost = []

    async def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            ending.set_result(None)
            await asyncio.sleep(60)
        lost.append("one")
        await asyncio.sleep(60)

    async with asyncio.timeout(10):
        with pytest.raises(EndedError):
            await unless(ending, work())
    assert lost == ["one"]
