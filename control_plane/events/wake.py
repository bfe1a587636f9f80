"""Wake-ups over PostgreSQL's NOTIFY, at most one per process and 50 ms: a NOTIFY takes a global lock at commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog

from control_plane.db.leadership import connect

WRITTEN = "parley_written"
"""Somebody committed events that have no `seq` yet."""
STAMPED = "parley_stamped"
"""The sequencer has given out new `seq`."""

INTERVAL = 0.05
RETRY = 0.5
POLL = 1.0
ALL_IS_QUIET = 15.0
"""Seconds after which a listening connection is tried."""

log = structlog.get_logger()


class Notifier:
    """Tells a channel that there is something new; coalesces, reconnects, loses nothing but promptness."""

    def __init__(self, url: str, channel: str) -> None:
        self._url, self._channel = url, channel
        self._wanted = asyncio.Event()

    def poke(self) -> None:
        """There is something new."""
        self._wanted.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                async with await connect(self._url) as connection:
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        await connection.execute("select pg_notify(%s, '')", (self._channel,))
                        await asyncio.sleep(INTERVAL)
            except psycopg.Error:
                log.warning("wake-ups interrupted", channel=self._channel)
                await asyncio.sleep(RETRY)


class Listener:
    """Waits for a channel, and looks anyway once a second: a lost wake-up costs promptness only."""

    def __init__(self, url: str, channel: str) -> None:
        self._url, self._channel = url, channel
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Listener"]:
        """Keep a listening connection for the time of the block."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._listen())
            try:
                yield self
            finally:
                task.cancel()

    async def wait(self, within: float | None = None) -> None:
        """Return when woken, or after `POLL`; `within` is another interval for this time."""
        try:
            async with asyncio.timeout(POLL if within is None else within):
                await self._heard.wait()
        except TimeoutError:
            return
        self._heard.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async with await connect(self._url) as connection:
                    await connection.execute(f"listen {self._channel}")
                    self._heard.set()
                    while True:
                        async for _ in connection.notifies(timeout=ALL_IS_QUIET):
                            self._heard.set()
                        await connection.execute("select 1")  # a server that is gone wakes nobody either
            except psycopg.Error:
                log.warning("listening interrupted", channel=self._channel)
                await asyncio.sleep(RETRY)
