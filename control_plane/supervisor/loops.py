"""What the jobs process does for ever: stamp events, work off jobs, sweep, reconcile."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from sqlmodel import col, delete

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.events.sequencer import Sequencer
from control_plane.events.wake import WRITTEN, Notifier
from control_plane.jobs.models import Job, JobState
from control_plane.jobs.queue import JobRunner
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.media.server import MediaServer
from control_plane.metering.budget import WIND_UP
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import CLOSE_ROOM, still_to_close
from control_plane.sessions.slots import NumberSigner
from control_plane.sessions.watch import FORGET, sweep
from control_plane.sessions.winding import cut_off, wind_up
from control_plane.settings import Settings
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.placing import CallPlacer, sweep_calls
from control_plane.telephony.sync import TrunkSync, repair_trunks
from control_plane.webhooks.deliverer import Deliverer
from guard.outbound import Outbound
from sip.dialer import Dialer, SipAwayError

SWEEP_LOCK, RECONCILE_LOCK, WEBHOOK_LOCK = 7_270_002, 7_270_003, 7_270_004
"""Advisory locks: each pass is made by one process of many."""
SWEEP_EVERY, RECONCILE_EVERY = 1.0, 4.0
RETRY = 1.0
SILENCE = 60.0
"""Seconds without an answer of the database after which a lock counts as lost."""
PATIENCE = timedelta(seconds=10)

log = structlog.get_logger()


async def lead(url: str, lock: int, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
    """Make a pass, pause, and so on for ever, in the one process that holds the lock."""
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=3)
            async with connection:
                # Asking again is harmless for the holder, and fails where the connection, hence the lock, is lost.
                while await _holds(connection, lock):
                    try:
                        await work()
                    except PlatformError as error:
                        log.warning("pass failed", lock=lock, reason=error.message)
                    except Exception:  # one bad row must not end the sequencer beside it
                        log.exception("pass failed", lock=lock)
                    await asyncio.sleep(seconds)
        except psycopg.Error:
            log.warning("leadership interrupted", lock=lock)
        await asyncio.sleep(RETRY)


async def govern(url: str, lock: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` for ever in the one process that holds the lock; it is cancelled where the lock is lost."""
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=3)
            async with connection:
                while not await _holds(connection, lock):  # noqa: ASYNC110 - the lock is in the database
                    await asyncio.sleep(RETRY)
                await _serve_term(connection, lock, work)
        except (psycopg.Error, TimeoutError):
            log.warning("leadership interrupted", lock=lock)
        except Exception:  # as in `lead`
            log.exception("term ended", lock=lock)
        await asyncio.sleep(RETRY)


async def _serve_term(connection: psycopg.AsyncConnection, lock: int, work: Callable[[], Awaitable[None]]) -> None:
    term = asyncio.ensure_future(work())
    try:
        while not term.done():
            await asyncio.wait([term], timeout=RETRY)
            async with asyncio.timeout(SILENCE):
                await _holds(connection, lock)
        await term
    finally:
        term.cancel()
        await asyncio.gather(term, return_exceptions=True)


async def _holds(connection: psycopg.AsyncConnection, lock: int) -> bool:
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", (lock,))).fetchone()
    return bool(row and row[0])


async def forget(database: Database, clock: Clock) -> None:
    """Delete what only guarded against repeats: hooks and finished jobs of more than a day ago."""
    before = clock.now() - FORGET
    async with database.platform() as db:
        await db.exec(delete(LivekitHook).where(col(LivekitHook.received_at) < before))
        await db.exec(delete(Job).where(col(Job.state) == JobState.DONE, col(Job.run_at) < before))


async def run(
    database: Database,
    settings: Settings,
    media: MediaServer,
    dialer: Dialer,
    clock: Clock,
    *,
    ready: Callable[[], None],
) -> None:
    """Run everything until cancelled; `ready` is called once all of it has begun."""
    url = settings.database_url.get_secret_value()

    async def close_room(payload: dict[str, Any]) -> None:
        async with database.platform() as db:
            wanted = await still_to_close(db, payload["room_id"], payload["room_name"], now=clock.now())
        if wanted:
            await media.close_room(payload["room_name"])

    async def end_politely(payload: dict[str, Any]) -> None:
        await wind_up(database, clock, project_id=payload["owner_id"], persona_id=payload["persona_id"])

    began = clock.now()

    async def supervise() -> None:
        # After a restart of everything, workers get the time to say what they hold before they are missed.
        if clock.now() - began > PATIENCE:
            await sweep(database, clock)
        await cut_off(database, clock)
        await forget(database, clock)
        await redispatch(database, media, clock)
        await sweep_calls(database, clock)

    box = SecretBox(settings.secret_key.get_secret_value())

    async def deliver_webhooks() -> None:
        async with Outbound(settings.webhook_networks) as outbound:
            await Deliverer(database, clock, box, outbound).run(url)

    async def reconcile() -> None:
        await reconciler.reconcile()
        try:
            await repair_trunks(database, trunks)
        except SipAwayError as error:
            log.warning("trunks are not repaired", reason=str(error))

    reconciler = Reconciler(database, media, clock)
    trunks = TrunkSync(dialer, box, NumberSigner(settings.secret_key.get_secret_value()), clock)
    placer = CallPlacer(database, clock, media, dialer)
    runner = JobRunner(database, clock, {CLOSE_ROOM: close_room, WIND_UP: end_politely})
    notifier = Notifier(url, WRITTEN)
    database.on_announcement(notifier.poke)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.run())
        tasks.create_task(Sequencer(url).run())
        tasks.create_task(runner.run())
        tasks.create_task(lead(url, SWEEP_LOCK, SWEEP_EVERY, supervise))
        tasks.create_task(govern(url, WEBHOOK_LOCK, deliver_webhooks))
        tasks.create_task(lead(url, RECONCILE_LOCK, RECONCILE_EVERY, reconcile))
        tasks.create_task(placer.run(url))
        ready()
