"""Work that one process of many does goes on in another when that one dies, or stands still."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from control_plane.db.leadership import STANDSTILL, Lock, connect, govern, holds
from tests.support.database import CHECKOUT, Clone
from tests.support.freezing import frozen

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def leader(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that holds the lock of the sweep."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.leader", url, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            assert await process.stdout.readline() == b"leads\n"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def candidate(url: str) -> AsyncIterator[asyncio.Event]:
    """Another that would lead; whether it does."""
    leads = asyncio.Event()

    async def work() -> None:
        leads.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(govern(url, Lock.SWEEP, work))
    try:
        yield leads
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nobody_leads_by_a_server_that_follows_another(clone: Clone) -> None:
    async with await psycopg.AsyncConnection.connect(clone.superuser, autocommit=True) as owner:
        await owner.execute(f"alter database {clone.name} set default_transaction_read_only = on".encode())
        with pytest.raises(psycopg.OperationalError, match="read-only"):
            await connect(clone.app)
        await owner.execute(f"alter database {clone.name} reset default_transaction_read_only".encode())
    async with await connect(clone.app) as connection:
        assert await holds(connection, Lock.SWEEP)


async def test_a_leader_that_stands_still_is_replaced(clone: Clone) -> None:
    async with leader(clone.app) as first, candidate(clone.app) as second:
        with frozen(first.pid):
            began = time.monotonic()
            async with asyncio.timeout(STANDSTILL + 60):
                await second.wait()
            assert time.monotonic() - began < STANDSTILL + 30
        # It goes on where it was, finds the lock lost, and stands back in the queue.
        async with candidate(clone.app) as third:
            await asyncio.sleep(0)
            assert first.returncode is None
            assert not third.is_set()


async def test_a_leader_that_is_killed_is_replaced_at_once(clone: Clone) -> None:
    async with leader(clone.app) as first, candidate(clone.app) as second:
        assert not second.is_set()
        first.kill()
        async with asyncio.timeout(60):
            await second.wait()


async def test_a_leader_that_works_keeps_its_place(clone: Clone) -> None:
    async with candidate(clone.app) as first, candidate(clone.app) as second:
        async with asyncio.timeout(60):
            await asyncio.wait(
                [asyncio.ensure_future(each.wait()) for each in (first, second)], return_when=asyncio.FIRST_COMPLETED
            )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(STANDSTILL + 2):
                await (second if first.is_set() else first).wait()
