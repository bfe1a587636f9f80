"""Gives committed events their public number.

`id` is handed out before commit, so a reader that follows it can pass by a row whose transaction is still open. The
sequencer sees only committed rows, numbers them in the order it meets them, and is alone (advisory lock): whoever reads
by `seq` loses nothing, and an open transaction delays only its own rows.
"""

import asyncio

import psycopg
import structlog

from control_plane import metrics
from control_plane.db.connections import TimedConnection
from control_plane.db.leadership import LEADING, Lock, connect, holds
from control_plane.events.wake import RETRY, STAMPED, WRITTEN, Listener

BATCH = 1000

_STAMP = """
    with batch as (
        select id, row_number() over (order by id) as place from event where seq is null order by id limit %s
    ), last as (select coalesce(max(seq), 0) as seq from event)
    update event set seq = last.seq + batch.place from batch, last where event.id = batch.id
"""

log = structlog.get_logger()


class Sequencer:
    """Stamps events until cancelled. Any number may run; one works, the others wait for its lock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listener = Listener(url, WRITTEN)

    async def run(self) -> None:
        """Work, and start again after the database was away."""
        async with self._listener.listening():
            while True:
                try:
                    await self._lead()
                except psycopg.Error:
                    log.warning("sequencer interrupted")
                    await asyncio.sleep(RETRY)

    async def _lead(self) -> None:
        # It stamps through the connection that holds the lock: with the lock it loses its hand.
        async with await connect(self._url, options=f"-c parley.project=all {LEADING}") as connection:
            while not await holds(connection, Lock.SEQUENCER):  # noqa: ASYNC110 - the lock is in the database
                await asyncio.sleep(RETRY)
            leads = metrics.LEADER.labels(Lock.SEQUENCER.name.lower())
            leads.set(1)
            try:
                while True:
                    if await self.stamp(connection) < BATCH:
                        await self._listener.wait()
            finally:
                leads.set(0)

    async def stamp(self, connection: TimedConnection) -> int:
        """Stamp one batch and wake the readers; how many rows it was."""
        async with connection.transaction():
            done = (await connection.execute(_STAMP, (BATCH,))).rowcount
            if done:
                await connection.execute("select pg_notify(%s, '')", (STAMPED,))
        return done
