"""Clocks that are set while calls run, or that differ from host to host: ten minutes either way end nothing."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.clock import Sight, Stillness
from control_plane.rooms.models import Room, RoomStatus
from control_plane.sessions.models import SessionJob, Slot
from control_plane.supervisor.reconciler import Reconciler
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, lease_watch, ticket_of, watch_for, worker

pytestmark = pytest.mark.anyio

JUMPS = pytest.mark.parametrize("minutes", [-10, 10])


async def open_call(tenant: Tenant, fake: FakeWorker) -> PersonaJob:
    """A session that has started."""
    job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
    assert (await fake.report(job, 1, type="call.started.v1"))["refused"] is None
    return job


async def heartbeat(fake: FakeWorker) -> None:
    await fake.say(type="heartbeat", calls=["AJ_1"])
    await fake.exchange("tk_nothing.1", job_id="AJ_2")  # answered after the heartbeat


async def running(platform: Platform) -> int:
    async with platform.database.platform() as db:
        return len((await db.exec(select(SessionJob.id).where(col(SessionJob.ended_at).is_(None)))).all())


@JUMPS
async def test_a_call_outlives_the_setting_of_the_clock_that_watches_it(platform: Platform, minutes: int) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        await open_call(tenant, fake)
        assert await leases.sweep() == 0
        clock.jump(minutes=minutes)
        for _ in range(10):
            await heartbeat(fake)
            assert await watch_for(leases, clock, 3) == 0


@JUMPS
async def test_a_worker_that_is_lost_is_missed_as_soon_with_a_clock_that_was_set(
    platform: Platform, minutes: int
) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        await open_call(tenant, fake)
        assert await leases.sweep() == 0
        clock.jump(minutes=minutes)
        assert await watch_for(leases, clock, 14) == 0
        assert await watch_for(leases, clock, 2) == 1  # its uplink stands, and says nothing
    assert await running(platform) == 0


async def test_who_could_not_look_for_a_while_misses_nobody_at_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        await open_call(tenant, fake)
        assert await watch_for(leases, clock, 2) == 0
        clock.step(minutes=20)  # the database was away, for whoever renews as well
        assert await watch_for(leases, clock, 3) == 0
        await heartbeat(fake)
        assert await watch_for(leases, clock, 14) == 0


async def test_nobody_is_missed_while_no_control_plane_is_there_to_hear_of_them(platform: Platform) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        job = await open_call(tenant, fake)
        assert await watch_for(leases, clock, 2) == 0
        hearing = next(task for task in asyncio.all_tasks() if task.get_name() == "hear_workers")
        hearing.cancel()  # as with its process
        await asyncio.gather(hearing, return_exceptions=True)
        assert await watch_for(leases, clock, 120) == 0
        # Its caller has hung up meanwhile, which is told once somebody listens.
        assert (await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=1))["refused"] is None
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "caller_left")


@JUMPS
async def test_the_process_that_hears_of_workers_may_tell_another_time(platform: Platform, minutes: int) -> None:
    tenant = await platform.tenant()
    ahead = SteppedClock(datetime.now(UTC))
    ahead.jump(minutes=minutes)
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        await open_call(tenant, fake)
        platform.app.state.uplink.clock = ahead
        for _ in range(10):
            ahead.step(seconds=3)
            await heartbeat(fake)
            assert await watch_for(leases, clock, 3) == 0
    async with asyncio.timeout(60):
        while platform.app.state.hub.find("w1") is not None:
            await asyncio.sleep(0.01)
    assert await watch_for(leases, clock, 16) == 1
    assert await running(platform) == 0


@JUMPS
async def test_a_caller_on_the_way_keeps_their_place(platform: Platform, minutes: int) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        clock.jump(minutes=minutes)
        await leases.sweep()
        assert (await fake.exchange(ticket))["job"]
        await ticket_of(tenant, room="nobody-comes")
        clock.step(minutes=30)
        await leases.sweep()
    async with platform.database.platform() as db:
        assert (await db.exec(select(Slot).where(col(Slot.session_id).is_(None)))).all() == []


@JUMPS
async def test_a_room_that_is_being_made_stays_and_one_that_is_gone_goes(platform: Platform, minutes: int) -> None:
    tenant = await platform.tenant()
    clock = SteppedClock(datetime.now(UTC))
    clock.jump(minutes=minutes)
    reconciler = Reconciler(platform.database, platform.media, clock)
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    made = platform.media.rooms.pop("proj_r")  # LiveKit does not show it yet
    async with platform.database.platform() as db:
        await db.exec(update(Room).values(created_at=datetime.now(UTC)))
    await reconciler.reconcile()
    assert await is_open(platform)
    platform.media.rooms["proj_r"] = made
    clock.step(seconds=4)
    await reconciler.reconcile()
    clock.step(seconds=4)
    del platform.media.rooms["proj_r"]
    await reconciler.reconcile()
    assert not await is_open(platform)


async def is_open(platform: Platform) -> bool:
    async with platform.database.platform() as db:
        return (await db.exec(select(Room.status))).one() == RoomStatus.OPEN


def test_what_changes_or_was_not_there_is_counted_anew() -> None:
    clock = SteppedClock()
    still = Stillness[str](clock)

    def look(**states: int) -> dict[str, float]:
        still.look()
        return {key: still.of(key, state) for key, state in states.items()}

    assert look(a=1, b=1) == {"a": 0, "b": 0}
    clock.step(seconds=5)
    clock.jump(hours=-1)
    assert look(a=1, b=2, c=1) == {"a": 5, "b": 0, "c": 0}
    clock.step(seconds=5)
    assert look(a=1, b=2) == {"a": 10, "b": 5}
    assert look(c=1) == {"c": 0}


def test_who_could_not_look_for_a_while_has_seen_nothing() -> None:
    clock = SteppedClock()
    sight = Sight(clock)
    for seconds, seen in ((3, 3), (3, 6), (40, 0), (2, 2)):
        clock.step(seconds=seconds)
        assert sight.look() == seen
