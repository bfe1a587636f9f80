"""Turns at the database: one account's burst must not take the connections of all others.

Requests that change something may wait for locks of their account, each with a connection. Only so many of an account
are let to one at a time; the others wait without.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from control_plane.db.database import Db
from control_plane.errors import Unavailable
from control_plane.gate.route import Door

AT_ONCE: Final = 6
"""Of one account, in one process; the pool of a process has 16 by default."""
WITHIN: Final = 10.0
"""Seconds a request waits for its turn."""


class Turns:
    """Who of an account may work on the database."""

    def __init__(self) -> None:
        self._accounts: dict[int, asyncio.Semaphore] = {}
        self._there: dict[int, int] = {}

    @asynccontextmanager
    async def take(self, account_id: int, door: Door) -> AsyncIterator[Db]:
        """A transaction through `door`, in turn. Raises `Unavailable` after `WITHIN`."""
        async with self.turn(account_id), door() as db:
            yield db

    @asynccontextmanager
    async def turn(self, account_id: int) -> AsyncIterator[None]:
        """A turn for the block. Raises `Unavailable` after `WITHIN`."""
        turn = self._accounts.setdefault(account_id, asyncio.Semaphore(AT_ONCE))
        self._there[account_id] = self._there.get(account_id, 0) + 1
        try:
            try:
                async with asyncio.timeout(WITHIN):
                    await turn.acquire()
            except TimeoutError:
                raise Unavailable("Too many requests of this account are at work; try again", retry_after=1) from None
            try:
                yield
            finally:
                turn.release()
        finally:
            self._there[account_id] -= 1
            if not self._there[account_id]:
                del self._there[account_id], self._accounts[account_id]
