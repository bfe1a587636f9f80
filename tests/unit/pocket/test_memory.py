"""A service that has grown ends, but never over work."""

import asyncio

import pytest

from pocket import memory

pytestmark = pytest.mark.anyio


async def test_a_service_ends_once_it_is_large_and_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    size, calls, looks = 100, 1, 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return size

    async def looked(times: int) -> None:
        nonlocal looks
        looks = 0
        async with asyncio.timeout(5):
            while looks < times:
                await asyncio.sleep(0)

    monkeypatch.setattr(memory, "held", look)
    ending = asyncio.create_task(memory.outgrown(1000, lambda: calls == 0, every=0))
    calls = 0
    await looked(3)
    assert not ending.done()
    size, calls = 2000, 1
    await looked(3)
    assert not ending.done()
    calls = 0
    async with asyncio.timeout(5):
        await ending


def test_what_a_process_holds_grows_with_it() -> None:
    before = memory.held()
    block = bytearray(64 << 20)
    assert memory.held() - before > 48 << 20
    del block
