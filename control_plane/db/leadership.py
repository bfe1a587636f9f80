"""Work that one process of many does: whoever holds an advisory lock, for as long as its connection stands."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum

import psycopg
import structlog
from sqlalchemy import text

from control_plane import metrics
from control_plane.db.connections import NETWORK, TimedConnection

RETRY = 1.0
STANDSTILL = 10
"""Seconds without a word of the holder after which the server gives its lock to another: the holder speaks each second,
unless its process stands still or its host is gone."""
LEADING = f"-c idle_session_timeout={STANDSTILL}s -c idle_in_transaction_session_timeout={STANDSTILL}s"
"""Options of a connection that holds a lock."""

IS_SHARED = text("""
    select exists (
        select from pg_locks where locktype = 'advisory' and granted and objid = :lock and objsubid = 1
            and database = (select oid from pg_database where datname = current_database())
    )
""")
"""Whether anybody holds a lock."""

log = structlog.get_logger()


class Lock(IntEnum):
    """The advisory locks of the platform; migrations have 7 270 000, the places of workers 7 270 010."""

    SEQUENCER = 7_270_001
    SWEEP = 7_270_002
    RECONCILE = 7_270_003
    WEBHOOKS = 7_270_004
    BRING_BACK = 7_270_005
    HEARING = 7_270_006
    """Shared by all control planes: while one holds it, somebody hears of workers."""
    BOOKS = 7_270_007


async def connect(url: str, *, options: str = "") -> TimedConnection:
    """A connection of its own, outside the pools: for a lock, or to listen. Only to a server that takes writes: one
    that follows another has locks of its own, and nobody would notice who leads there. Raises `psycopg.Error`.
    """
    given = {"options": options, "target_session_attrs": "read-write"} | NETWORK
    return await TimedConnection.connect(url, autocommit=True, **given)


async def holds(connection: TimedConnection, lock: Lock) -> bool:
    """Take a lock where it is free. Asking again is harmless for the holder, and fails where the connection is lost."""
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", (lock,))).fetchone()
    return bool(row and row[0])


async def govern(url: str, lock: Lock, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` for ever in the one process that holds the lock; it is cancelled where the lock is lost."""
    while True:
        try:
            async with await connect(url, options=LEADING) as connection:
                while not await holds(connection, lock):  # noqa: ASYNC110 - the lock is in the database
                    await asyncio.sleep(RETRY)
                await _serve_term(connection, lock, work)
        except psycopg.Error:
            log.warning("leadership interrupted", lock=lock.name)
        except Exception:  # one work that fails must not end those beside it
            log.exception("term ended", lock=lock.name)
        await asyncio.sleep(RETRY)


async def share(url: str, lock: Lock) -> None:
    """Hold a lock together with others for ever, so that anybody sees whether one of them lives and moves."""
    while True:
        try:
            async with await connect(url, options=LEADING) as connection:
                while True:
                    await connection.execute("select pg_try_advisory_lock_shared(%s)", (lock,))
                    await asyncio.sleep(RETRY)
        except psycopg.Error:
            log.warning("sharing interrupted", lock=lock.name)
        await asyncio.sleep(RETRY)


async def _serve_term(connection: TimedConnection, lock: Lock, work: Callable[[], Awaitable[None]]) -> None:
    term = asyncio.ensure_future(work())
    leads = metrics.LEADER.labels(lock.name.lower())
    leads.set(1)
    try:
        while not term.done():
            await asyncio.wait([term], timeout=RETRY)
            await holds(connection, lock)
        await term
    finally:
        leads.set(0)
        term.cancel()
        await asyncio.gather(term, return_exceptions=True)
