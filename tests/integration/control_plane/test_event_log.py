"""The log: what is committed is told, once, in one order, whatever other transactions do."""

import asyncio
import random

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.events.models import Event
from control_plane.events.sequencer import Sequencer
from control_plane.events.tail import follow
from control_plane.events.wake import STAMPED, Listener
from tests.support.database import Clone

pytestmark = pytest.mark.anyio


async def write(database: Database, name: str, *, pause: float = 0, fail: bool = False) -> None:
    """One transaction with one event, open for `pause` seconds after it was written."""
    try:
        async with database.platform() as db:
            EventLog(db, Clock()).append(Fact.ROOM_STARTED, project_id=1, room_name=name)
            await db.flush()
            await asyncio.sleep(pause)
            if fail:
                raise RuntimeError("rolled back")
    except RuntimeError:
        return


async def collect(database: Database, url: str, count: int) -> list[Event]:
    """The next `count` events from the beginning of the log."""
    seen: list[Event] = []
    async with asyncio.timeout(60), Listener(url, STAMPED).listening() as listener:
        async for batch in follow(database, listener, after=0):
            seen += batch
            if len(seen) >= count:
                return seen
    raise AssertionError("the tail ended")


async def run_until(sequencer: Sequencer, work: asyncio.Task[list[Event]]) -> list[Event]:
    """Let the sequencer run until the work is done."""
    stamping = asyncio.create_task(sequencer.run())
    try:
        return await work
    finally:
        stamping.cancel()
        await asyncio.gather(stamping, return_exceptions=True)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), writers=st.integers(5, 40))
def test_concurrent_commits_lose_and_double_nothing(clone: Clone, seed: int, writers: int) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        # A connection for each: none gives up for want of one on a busy machine.
        database = Database(clone.app.replace("postgresql://", "postgresql+psycopg://"), pool=2 * writers)
        async with await psycopg.AsyncConnection.connect(clone.owner, autocommit=True) as owner:
            await owner.execute("truncate event")
        names = [f"proj_{number}" for number in range(writers)]
        kept = [name for name in names if dice.random() < 0.9]
        reading = asyncio.create_task(collect(database, clone.app, len(kept)))
        first, second = Sequencer(clone.app), Sequencer(clone.app)
        rival = asyncio.create_task(second.run())
        writing = asyncio.gather(
            *(write(database, name, pause=dice.random() * 0.1, fail=name not in kept) for name in names)
        )
        seen = await run_until(first, reading)
        await writing
        rival.cancel()
        await asyncio.gather(rival, return_exceptions=True)
        assert sorted(event.room_name or "" for event in seen) == sorted(kept)
        order = [event.seq for event in seen]
        assert order == list(range(1, len(kept) + 1))
        await database.close()

    asyncio.run(scenario())


async def test_an_open_foreign_transaction_delays_nobody_else(database: Database, clone: Clone) -> None:
    blocker = await psycopg.AsyncConnection.connect(clone.owner)
    await blocker.execute("insert into event (project_id, type, created_at) values (1, 'room.started', now())")
    reading = asyncio.create_task(collect(database, clone.app, 3))
    for number in range(3):
        await write(database, f"proj_{number}")
    async with asyncio.timeout(12):
        seen = await run_until(Sequencer(clone.app), reading)
    assert [event.room_name for event in seen] == ["proj_0", "proj_1", "proj_2"]
    await blocker.close()


async def test_a_written_event_reaches_a_reader_within_a_moment(database: Database, clone: Clone) -> None:
    sequencer = asyncio.create_task(Sequencer(clone.app).run())
    async with Listener(clone.app, STAMPED).listening() as listener:
        batches = follow(database, listener, after=0)
        await write(database, "proj_first")
        await anext(batches)  # connections stand from here on
        clock, waits = asyncio.get_running_loop(), []
        for number in range(5):  # one of them on a busy machine; without wake-ups each would take a second
            began = clock.time()
            await write(database, f"proj_{number}")
            await anext(batches)
            waits.append(clock.time() - began)
        assert min(waits) < 0.5
    sequencer.cancel()
    await asyncio.gather(sequencer, return_exceptions=True)
