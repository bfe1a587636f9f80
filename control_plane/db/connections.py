"""Connections whose every wait for the server ends.

`statement_timeout` is the server's promise, and a server that is frozen, or behind a network that swallows what it is
sent, keeps none. So the client counts as well: a connection that owes an answer for `ANSWER_WITHIN` is given up. The
server's own limit is shorter, so that of the two it is the one that a slow statement meets.
"""

import asyncio
import select
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

V = TypeVar("V")

STATEMENT_WITHIN: Final = 8
"""Seconds after which the server breaks a statement off."""
ANSWER_WITHIN: Final = 10.0
"""Seconds without an answer after which a connection is given up."""
CONNECT_WITHIN: Final = 3
IDLE_IN_TRANSACTION: Final = 60
"""Seconds for which a process that stands still may hold locks of rows; longer than a job may take."""
LIFETIME: Final = 1800.0
"""Seconds after which a connection is replaced."""

NETWORK: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_WITHIN,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon TCP itself notices that nobody is there any more."""


class TimedConnection(psycopg.AsyncConnection[Any]):
    """A connection that is closed where the server owes an answer for too long."""

    answer_within = ANSWER_WITHIN
    """Seconds."""
    patient_until = 0.0
    """Until then, by the monotonic clock, an answer may be owed all the same."""

    async def wait(self, gen: PQGen[V], interval: float = 0.1, timeout: float | None = None) -> V:
        """As psycopg's, where the caller sets no `timeout` with one of ours."""
        within = max(self.answer_within, self.patient_until - monotonic()) if timeout is None else timeout
        try:
            return await super().wait(gen, interval, within)
        except psycopg.OperationalError:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer that comes after all must not be taken for that of a later question
            raise

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for: of an idle connection it would be its end."""
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)


class PoolBusy(Exception):
    """All connections stay in use."""


class ConnectionPool:
    """Connections for one statement each, opened by whoever needs one.

    So there is nothing that tries again later: the first request after an outage finds the database. One that breaks
    takes those along that idled beside it.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[TimedConnection]],
        *,
        size: int,
        within: float,
        since: Callable[[], float],
    ) -> None:
        """Connections opened before the moment that `since` says, by the monotonic clock, are used no more."""
        self._connect, self._places, self._within, self._since = connect, asyncio.Semaphore(size), within, since
        self._idle: deque[tuple[TimedConnection, float]] = deque()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[TimedConnection]:
        """A connection for the block. Raises `PoolBusy` where all stay in use for `within` seconds."""
        try:
            async with asyncio.timeout(self._within if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError:
            raise PoolBusy from None
        try:
            connection, born = self._take() or (await self._connect(), monotonic())
            try:
                yield connection
            finally:
                if connection.closed:
                    await self.close()
                elif connection.pgconn.transaction_status != TransactionStatus.IDLE or self._is_old(born):
                    await connection.close()
                else:
                    self._idle.append((connection, born))
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close those that idle."""
        while self._idle:
            connection, _ = self._idle.popleft()
            await connection.close()

    def _take(self) -> tuple[TimedConnection, float] | None:
        while self._idle:
            connection, born = self._idle.pop()
            if connection.is_quiet and not self._is_old(born):
                return connection, born
            connection.pgconn.finish()
        return None

    def _is_old(self, born: float) -> bool:
        return born < max(self._since(), monotonic() - LIFETIME)
