"""Gives committed events their public number.

`id` is handed out before commit, so a reader that follows it can pass by a row whose transaction is still open. The
sequencer sees only committed rows, numbers them in the order it meets them, and is alone (advisory lock): whoever reads
by `seq` loses nothing, and an open transaction delays only its own rows.

One that stays open while `LATE` others are numbered gets another `id` with its number: readers look for young numbers
in young parts of the table.
"""

import asyncio
from typing import Final

import psycopg
import structlog

from control_plane import metrics
from control_plane.db.connections import TimedConnection
from control_plane.db.leadership import LEADING, Lock, connect, holds
from control_plane.events.models import LATE
from control_plane.events.wake import RETRY, STAMPED, WRITTEN, Listener

BATCH: Final = 1000
LOOK_EVERY: Final = 10.0
"""Seconds between looks for events that others have overtaken by far."""

_STAMP: Final = f"""
    with last as materialized (
        select coalesce(max(seq), 0) as seq from event where id >= %(young)s
    ), batch as (
        select id, row_number() over (order by id) as place from event
        where seq is null and id >= %(young)s and id >= (select seq from last) - {LATE - BATCH}
        order by id limit {BATCH}
    ), stamped as (
        update event set seq = last.seq + batch.place from batch, last
        where event.id = batch.id and event.id >= %(young)s
        returning event.seq
    )
    select count(*), coalesce(max(seq), (select seq from last)) from stamped
"""  # noqa: S608 - numbers of ours
_OVERTAKEN: Final = "update event set id = nextval('event_id_seq') where seq is null and id < %(soon)s"

log = structlog.get_logger()


class Sequencer:
    """Stamps events until cancelled. Any number may run; one works, the others wait for its lock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listener = Listener(url, WRITTEN)
        self._last = 0
        """The newest number, as far as it is known."""
        self._look_at = 0.0

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
            await self._bring_along(connection)
            row = await (await connection.execute(_STAMP, {"young": self._last - LATE})).fetchone()
            assert row is not None
            done, last = row
            if done:
                await connection.execute("select pg_notify(%s, '')", (STAMPED,))
        self._last = last
        return int(done)

    async def _bring_along(self, connection: TimedConnection) -> None:
        """Give events that could not be numbered within `LATE` an id that they can be numbered with."""
        soon, now = self._last + BATCH - LATE, asyncio.get_running_loop().time()
        if soon > 0 and now >= self._look_at:
            await connection.execute(_OVERTAKEN, {"soon": soon})
            self._look_at = now + LOOK_EVERY
